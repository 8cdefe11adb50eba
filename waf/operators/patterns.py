"""Regular expressions over bytes: RE2, linear in the value; what it lacks, with a time limit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import re2
import regex

from waf.operators.contract import (
    UNDECIDED,
    Captures,
    OperatorProblem,
    Sought,
    Surroundings,
    Test,
)
from waf.operators.spelling import respell

MAX_PATTERN: Final = 64 << 10
"""Bytes of one expression; the longest of CRS 4 has 12 KiB."""
MAX_GROUPS: Final = 9
BACKTRACK_SECONDS: Final = 0.05
"""How long one search of a backtracking expression may take: half of a request's time budget."""
RE2_MEMORY: Final = 8 << 20
"""Of one expression, at most, and only what values make it need: 300 expressions could be driven
to 2.4 GB. It is RE2's own default, with which all of CRS compiles."""

Span: TypeAlias = tuple[int, int]
Search: TypeAlias = Callable[[bytes, int], list[Span] | None]
"""The spans of the first match from a position on: the whole, then each group ((-1, -1): it took
no part); None: no match. An empty list: given up."""

_UNANCHORED: Final = re2._Anchor.UNANCHORED
_NO_SPAN: Final = (-1, -1)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled expression."""

    test: Test
    """Whether and what it matches. RE2: 0.5 us for a short value that does not match, 1.3 us by the
    wheel's own `search`, which is a generator around a generator."""
    search: Search
    """The same from a position on, with positions."""
    reason: str = ""
    """Why RE2 cannot do it; empty: it can."""
    sought: Sought | None = None
    """None: RE2 cannot do it."""

    @property
    def backtracks(self) -> bool:
        """It may take exponential time, and is cut off after `BACKTRACK_SECONDS`."""
        return bool(self.reason)

    def announce(self, around: Surroundings) -> None:
        """Tell what is around the operator that uses it."""
        if self.sought is not None:
            around.seek(self.sought)
        else:
            around.warn(
                f"this regular expression is not linear and has a time limit: {self.reason}"
            )


def compile_pattern(expression: bytes) -> Pattern:
    """Compile an expression of PCRE; a dot matches line ends, `^` and `$` match at the ends only.

    Raises:
        OperatorProblem: neither RE2 nor a backtracking engine reads it.
    """
    if len(expression) > MAX_PATTERN:
        raise OperatorProblem(f"expected an expression of at most {MAX_PATTERN} bytes")
    try:
        return _linear(expression)
    except re2.error as error:
        reason = _text(error)
    try:
        return _backtracking(expression, reason)
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise OperatorProblem(f"expected a regular expression, found a mistake: {error}") from None


def _text(error: Exception) -> str:
    said = error.args[0] if error.args else b""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


_RE2_OUTSIDE: Final = {b"e": rb"\x1b", b"h": rb"[\t\x20]", b"R": rb"(?:\r\n|[\n-\r\x85])"}
_RE2_INSIDE: Final = {b"e": rb"\x1b", b"h": rb"\t\x20"}
# of the other engine: `$` matches before a line end that ends the value too, as PCRE's does
_REGEX_OUTSIDE: Final = {b"e": rb"\x1b", b"z": rb"\Z", b"Z": rb"(?=\n?\Z)"}
_REGEX_INSIDE: Final = {b"e": rb"\x1b"}


def _linear(expression: bytes) -> Pattern:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.dot_nl = True
    options.log_errors = False
    options.max_mem = RE2_MEMORY
    spelled = respell(expression, _RE2_OUTSIDE, _RE2_INSIDE)
    compiled: Any = re2.compile(spelled, options)
    match: Any = compiled._regexp.Match

    def search(value: bytes, start: int) -> list[Span] | None:
        spans: list[Span] = match(_UNANCHORED, value, start, len(value))
        return None if spans[0] == _NO_SPAN else spans

    return Pattern(_test_of_re2(match), search, sought=Sought(spelled))


def _test_of_re2(match: Any) -> Test:
    unanchored, no_span, shown = _UNANCHORED, _NO_SPAN, MAX_GROUPS + 1

    def test(value: bytes) -> Captures | None:
        spans = match(unanchored, value, 0, len(value))
        if spans[0] == no_span:
            return None
        return tuple([None if low < 0 else value[low:high] for low, high in spans[:shown]])

    return test


def _backtracking(expression: bytes, reason: str) -> Pattern:
    flags = regex.DOTALL | regex.VERSION0
    compiled = regex.compile(respell(expression, _REGEX_OUTSIDE, _REGEX_INSIDE), flags)
    groups = range(compiled.groups + 1)

    def search(value: bytes, start: int) -> list[Span] | None:
        try:
            match = compiled.search(value, start, timeout=BACKTRACK_SECONDS)
        except TimeoutError:
            return []
        return None if match is None else [match.span(group) for group in groups]

    def test(value: bytes) -> Captures | None:
        spans = search(value, 0)
        if spans is None:
            return None
        if not spans:
            return UNDECIDED
        shown = spans[: MAX_GROUPS + 1]
        return tuple([None if low < 0 else value[low:high] for low, high in shown])

    return Pattern(test, search, reason)

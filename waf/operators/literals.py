"""Many literal words at once, ASCII letters of either case."""

from typing import Any, Final

import re2

from waf.operators.contract import Captures, OperatorProblem, Test

MAX_BYTES: Final = 1 << 20
"""Of all words together; those of the largest file of CRS 4 have 60 KiB."""
_GROUP_BYTES: Final = 32 << 10
"""Of the words of one expression. Text made of the beginnings of all words is the worst there is,
as it needs the most states: with the 64 KiB of php-errors.data in one expression they do not stay
within the memory, and a KiB takes up to 0.9 ms of processor time; in three it takes 0.1 (and prose
16 us instead of 12). It is the only file of CRS 4 with more than one group."""
_MEMORY: Final = 64 << 20
"""Of one expression, at most, and only what values make it need."""


def any_of(words: list[bytes]) -> Test:
    """Match values in which one of the words stands; the first one to stand there is returned.

    Alternations in RE2. Measured on the 1,831 words of php-errors.data, per fresh KiB of prose:
    RE2 16 us (3 once warm), Aho-Corasick in Rust 10, in C 23; on a short value of a file with one
    group 0.5, 0.3 and 0.3. `re2.Set` takes 5 ms for a fresh KiB.

    Raises:
        OperatorProblem: there is no word, or too many.
    """
    if not words:
        raise OperatorProblem("expected at least one word")
    if sum(map(len, words)) > MAX_BYTES:
        raise OperatorProblem(f"expected words of at most {MAX_BYTES} bytes together")
    matches = [_match(group) for group in _groups(sorted(set(words)))]
    return _single(matches[0]) if len(matches) == 1 else _first(matches)


def _groups(words: list[bytes]) -> list[list[bytes]]:
    """In their order, so that words with the same beginning share its states."""
    groups: list[list[bytes]] = [[]]
    size = 0
    for word in words:
        if size + len(word) > _GROUP_BYTES and groups[-1]:
            groups.append([])
            size = 0
        groups[-1].append(word)
        size += len(word)
    return groups


def _match(words: list[bytes]) -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = False
    options.never_capture = True
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(b"|".join(map(re2.escape, words)), options)._regexp.Match
    except re2.error as error:
        raise OperatorProblem(f"these words are too many: {error}") from None


def _single(match: Any) -> Test:
    unanchored = re2._Anchor.UNANCHORED

    def test(value: bytes) -> Captures | None:
        low, high = match(unanchored, value, 0, len(value))[0]
        return None if low < 0 else (value[low:high],)

    return test


def _first(matches: list[Any]) -> Test:
    unanchored = re2._Anchor.UNANCHORED

    def test(value: bytes) -> Captures | None:
        size = len(value)
        spans = [match(unanchored, value, 0, size)[0] for match in matches]
        found = [span for span in spans if span[0] >= 0]
        if not found:
            return None
        low, high = min(found)
        return (value[low:high],)

    return test

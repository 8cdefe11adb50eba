r"""From the text of a rule file to directives and their words, each with its place.

A line that ends in a backslash goes on in the next; the indentation of that one is not part of a
quoted word. A line whose first mark is `#` is a comment wherever it stands, as in ModSecurity 3 and
Coraza: Apache would let a comment that ends in a backslash swallow the rule below it. In a word in
double quotes `\"` is a quote; every other backslash stays, also of `\\`, as in ModSecurity 3 and
Coraza: ModSecurity 2 gets a single one from Apache.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from string import ascii_letters
from typing import Final

from waf.seclang.shown import shown

Complain = Callable[[int, str], None]
"""Told the offset in the text and the message."""

_BROKEN = r"\\[ \t\r]*\n(?:[ \t]*#[^\n]*(?:\n|\Z))*[ \t]*"
"""A backslash at the end of a line, up to the first mark of the next that is no comment."""
_BLANK: Final = " \t\r\n\f\v"
_SPACE: Final = re.compile(rf"(?:[ \t\r\f\v]|{_BROKEN})*")
_WORD: Final = re.compile(
    rf'"(?P<double>(?:[^"\\]|\\.)*)"'
    rf"|'(?P<single>(?:[^'\\]|\\.)*)'"
    rf"|(?P<bare>[^\s\"'](?:(?!{_BROKEN})\S)*)",
    re.DOTALL | re.ASCII,
)
_ESCAPE: Final = {
    '"': re.compile(rf'{_BROKEN}|\\(["\\])'),
    "'": re.compile(rf"{_BROKEN}|\\(['\\])"),
}
_REST: Final = re.compile(r"(?:\\?[ \t\r]*\n?)\Z")
"""What may follow the last word."""
_BEGINS: Final = re.compile(r"Sec[A-Za-z]|Include", re.IGNORECASE)
_DATASET: Final = re.compile(
    r"[ \t]*(?P<directive>SecDataset)[ \t]+(?P<name>\S+)[ \t]*`[ \t\r]*(?:\n|\Z)",
    re.IGNORECASE | re.ASCII,
)
_DATASET_END: Final = re.compile(r"^[ \t]*`[ \t\r]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Word:
    """One argument of a directive."""

    text: str
    """Without its quotes and escapes."""
    raw: str
    """As it stands between the quotes."""
    at: int
    """Where `raw` begins in the text of the file."""
    quote: str = ""

    def offset(self, position: int) -> int:
        """Where in the file the mark `position` of `text` stands; asked only for a problem."""
        if not self.quote:
            return self.at + position
        written = made = 0
        for escape in _ESCAPE[self.quote].finditer(self.raw):
            kept = len(_unescape(escape, self.quote))
            if position < made + escape.start() - written + kept:
                break
            made += escape.start() - written + kept
            written = escape.end()
        return self.at + written + position - made


@dataclass(frozen=True, slots=True)
class Directive:
    """A directive as written: its words are not yet understood."""

    name: Word
    words: tuple[Word, ...]


def directives(text: str, complain: Complain, longest: int) -> Iterator[Directive]:
    """All directives that can be told apart; of what cannot, a complaint each.

    `longest`: characters of one directive, its joined lines together.
    """
    at = 0
    whole = True
    while at < len(text):
        start = at
        at = _end_of_directive(text, at)
        stripped = text[start:at].strip(_BLANK)
        if not stripped or stripped[0] == "#":
            continue
        if not (whole or _BEGINS.match(stripped)):
            continue  # the rest of a directive that was complained of
        if stripped[0] not in ascii_letters:
            complain(start, f"expected a directive, found {shown(stripped)}")
            whole = False
            continue
        if at - start > longest:
            complain(start, f"expected at most {longest} characters in a directive, found more")
            continue
        dataset = _DATASET.match(text, start)
        if dataset:
            directive, at = _dataset(text, dataset, complain)
        else:
            directive = _split(text, start, at, complain)
        whole = directive is not None
        if directive is not None:
            yield directive


def _end_of_directive(text: str, at: int) -> int:
    """The end of the line, or of the last of the lines that are joined to it."""
    joined = False
    while True:
        start, at = at, text.find("\n", at) + 1 or len(text)
        content = text[start:at].strip(_BLANK)
        comment = content.startswith("#")
        if at >= len(text) or not (joined if comment else content.endswith("\\")):
            return at
        joined = joined or not comment


def _split(text: str, start: int, end: int, complain: Complain) -> Directive | None:
    words: list[Word] = []
    at = _skip(text, start, end)
    while at < end:
        found = _WORD.match(text, at, end)
        if found is None:
            complain(at, f"expected a closing {text[at]}, found the end of the line")
            return None
        kind = found.lastgroup or ""
        words.append(_word(found, kind))
        after = found.end()
        at = _skip(text, after, end)
        if at == after < end and kind != "bare":
            complain(
                at, 'expected a space after the closing quote (a quote within is written `\\"`)'
            )
            return None
    return Directive(words[0], tuple(words[1:]))


def _skip(text: str, at: int, end: int) -> int:
    """Past blanks, and the ends of lines that are joined."""
    space = _SPACE.match(text, at, end)
    at = space.end() if space else at
    return end if _REST.match(text, at, end) else at


def _word(found: re.Match[str], kind: str) -> Word:
    raw = found[kind]
    at = found.start(kind)
    if kind == "bare":
        return Word(raw, raw, at)
    quote = '"' if kind == "double" else "'"
    text = raw
    if "\\" in raw:
        text = _ESCAPE[quote].sub(lambda escape: _unescape(escape, quote), raw)
    return Word(text, raw, at, quote)


def _unescape(escape: re.Match[str], quote: str) -> str:
    if escape[1] is None:
        return ""
    return quote if escape[1] == quote else "\\\\"


def _dataset(text: str, head: re.Match[str], complain: Complain) -> tuple[Directive | None, int]:
    r"""Coraza's SecDataset: a name, then words a line up to a line that is a backtick alone."""
    end = _DATASET_END.search(text, head.end())
    if end is None:
        complain(head.start("name"), "expected a line with a closing `, found the end of the file")
        return None, len(text)
    content = text[head.end() : end.start()]
    name, directive = head["name"], head["directive"]
    words = (Word(name, name, head.start("name")), Word(content, content, head.end()))
    whole = Directive(Word(directive, directive, head.start("directive")), words)
    return whole, _end_of_directive(text, end.start())

"""Leaves of what is not quite JSON: with comments, NaN, no end, single quotes, what not.

Some reader accepts each of these. The scanner names what is odd, goes on, and loses nothing but
comments: what stands where no value may stand is a leaf, too. Names are those of `json_leaves.py`.
Iterative and linear; what it reads is bounded by the limit of leaves, since what is where it may
not be counts as one.
"""

import re
from contextlib import suppress
from typing import Final, Literal, NoReturn, TypeAlias

from callout.http.bodies.limits import Limits
from callout.http.bodies.oddities import Oddity
from callout.http.bodies.pairs import Leaves, Pair

IMPRECISE: Final = 15
"""More digits than this may not be what floating point makes of them."""

_BOM: Final = b"\xef\xbb\xbf"
_TOKEN: Final = re.compile(
    rb"[ \t\r\n]*+(?:"
    rb'"((?:[^"\\]|\\.)*+)"'  # 1: a string
    rb"|([{}\[\]:,])"  # 2: punctuation
    rb"|(//[^\r\n]*+|\#[^\r\n]*+|/\*)"  # 3: a comment, whole or its begin
    rb"|'((?:[^'\\]|\\.)*+)'"  # 4: a string as of JavaScript
    rb"|([^\s\"'{}\[\]:,/\#]++|[^ \t\r\n])"  # 5: a word, or what begins nothing
    rb")",
    re.DOTALL,
)
_NUMBER: Final = re.compile(rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?").fullmatch
_LITERALS: Final = {b"true": b"true", b"false": b"false", b"null": b""}
_CONSTANTS: Final = (b"NaN", b"Infinity", b"-Infinity")
_WELL_FORMED: Final = re.compile(
    rb'(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*+'
).fullmatch
_ESCAPE: Final = re.compile(
    rb"\\u([Dd][89ABab][0-9A-Fa-f]{2})\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})"
    rb"|\\u([0-9A-Fa-f]{4})|\\(.)",
    re.DOTALL,
)
_SHORT: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}

_Expected: TypeAlias = Literal["value", "value or end", "key", "key or end", ":", ", or end", "end"]


class _Open:
    """An object or array whose end has not come."""

    __slots__ = ("index", "is_object", "key", "keys", "prefix")

    def __init__(self, prefix: bytes, *, is_object: bool) -> None:
        self.prefix = prefix
        self.is_object = is_object
        self.key: bytes | None = None
        self.keys: set[bytes] = set()
        self.index = 0


class _Full(Exception):
    """A limit is reached: no more is read."""


def scan(body: bytes, limits: Limits) -> Leaves:
    """Gives the leaves in the order of the body, and why it is no JSON."""
    scanner = _Scanner(limits)
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        scanner.oddities.add("json_bad_utf8")
    with suppress(_Full):
        scanner.read(body)
    return Leaves(tuple(scanner.pairs), frozenset(scanner.oddities), tuple(scanner.arrays))


class _Scanner:
    def __init__(self, limits: Limits) -> None:
        self.pairs: list[Pair] = []
        self.arrays: list[bytes] = []
        self.oddities: set[Oddity] = set()
        self._limits = limits
        self._left = limits.arguments
        self._stack: list[_Open] = []
        self._expected: _Expected = "value"

    def read(self, body: bytes) -> None:
        at = 0
        if body.startswith(_BOM):
            self.oddities.add("json_bom")
            at = len(_BOM)
        while (found := _TOKEN.match(body, at)) is not None:
            at = found.end()
            string, mark, comment, single, word = found.groups()
            if mark is not None:
                self._punctuation(mark)
            elif string is not None:
                if _WELL_FORMED(string) is None:
                    self.oddities.add("json_malformed")
                self._text(self._unescaped(string))
            elif comment is not None:
                at = self._comment(body, comment, at)
            elif single is not None:
                self.oddities.add("json_malformed")
                self._text(self._unescaped(single))
            elif word in (b'"', b"'"):
                # A string without end: all that follows is in it. Going on after the quote would
                # look for its end once more at each further quote.
                self.oddities.add("json_malformed")
                self._text(self._unescaped(body[at:]))
                break
            else:
                self._word(word)
        if self._expected != "end":
            self.oddities.add("json_malformed")
            self._without_value()

    def _punctuation(self, mark: bytes) -> None:
        if mark in b"{[":
            self._opened(is_object=mark == b"{")
            return
        top = self._stack[-1] if self._stack else None
        if mark == b":":
            self._require(":")
            self._expected = "value"
            return
        if mark == b",":
            self._require(", or end")
            self._without_value()
            self._expected = "key" if top is not None and top.is_object else "value"
            return
        self._require(", or end", "key or end" if mark == b"}" else "value or end")
        self._without_value()
        if top is None:
            return
        if top.is_object != (mark == b"}"):
            self.oddities.add("json_malformed")
        if not top.keys and not top.index:
            self._spend()
            if len(self._stack) > 1:
                self.pairs.append((top.prefix[:-1], b""))
        self._stack.pop()
        self._expected = ", or end" if self._stack else "end"

    def _opened(self, *, is_object: bool) -> None:
        self._require("value", "value or end")
        if len(self._stack) >= self._limits.json_depth:
            self.oddities.add("json_too_deep")
            raise _Full
        name = self._name()
        if len(name) > self._limits.json_name:
            self.oddities.add("json_name_too_long")
            name = name[: self._limits.json_name]
        self._stack.append(_Open(name + b".", is_object=is_object))
        self._expected = "key or end" if is_object else "value or end"

    def _comment(self, body: bytes, comment: bytes, at: int) -> int:
        self.oddities.add("json_comment")
        self._spend()
        if comment != b"/*":
            return at
        end = body.find(b"*/", at)
        if end >= 0:
            return end + 2
        self.oddities.add("json_malformed")
        self._leaf(body[at:])
        return len(body)

    def _word(self, word: bytes) -> None:
        if _NUMBER(word):
            if len(word) > IMPRECISE:
                self.oddities.add("json_number_imprecise")
        elif word in _CONSTANTS:
            self.oddities.add("json_constant")
        elif word not in _LITERALS:
            self.oddities.add("json_malformed")
        top = self._stack[-1] if self._stack else None
        if top is not None and top.is_object and top.key is None:
            self.oddities.add("json_malformed")  # a key without quotes
            self._text(word)
        else:
            self._leaf(_LITERALS.get(word, word))

    def _text(self, text: bytes) -> None:
        top = self._stack[-1] if self._stack else None
        if top is None or not top.is_object or top.key is not None:
            self._leaf(text)
            return
        self._require("key", "key or end")
        if text in top.keys:
            self.oddities.add("json_duplicate_key")
        top.keys.add(text)
        top.key = text
        self._expected = ":"

    def _leaf(self, value: bytes) -> None:
        self._require("value", "value or end")
        name = self._name()
        if len(name) > self._limits.json_name:
            self.oddities.add("json_name_too_long")
            name = name[: self._limits.json_name]
        self._spend()
        self.pairs.append((name, value))
        self._expected = ", or end" if self._stack else "end"

    def _name(self) -> bytes:
        """The name of the value that comes now."""
        if not self._stack:
            return b"json"
        top = self._stack[-1]
        if top.is_object:
            name = top.prefix + (top.key or b"")
            top.key = None
            return name
        if not top.index:
            if len(self.arrays) == self._limits.arguments:
                self._full()
            self.arrays.append(top.prefix[:-1])
        top.index += 1
        return top.prefix + b"%d" % (top.index - 1)

    def _without_value(self) -> None:
        """A key that no value follows is a leaf without one."""
        if self._stack and self._stack[-1].key is not None:
            self.oddities.add("json_malformed")
            self._leaf(b"")

    def _require(self, *expected: _Expected) -> None:
        if self._expected not in expected:
            self.oddities.add("json_malformed")
            self._spend()

    def _spend(self) -> None:
        if not self._left:
            self._full()
        self._left -= 1

    def _full(self) -> NoReturn:
        self.oddities.add("too_many_arguments")
        raise _Full

    def _unescaped(self, text: bytes) -> bytes:
        return _ESCAPE.sub(self._escape, text) if b"\\" in text else text

    def _escape(self, found: re.Match[bytes]) -> bytes:
        high, low, unit, short = found.groups()
        if short is not None:
            return _SHORT.get(short, short)
        if unit is None:
            code = 0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF)
        else:
            code = int(unit, 16)
            if 0xD800 <= code < 0xE000:
                self.oddities.add("json_lone_surrogate")
        return chr(code).encode("utf-8", "surrogatepass")

"""`yaml.marshal` (internal/yaml): YAML as go-yaml v3 writes it, indented by two spaces."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import cmp_to_key
from typing import Final

from extauthz.policy.builtins.floats import shortest
from extauthz.policy.builtins.yaml_text import resolved
from extauthz.policy.errors import BuiltinError
from extauthz.policy.values import numbers
from extauthz.policy.values.representation import RegoSet, Value, decode, is_number, ordered
from extauthz.policy.values.text import to_json

_BASE60: Final = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?", re.ASCII)
_OLD_BOOLEANS: Final = (
    "y", "Y", "yes", "Yes", "YES", "on", "On", "ON",
    "n", "N", "no", "No", "NO", "off", "Off", "OFF",
)  # fmt: skip
"""What YAML 1.1 would read as a boolean is quoted."""
_TIMESTAMP: Final = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)(?:[Tt](\d\d?):(\d\d?):(\d\d?)(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)"
    r"| (\d\d?):(\d\d?):(\d\d?)(?:[.,]\d+)?)?",
    re.ASCII,
)
_FORBIDDEN: Final = re.compile("[\x7f-\x84\x86-\x9f\ufffe\uffff]")
"""What Go's JSON leaves as it is, and go-yaml does not read there."""
_BREAKS: Final = "\n\r\x85\u2028\u2029"
_SPECIAL: Final = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
"""What go-yaml calls not printable; all beyond 16 bits is."""
_ESCAPED: Final = re.compile(f'[\t"\\\\{_BREAKS}]|{_SPECIAL.pattern}')
_ESCAPES: Final = {
    "\0": "0", "\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r",
    "\x1b": "e", '"': '"', "\\": "\\", "\x85": "N", "\u2028": "L", "\u2029": "P",
}  # fmt: skip
_INDICATORS: Final = re.compile(
    r"---|\.\.\.|[#,\[\]{}&*!|>'\"%@`]|[?:-](?:[ \t]|$)|.*(?::(?:[ \t]|$)|[ \t]#)", re.DOTALL
)
"""A text that begins so, or holds the last, means something else unquoted."""
_SIMPLE_KEY: Final = 128
"""Bytes of a name that stands before its colon; a longer one is written behind `?`."""


def yaml_marshal(value: Value) -> str:
    """`yaml.marshal(value)`."""
    lines = _block(value, 0)
    return "\n".join(lines) + "\n"


def _block(value: Value, indent: int) -> Iterator[str]:
    """The lines of `value`, the first without its indentation: something may stand before it."""
    pad = " " * indent
    kind = type(value)
    if kind is RegoSet:
        value, kind = ordered(value.values()), list
    if kind is list and value:
        for at, item in enumerate(value):
            lines = _block(item, indent + 2)
            yield f"{pad if at else ''}- {next(lines)}"
            yield from lines
    elif kind is dict and value:
        named = [(key if type(key) is str else to_json(decode(key)), v) for key, v in value.items()]
        for at, (name, item) in enumerate(sorted(named, key=_NAME_ORDER)):
            yield from _field(name, item, indent, pad if at else "")
    else:
        yield from _scalar(value, indent).split("\n")


def _field(name: str, value: Value, indent: int, pad: str) -> Iterator[str]:
    lines = _block(value, indent + 2)
    if len(name.encode()) > _SIMPLE_KEY or any(char in _BREAKS for char in name):
        key = _text(name, indent + 2).split("\n")
        yield f"{pad}? {key[0]}"
        yield from key[1:]
        yield f"{' ' * indent}: {next(lines)}"
    else:
        key_text = _text(name, 0) if name else '""'
        if isinstance(value, dict | list) and value:
            yield f"{pad}{key_text}:"
            yield f"{' ' * (indent + 2)}{next(lines)}"
        else:
            yield f"{pad}{key_text}: {next(lines)}"
    yield from lines


def _scalar(value: Value, indent: int) -> str:
    if type(value) is str:
        # a scalar's further lines are indented below its parent's, at the root below nothing
        return _text(value, max(indent, 2))
    return _number(value) if is_number(value) else to_json(value)


def _number(value: numbers.Number) -> str:
    """A number as go-yaml reads it in JSON, and then writes it."""
    read = resolved(to_json(value))
    if type(read) is int and numbers.is_integer_text(value) and -(2**63) <= read < 2**64:
        return str(read)
    return f'"{read}"' if type(read) is str else shortest(Decimal(repr(float(value))))


def _text(text: str, indent: int) -> str:
    text = re.sub("[\ud800-\udfff]", "\ufffd", text)
    if _FORBIDDEN.search(text):
        raise BuiltinError("yaml: control characters are not allowed")
    if not text:
        return '""'
    special = _SPECIAL.search(text) or re.search(f" [{_BREAKS}]", text)
    if "\n" in text and not special and text[-1] != " ":
        return _literal(text, " " * indent)
    if not _is_text(text) or "\n" in text or special or "\t" in text:
        return _double_quoted(text)
    if any(char in _BREAKS for char in text):
        if re.search(f"[{_BREAKS}] ", text):
            return _double_quoted(text)
        inner = re.sub(f"(?<=[{_BREAKS}])(?=[^{_BREAKS}])", " " * indent, text)
        return "'" + inner.replace("'", "''") + "'"
    if text[0] == " " or text[-1] == " " or _INDICATORS.match(text):
        return "'" + text.replace("'", "''") + "'"
    return text


def _literal(text: str, pad: str) -> str:
    hint = "2" if text[0] == " " or text[0] in _BREAKS else ""
    if text[-1] not in _BREAKS:
        hint += "-"
    elif len(text) == 1 or text[-2] in _BREAKS:
        hint += "+"
    body = re.sub(f"(?:^|(?<=[{_BREAKS}]))(?=[^{_BREAKS}])", pad, text)
    return f"|{hint}\n{body.removesuffix(chr(10))}"


def _double_quoted(text: str) -> str:
    def escape(found: re.Match[str]) -> str:
        char = found[0]
        code = ord(char)
        if char in _ESCAPES:
            return "\\" + _ESCAPES[char]
        if code < 0x100:
            return f"\\x{code:02X}"
        return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"

    return '"' + _ESCAPED.sub(escape, text) + '"'


def _is_text(text: str) -> bool:
    """Whether the text, unquoted, would be read as text, also by a reader of YAML 1.1."""
    if text in _OLD_BOOLEANS or _BASE60.fullmatch(text) or _is_timestamp(text):
        return False
    try:
        return type(resolved(text)) is str
    except BuiltinError:
        return False


def _is_timestamp(text: str) -> bool:
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        return False
    parts = [int(part) for part in found.groups() if part is not None]
    try:
        date(parts[0] or 2000, parts[1], parts[2])
    except ValueError:
        return False
    return all(part < bound for part, bound in zip(parts[3:], (24, 60, 60), strict=False))


def _compare_names(a: tuple[str, Value], b: tuple[str, Value]) -> int:
    """go-yaml's order of fields: numbers in names by their value, letters behind the rest."""
    return -1 if _is_less(a[0], b[0]) else int(_is_less(b[0], a[0]))


_NAME_ORDER: Final = cmp_to_key(_compare_names)


def _is_less(a: str, b: str) -> bool:
    digits = False
    for at, (x, y) in enumerate(zip(a, b, strict=False)):
        if x == y:
            digits = _is_digit(x)
            continue
        letters = _is_letter(x), _is_letter(y)
        if all(letters):
            return x < y
        if any(letters):
            return letters[0] if digits else letters[1]
        zeros = "0" in (x, y) and _has_nonzero(a, at)
        (value_x, end_x), (value_y, end_y) = _digits(a, at, zeros), _digits(b, at, zeros)
        if value_x != value_y:
            return value_x < value_y
        return end_x < end_y if end_x != end_y else x < y
    return len(a) < len(b)


def _has_nonzero(text: str, at: int) -> bool:
    """Whether the digits right before `at` are not all zero."""
    while at > 0 and _is_digit(text[at - 1]):
        at -= 1
        if text[at] != "0":
            return True
    return False


def _digits(text: str, at: int, leading: bool) -> tuple[int, int]:
    """The number that begins at `at` (behind a 1, if `leading`), in Go's 64 bits, and its end."""
    value = int(leading)
    while at < len(text) and _is_digit(text[at]):
        value = (value * 10 + ord(text[at]) - 48 + 2**63) % 2**64 - 2**63
        at += 1
    return value, at


def _is_digit(char: str) -> bool:
    return unicodedata.category(char) == "Nd"


def _is_letter(char: str) -> bool:
    return unicodedata.category(char)[0] == "L"

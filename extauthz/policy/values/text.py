"""Rego values as text: exact JSON in and out, and the form that OPA prints in messages."""

import json
import re
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final

from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.values import numbers
from extauthz.policy.values.representation import Key, RegoSet, Value, decode, encode, ordered

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_HTML: Final = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)
"""What Go's `json.Marshal` escapes beside the usual."""
_NAME: Final = itemgetter(0)


def from_json(text: str | bytes) -> Value:
    """Read one JSON value, numbers exact, as Go does: a lone surrogate becomes U+FFFD.

    Raises:
        ValueError: not JSON (`NaN` and `Infinity` are not).
        BuiltinError: a number beyond OPA's bound.
        RecursionError: nested too deeply.
    """
    if isinstance(text, bytes):
        value = json.loads(text, **_HOOKS)
    else:
        value = _DECODER.decode(text)  # `loads` would make a decoder each time: 2 us
    surrogates = b"\\u" in text if isinstance(text, bytes) else "\\u" in text
    return _scrub(value) if surrogates else value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


_HOOKS: Final[dict[str, Any]] = {
    "parse_int": numbers.parse,
    "parse_float": numbers.parse,
    "parse_constant": _no_constant,
}
_DECODER: Final = json.JSONDecoder(**_HOOKS)


def _scrub(value: Value) -> Value:
    kind = type(value)
    if kind is str:
        return _LONE_SURROGATE.sub("\ufffd", value)
    if kind is list:
        return [_scrub(item) for item in value]
    if kind is dict:
        return {_scrub(name): _scrub(item) for name, item in value.items()}
    return value


def plain(value: Value) -> Value:
    """`value` as JSON can say it: sets as ordered arrays, names of fields as strings.

    Raises:
        RegoError: it holds what JSON cannot say (OPA answers with an error, too).
    """
    kind = type(value)
    if kind is list:
        return [plain(item) for item in value]
    if kind is RegoSet:
        return [plain(item) for item in ordered(value.values())]
    if kind is dict:
        return {_field_name(key): plain(item) for key, item in value.items()}
    if kind is numbers.Written and not numbers.NUMBER.fullmatch(value.text):
        raise RegoError("rego_number", "a number of the answer is written as no JSON number is")
    return value


def _field_name(key: Key) -> str:
    return key if type(key) is str else to_json(decode(key))


def to_json(value: Value) -> str:
    """`value` as Go's `json.Marshal` writes it: fields in order of their bytes, no spaces.

    Raises:
        BuiltinError: it holds what JSON cannot say.
    """
    kind = type(value)
    if kind is str:
        return _string(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is list:
        return "[" + ",".join(map(to_json, value)) + "]"
    if kind is RegoSet:
        return "[" + ",".join(map(to_json, ordered(value.values()))) + "]"
    if kind is dict:
        named = sorted(((_field_name(key), item) for key, item in value.items()), key=_NAME)
        return "{" + ",".join(f"{_string(name)}:{to_json(item)}" for name, item in named) + "}"
    text = numbers.number_text(value)
    if kind is numbers.Written and not numbers.NUMBER.fullmatch(text):
        raise BuiltinError(f"json: invalid number literal {text[:40]!r}")  # to_number("007")
    return text


def _string(text: str) -> str:
    clean = _LONE_SURROGATE.sub("\ufffd", text)
    return json.dumps(clean, ensure_ascii=False).translate(_HTML)


def term(value: Value) -> str:
    """`value` as OPA prints a term: Rego's own notation (`{1, 2}` is a set)."""
    kind = type(value)
    if kind is str:
        return quoted(value)
    if kind is list:
        return "[" + ", ".join(map(term, value)) + "]"
    if kind is RegoSet:
        return "{" + ", ".join(map(term, ordered(value.values()))) + "}" if value else "set()"
    if kind is dict:
        keys = ordered(map(decode, value))
        return "{" + ", ".join(f"{term(key)}: {term(value[encode(key)])}" for key in keys) + "}"
    if isinstance(value, int | Decimal) and kind is not bool:
        return numbers.number_text(value)
    return to_json(value)


_ESCAPES: Final = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
    "\\": "\\\\", '"': '\\"',
}  # fmt: skip


def quoted(text: str) -> str:
    """Go's `strconv.Quote`."""
    parts = []
    for char in text:
        if char in _ESCAPES:
            parts.append(_ESCAPES[char])
        elif "\ud800" <= char <= "\udfff":
            parts.append(f"\\x{ord(char) - 0xDC00:02x}")
        elif char.isprintable():
            parts.append(char)
        elif char < "\x80":
            parts.append(f"\\x{ord(char):02x}")
        elif char < "\U00010000":
            parts.append(f"\\u{ord(char):04x}")
        else:
            parts.append(f"\\U{ord(char):08x}")
    return '"' + "".join(parts) + '"'


def go_bytes(text: str) -> bytes:
    """The bytes of a Go string: what was not UTF-8 is kept as Python's surrogate escapes."""
    return text.encode("utf-8", "surrogateescape")


def go_string(data: bytes) -> str:
    """A Go string of `data`; bytes that are not UTF-8 become surrogate escapes."""
    return data.decode("utf-8", "surrogateescape")

"""JSON as Rego and claims need it: exact numbers, nothing ambiguous (RFC 8259, RFC 7493).

Python's own parser takes `NaN`, keeps the last of two equal names and lets lone surrogates
through; each of these lets two readers see two different documents (extauthz.md 6 and 8.4).
"""

import json
import re
from decimal import Decimal, InvalidOperation
from itertools import accumulate
from typing import Any, NoReturn

_DIGITS_MOST = 4300
"""Digits, and powers of ten: what Python's `int()` takes. `1e999999`, ten bytes, costs whoever
computes with it 0.2 s."""


_SAFE = 2**53
"""Beyond it a double is not the number that it writes: 1e23 is 99999999999999991611392."""
_DEPTH_MOST = 200
"""Levels. Python's own limit depends on its version and on who calls."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in _STEPS)


def loads(text: str | bytes) -> Any:
    """Parse one JSON document.

    Args:
        text: the document; bytes are UTF-8.

    Returns:
        `dict`, `list`, `str`, `int`, `Decimal`, `bool`, `None`; never a `float`.

    Raises:
        ValueError: not JSON, not UTF-8, nested too deep, a name twice in one object, a lone
            surrogate, or a number whose digits or exponent exceed 4,300. The message holds no
            part of the document.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        if _is_deep(text):
            raise ValueError("nested too deep")
        value = _DECODER.decode(text)
        if "\\ud" in text or "\\uD" in text:
            # only an escape can make a lone surrogate, and few documents have one that could
            json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")
    except (json.JSONDecodeError, UnicodeError):
        raise ValueError("not JSON") from None
    return value


def loads_as_go(data: bytes) -> Any:
    """Parse one JSON document as Go's decoder does, and so opa-envoy-plugin.

    Of a name twice in one object the last one counts, and what is no Unicode (bytes that are not
    UTF-8, lone surrogates) becomes U+FFFD.

    Raises:
        ValueError: not JSON, or beyond the bounds of `loads` on nesting and numbers.
    """
    text = go_text(data)
    if _is_deep(text):
        raise ValueError("nested too deep")
    may_have_surrogates = "\\ud" in text or "\\uD" in text
    try:
        if may_have_surrogates:
            return _without_surrogates(_SURROGATE_DECODER.decode(text))
        return _LENIENT_DECODER.decode(text)
    except json.JSONDecodeError:
        raise ValueError("not JSON") from None


def go_text(data: bytes) -> str:
    """Bytes as Go writes them into JSON: each that is not UTF-8 becomes U+FFFD.

    Python's own `replace` makes one of several (`E2 82`).
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _SURROGATE.sub("\ufffd", data.decode("utf-8", "surrogateescape"))


def exact(number: float) -> int | Decimal:
    """A protobuf double as the number that its shortest decimal form writes.

    Raises:
        ValueError: an infinity or not a number.
    """
    if number.is_integer() and -_SAFE < number < _SAFE:
        return int(number)
    decimal = Decimal(repr(number))
    if not decimal.is_finite():
        raise ValueError("not a number that JSON can write")
    return int(decimal) if number.is_integer() else decimal


def _is_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= _DEPTH_MOST:
        return False
    # a sixth of what looking at one bracket after the other takes
    bare = _STRING.sub("", text) if '"' in text else text
    brackets = bare.encode("ascii", "replace").translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > _DEPTH_MOST


def _integer(text: str) -> int:
    if len(text) > _DIGITS_MOST:
        raise ValueError("a number out of range")
    return int(text)


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent of 19 digits or more
        raise ValueError("a number out of range") from None
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or number.is_zero():
        return number
    if len(text) > _DIGITS_MOST or abs(number.adjusted()) > _DIGITS_MOST:
        raise ValueError("a number out of range")
    return number


def _constant(_name: str) -> NoReturn:
    raise ValueError("not JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name twice in one object")
    return value


_DECODER = json.JSONDecoder(
    parse_float=_decimal, parse_int=_integer, parse_constant=_constant, object_pairs_hook=_once
)
_LENIENT_DECODER = json.JSONDecoder(
    parse_float=_decimal, parse_int=_integer, parse_constant=_constant
)


def _with_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # here and not later: names that become the same are twice in one object
    return {_SURROGATE.sub("\ufffd", name): value for name, value in pairs}


_SURROGATE_DECODER = json.JSONDecoder(
    parse_float=_decimal,
    parse_int=_integer,
    parse_constant=_constant,
    object_pairs_hook=_with_names,
)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(each) for each in value]
    if isinstance(value, dict):
        return {name: _without_surrogates(each) for name, each in value.items()}
    return value

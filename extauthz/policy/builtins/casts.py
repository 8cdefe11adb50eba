"""Conversions (v1/topdown/casts.go)."""

import re
from decimal import Decimal
from typing import Final

from extauthz.policy.builtins import operands
from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.values import numbers
from extauthz.policy.values.numbers import Number, Written
from extauthz.policy.values.representation import RegoSet, Value, is_number, make_set

_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ODD: Final = re.compile(r"[+-]?(?:0[xX].*|.*_.*)", re.DOTALL)
"""What Go may read as a number, too: hexadecimal floats, underscores."""


def to_number(value: Value) -> Number:
    """`to_number(value)`: null is 0, true is 1, and a string says a number."""
    if value is None or type(value) is bool:
        return int(bool(value))
    if is_number(value):
        number: Number = value
        return number
    if type(value) is not str:
        raise operands.wrong_type(1, value, "null", "boolean", "number", "string")
    if value.lstrip("+-").lower() in ("inf", "infinity", "nan"):
        raise operands.wrong_type(1, value, "valid number string")
    if not _DECIMAL.fullmatch(value):
        if _ODD.fullmatch(value):
            raise RegoError("rego_builtin", "to_number: a notation that is not supported")
        raise BuiltinError(f'strconv.ParseFloat: parsing "{value}": invalid syntax')
    if _is_beyond_double(value):
        raise BuiltinError(f'strconv.ParseFloat: parsing "{value}": value out of range')
    if numbers.NUMBER.fullmatch(value):
        return numbers.parse(value)
    written = Written(value)
    written.text = value
    return written


def _is_beyond_double(text: str) -> bool:
    mantissa, _, exponent = text.lower().partition("e")
    if len(exponent) > 6:
        return "-" not in exponent and mantissa.strip("+-0.") != ""
    exact = Decimal(text)
    return exact.adjusted() > 300 and float(exact) in (float("inf"), float("-inf"))


def cast_array(value: Value) -> list[Value]:
    """`cast_array(value)`, of an array or set; the others keep their type."""
    return operands.collection(value, 1, "array", "set")


def cast_set(value: Value) -> RegoSet:
    """See `cast_array`."""
    return make_set(operands.collection(value, 1, "array", "set"))


def cast_string(value: Value) -> str:
    """See `cast_array`."""
    return operands.string(value, 1)


def cast_boolean(value: Value) -> bool:
    """See `cast_array`."""
    if type(value) is not bool:
        raise operands.wrong_type(1, value, "boolean")
    return value


def cast_null(value: Value) -> None:
    """See `cast_array`."""
    if value is not None:
        raise operands.wrong_type(1, value, "null")


def cast_object(value: Value) -> dict[Value, Value]:
    """See `cast_array`."""
    return operands.object_(value, 1)

"""Checks of operands, with OPA's messages (v1/topdown/builtins/builtins.go)."""

from collections.abc import Iterable
from decimal import Decimal

from extauthz.policy.errors import OperandError
from extauthz.policy.values import numbers
from extauthz.policy.values.numbers import Number
from extauthz.policy.values.representation import RegoSet, Value, is_number, members, type_name


def wrong_type(position: int, found: Value, *expected: str) -> OperandError:
    """The operand at `position` (from 1) is none of the types `expected`."""
    if len(expected) == 1:
        return OperandError(f"operand {position} must be {expected[0]} but got {type_name(found)}")
    listed = ", ".join(expected)
    return OperandError(
        f"operand {position} must be one of {{{listed}}} but got {type_name(found)}"
    )


def wrong_element(position: int, whole: Value, found: Value, *expected: str) -> OperandError:
    """The operand at `position` holds an element of the wrong type."""
    kind = type_name(whole)
    what = f"{expected[0]}s" if len(expected) == 1 else f"(any of) {{{', '.join(expected)}}}"
    return OperandError(
        f"operand {position} must be {kind} of {what} but got {kind} containing {type_name(found)}"
    )


def string(value: Value, position: int) -> str:
    """A string."""
    if type(value) is not str:
        raise wrong_type(position, value, "string")
    return value


def number(value: Value, position: int) -> Number:
    """A number."""
    if not is_number(value):
        raise wrong_type(position, value, "number")
    assert isinstance(value, int | Decimal)  # noqa: S101
    return value


def machine_integer(value: Value, position: int) -> int:
    """An integer of 64 bits (Go's `int`)."""
    index = numbers.as_index(number(value, position))
    if index is None:
        raise OperandError(
            f"operand {position} must be integer number but got floating-point number"
        )
    return index


def big_integer(value: Value, position: int) -> int:
    """An integer of any size."""
    if not is_number(value):
        raise wrong_type(position, value, "integer")
    whole = numbers.as_int(value)
    if whole is None:
        raise OperandError(
            f"operand {position} must be integer number but got floating-point number"
        )
    return whole


def array(value: Value, position: int) -> list[Value]:
    """An array."""
    if type(value) is not list:
        raise wrong_type(position, value, "array")
    return value


def object_(value: Value, position: int) -> dict[Value, Value]:
    """An object."""
    if type(value) is not dict:
        raise wrong_type(position, value, "object")
    return value


def set_(value: Value, position: int) -> RegoSet:
    """A set."""
    if type(value) is not RegoSet:
        raise wrong_type(position, value, "set")
    return value


def collection(value: Value, position: int, *expected: str) -> list[Value]:
    """The members of an array or set, in order."""
    if type(value) is not list and type(value) is not RegoSet:
        raise wrong_type(position, value, *expected)
    return members(value)


def strings(value: Value, position: int, *expected: str) -> list[str]:
    """An array or set of strings."""
    items = collection(value, position, *expected)
    for item in items:
        if type(item) is not str:
            raise wrong_element(position, value, item, "string")
    return items


def all_numbers(whole: Value, items: Iterable[Value], position: int) -> list[Number]:
    """Elements that must all be numbers."""
    checked = []
    for item in items:
        if not is_number(item):
            raise wrong_element(position, whole, item, "number")
        checked.append(item)
    return checked

"""Counting, adding up and ordering (v1/topdown/aggregates.go, array.go, sets.go)."""

from collections.abc import Callable
from fractions import Fraction

from extauthz.policy.builtins import operands
from extauthz.policy.builtins.arithmetic import is_negative, zero
from extauthz.policy.engine import UNDEFINED
from extauthz.policy.values.numbers import Number, as_int, bounded, from_float, rounded, to_float
from extauthz.policy.values.representation import RegoSet, Value, compare, is_number, ordered


def count(collection: Value) -> int:
    """How many members a collection, or characters a string, has."""
    if isinstance(collection, list | dict | str):
        return len(collection)
    raise operands.wrong_type(1, collection, "array", "object", "set", "string")


def sum_(collection: Value) -> Number:
    """The sum of an array or set of numbers."""
    return _accumulate(collection, 0, lambda x, y: x + y)


def product(collection: Value) -> Number:
    """The product of an array or set of numbers."""
    # OPA starts from `big.NewFloat(1)`, and that has 53 bits
    return _accumulate(collection, 1, lambda x, y: x * y, 53)


def _accumulate(
    collection: Value, start: int, operation: Callable[..., Fraction], bits: int = 64
) -> Number:
    items = operands.collection(collection, 1, "set", "array")
    whole = [as_int(item) if is_number(item) else None for item in items]
    if None not in whole:
        exact: Number = start
        for number in whole:
            exact = bounded(int(operation(exact, number)))
        return exact
    value = Fraction(start)
    for item in operands.all_numbers(collection, items, 1):
        value = rounded(operation(value, to_float(item)), bits)
    if not value and bits == 53:
        # the product's zero has a sign
        return zero(sum(map(is_negative, items)) % 2 == 1)
    return from_float(value, bits)


def max_(collection: Value) -> Value:
    """The greatest member; undefined for none."""
    found: Value = UNDEFINED
    for item in operands.collection(collection, 1, "set", "array"):
        if found is UNDEFINED or compare(found, item) <= 0:
            found = item
    return found


def min_(collection: Value) -> Value:
    """The least member; undefined for none."""
    found: Value = UNDEFINED
    for item in operands.collection(collection, 1, "set", "array"):
        if found is UNDEFINED or compare(found, item) >= 0:
            found = item
    return found


def sort(collection: Value) -> list[Value]:
    """The members as an array, in Rego's order."""
    return ordered(operands.collection(collection, 1, "set", "array"))


def all_(collection: Value) -> bool:
    """Whether all members are `true`."""
    return all(item is True for item in operands.collection(collection, 1, "array", "set"))


def any_(collection: Value) -> bool:
    """Whether a member is `true`."""
    return any(item is True for item in operands.collection(collection, 1, "array", "set"))


def array_concat(a: Value, b: Value) -> list[Value]:
    """`array.concat(a, b)`."""
    return operands.array(a, 1) + operands.array(b, 2)


def array_flatten(array: Value) -> list[Value]:
    """`array.flatten(array)`: arrays inside are replaced by their members, once."""
    flat: list[Value] = []
    for item in operands.array(array, 1):
        flat.extend(item if type(item) is list else [item])
    return flat


def array_slice(array: Value, start: Value, stop: Value) -> list[Value]:
    """`array.slice(array, start, stop)`; indices are cut to what there is."""
    items = operands.array(array, 1)
    first, last = operands.machine_integer(start, 2), operands.machine_integer(stop, 3)
    last = min(max(last, 0), len(items))
    return items[min(max(first, 0), last) : last]


def array_reverse(array: Value) -> list[Value]:
    """`array.reverse(array)`."""
    return operands.array(array, 1)[::-1]


def set_and(a: Value, b: Value) -> RegoSet:
    """`a & b`."""
    x, y = operands.set_(a, 1), operands.set_(b, 2)
    # of two that are equal but written otherwise (1 and 1.0), OPA takes the smaller set's
    few, many = (y, x) if len(y) < len(x) else (x, y)
    return RegoSet((key, value) for key, value in few.items() if key in many)


def set_or(a: Value, b: Value) -> RegoSet:
    """`a | b`."""
    return RegoSet({**operands.set_(b, 2), **operands.set_(a, 1)})


def set_diff(a: Value, b: Value) -> RegoSet:
    """`set_diff(a, b)`."""
    x, y = operands.set_(a, 1), operands.set_(b, 2)
    return RegoSet((key, value) for key, value in x.items() if key not in y)


def intersection(sets: Value) -> RegoSet:
    """The members that all sets of a set have."""
    inner = [operands.set_(item, 1) for item in ordered(operands.set_(sets, 1).values())]
    if not inner:
        return RegoSet()
    found = inner[0]
    for other in inner[1:]:
        found = set_and(found, other)
    return found


def union(sets: Value) -> RegoSet:
    """The members that some set of a set has."""
    joined = RegoSet()
    for item in ordered(operands.set_(sets, 1).values()):
        for key, value in operands.set_(item, 1).items():
            joined.setdefault(key, value)
    return joined

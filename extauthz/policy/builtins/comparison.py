"""`==` and its kin as functions, membership, and what type a value has."""

from extauthz.policy.translator.runtime import member
from extauthz.policy.values.representation import (
    RegoSet,
    Value,
    compare,
    dot,
    encode,
    equal,
    is_number,
    type_name,
)


def eq(a: Value, b: Value) -> bool:
    """`a == b`."""
    return equal(a, b)


def neq(a: Value, b: Value) -> bool:
    """`a != b`."""
    return not equal(a, b)


def lt(a: Value, b: Value) -> bool:
    """`a < b`, in Rego's order of all values."""
    return compare(a, b) < 0


def lte(a: Value, b: Value) -> bool:
    """`a <= b`."""
    return compare(a, b) <= 0


def gt(a: Value, b: Value) -> bool:
    """`a > b`."""
    return compare(a, b) > 0


def gte(a: Value, b: Value) -> bool:
    """`a >= b`."""
    return compare(a, b) >= 0


def member_2(value: Value, collection: Value) -> bool:
    """`value in collection`."""
    return member(value, collection)


def member_3(key: Value, value: Value, collection: Value) -> bool:
    """`key, value in collection`."""
    if type(collection) is RegoSet:
        return encode(key) in collection and equal(key, value)
    found = dot(collection, key)
    return type(collection) in (list, dict) and bool(found == value) and equal(found, value)


def is_null(value: Value) -> bool:
    """`is_null(value)`; the others likewise."""
    return value is None


def is_boolean(value: Value) -> bool:
    """See `is_null`."""
    return type(value) is bool


def is_numeric(value: Value) -> bool:
    """See `is_null`."""
    return is_number(value)


def is_string(value: Value) -> bool:
    """See `is_null`."""
    return type(value) is str


def is_array(value: Value) -> bool:
    """See `is_null`."""
    return type(value) is list


def is_object(value: Value) -> bool:
    """See `is_null`."""
    return type(value) is dict


def is_set(value: Value) -> bool:
    """See `is_null`."""
    return type(value) is RegoSet


def name_of_type(value: Value) -> str:
    """`type_name(value)`."""
    return type_name(value)

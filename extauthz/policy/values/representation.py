"""How Rego values live in Python: JSON values as they are, and what JSON lacks.

`null true false`, strings, arrays and objects are `None`, `bool`, `str`, `list` and `dict`, taken
from the request and from the data unconverted. Numbers are `int` and `decimal.Decimal`, never
`float`. Two things need care:

- Rego has sets, and any value may be a member of a set or a key of an object. A *key* is the
  value itself for strings, numbers and null, and a stand-in that hashes for the others: `encode`
  makes it and `decode` gives the value back. So the key of `true` is not that of `1`.
- Python holds `True == 1`. `equal` therefore trusts `==` when it says no, and looks at the types
  when it says yes.

Values are never changed after they were built, so they may share parts.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cmp_to_key
from typing import Any, Final, TypeAlias

from extauthz.policy.engine import UNDEFINED
from extauthz.policy.errors import RegoError

Value: TypeAlias = Any
"""One of the types above, or a `RegoSet`."""
Key: TypeAlias = Any
"""What `encode` gives."""


class RegoSet(dict[Key, Value]):
    """A set: `{encode(member): member}`. A subclass, so that membership is one look-up in C."""

    __slots__ = ()


class CompositeKey(tuple[Any, ...]):
    """The key of an array, object or set: compared and hashed in C, by content."""

    value: Value


class BooleanKey:
    """The key of `true` or of `false`: there is one object for each, equal to itself only."""

    __slots__ = ("value",)

    def __init__(self, value: bool) -> None:
        self.value = value


TRUE_KEY: Final = BooleanKey(True)
FALSE_KEY: Final = BooleanKey(False)

_TYPE_NAMES: Final[dict[type, tuple[int, str]]] = {
    type(None): (0, "null"),
    bool: (1, "boolean"),
    int: (2, "number"),
    Decimal: (2, "number"),
    str: (3, "string"),
    list: (7, "array"),
    dict: (8, "object"),
    RegoSet: (9, "set"),
}
"""Python type -> (rank in Rego's total order, Rego's name)."""


def _kind(value: Value) -> tuple[int, str]:
    kind = _TYPE_NAMES.get(type(value))
    if kind is None:
        if isinstance(value, Decimal):
            return 2, "number"
        raise RegoError("rego_internal", f"a {type(value).__name__} is no Rego value")
    return kind


def type_name(value: Value) -> str:
    """Rego's name for the type of `value`: `null boolean number string array object set`."""
    return _kind(value)[1]


def is_number(value: Value) -> bool:
    """Whether `value` is a number (a boolean is not)."""
    return type(value) is int or isinstance(value, Decimal)


def encode(value: Value) -> Key:
    """The key under which `value` is a member of a set or the name of a field."""
    kind = type(value)
    if kind is str or kind is int or value is None:
        return value
    if kind is bool:
        return TRUE_KEY if value else FALSE_KEY
    if kind is list:
        key = CompositeKey(("a", *map(encode, value)))
    elif kind is RegoSet:
        key = CompositeKey(("s", frozenset(value)))
    elif kind is dict:
        key = CompositeKey(("o", frozenset((k, encode(v)) for k, v in value.items())))
    elif isinstance(value, Decimal):
        return value
    else:
        raise RegoError("rego_internal", f"a {kind.__name__} is no Rego value")
    key.value = value
    return key


def decode(key: Key) -> Value:
    """The value whose key this is."""
    if isinstance(key, CompositeKey | BooleanKey):
        return key.value
    return key


def make_set(members: Iterable[Value]) -> RegoSet:
    """A set of `members`; of equal ones (1 and 1.0) the first stays."""
    made = RegoSet()
    for member in members:
        made.setdefault(encode(member), member)
    return made


def same(a: Value, b: Value) -> bool:
    """Whether values that Python holds to be equal are equal in Rego, too (`True == 1` is not)."""
    kind = type(a)
    if kind is not type(b):
        return is_number(a) and is_number(b)
    if kind is list:
        return all(map(same, a, b))
    if kind is dict:
        return all(same(value, b[key]) for key, value in a.items())
    return True


def equal(a: Value, b: Value) -> bool:
    """Rego's `==`."""
    return bool(a == b) and same(a, b)


def compare(a: Value, b: Value) -> int:
    """Rego's total order: negative, zero or positive as `a` is less, equal or greater.

    null < boolean < number < string < array < object < set; Go compares strings by their bytes,
    which is the order of their code points.
    """
    rank_a, rank_b = _kind(a)[0], _kind(b)[0]
    if rank_a != rank_b:
        return -1 if rank_a < rank_b else 1
    if rank_a < 4:
        if rank_a == 0 or a == b:
            return 0
        return -1 if a < b else 1
    if rank_a == 7:
        return _compare_lists(a, b)
    if rank_a == 9:
        return _compare_lists(ordered(a.values()), ordered(b.values()))
    keys_a, keys_b = ordered(map(decode, a)), ordered(map(decode, b))
    for key_a, key_b in zip(keys_a, keys_b, strict=False):
        order = compare(key_a, key_b) or compare(a[encode(key_a)], b[encode(key_b)])
        if order:
            return order
    return len(keys_a) - len(keys_b)


def _compare_lists(a: list[Value], b: list[Value]) -> int:
    for x, y in zip(a, b, strict=False):
        order = compare(x, y)
        if order:
            return order
    return len(a) - len(b)


_ORDER: Final[Callable[[Value], Any]] = cmp_to_key(compare)


def ordered(values: Iterable[Value]) -> list[Value]:
    """`values` in Rego's order."""
    items = list(values)
    if all(type(item) is str for item in items):
        items.sort()
    else:
        items.sort(key=_ORDER)
    return items


def members(collection: Value) -> list[Value]:
    """The members of an array (as they are) or of a set (in Rego's order)."""
    return collection if type(collection) is list else ordered(collection.values())


def dot(source: Value, key: Value) -> Value:
    """`source[key]`, or `UNDEFINED`."""
    if isinstance(source, dict):
        return source.get(encode(key), UNDEFINED)
    if type(source) is list:
        if type(key) is not int:
            # 1.0 is an index, as OPA reads numbers; 1.5, true and "1" are not
            if not isinstance(key, Decimal) or abs(key) >= len(source) or key != int(key):
                return UNDEFINED
            key = int(key)
        if 0 <= key < len(source):
            return source[key]
    return UNDEFINED


def merge(a: Value, b: Value) -> Value:
    """The base document `a` with the virtual document `b` laid into it; where both say, `a`."""
    if a is UNDEFINED:
        return b
    if type(a) is not dict or type(b) is not dict:
        return a
    merged = dict(b)
    for key, value in a.items():
        merged[key] = merge(value, b[key]) if key in b else value
    return merged


def upsert(document: Value, path: tuple[str, ...], value: Value) -> Value:
    """A copy of `document` with `value` at `path`; only the dicts on the way are copied."""
    if not path:
        return value
    copy = dict(document) if type(document) is dict else {}
    copy[path[0]] = upsert(copy.get(path[0], UNDEFINED), path[1:], value)
    return copy

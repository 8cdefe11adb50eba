"""What the code of a translated policy may name: these, its builtins, and nothing else."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, Final, TypeVar

from extauthz.policy.budget import CHUNK, CREDIT, DEFAULT, METER, Budget, meter, spend
from extauthz.policy.engine import UNDEFINED
from extauthz.policy.errors import RegoError
from extauthz.policy.printing import printed
from extauthz.policy.translator.index import equal_rules, prefixed_rules
from extauthz.policy.values.representation import (
    RegoSet,
    Value,
    compare,
    decode,
    dot,
    encode,
    equal,
    merge,
    ordered,
    same,
    upsert,
)

_T = TypeVar("_T")


class _Missing:
    """Not remembered yet; not a rule."""


MISSING: Final = _Missing()
NOW: Final = "now"
"""Where the memo keeps the evaluation's time. The other keys are numbers of functions."""
KEPT: Final = "kept"
"""Where the memo has a dict of what builtins found; shared by all of the evaluation."""
REPLACED: Final = "replaced"
"""In the memo of a `with` that replaces data."""


def begin(now: int, budget: Budget = DEFAULT) -> dict[Any, Any]:
    """The memo of an evaluation whose builtins need one (`builtins/nondeterministic.py`).

    Args:
        now: nanoseconds since 1970.
        budget: what it may cost.
    """
    return {CREDIT: CHUNK, METER: budget, NOW: now, KEPT: {}}


def fork(memo: dict[Any, Any], replaced: bool, steps: int) -> dict[Any, Any]:
    """The memo inside a `with`: other input or data, so nothing remembered; the same time.

    The credit moves into it, and the code behind the `with` takes it back. Where that is jumped
    over it is lost: a decision may be charged too much so, never too little.

    Args:
        memo: the memo outside.
        replaced: whether it is the data that is another one.
        steps: what this costs: all rules may be evaluated again.
    """
    inner = {METER: meter(memo), CREDIT: memo[CREDIT]}
    memo[CREDIT] = 0
    spend(inner, steps)
    inner.update((name, memo[name]) for name in (NOW, KEPT, REPLACED) if name in memo)
    if replaced:
        inner[REPLACED] = True
    return inner


def stored(source: Value, key: Value, memo: dict[Any, Any]) -> Value:
    """`source[key]` in the data, whose paths OPA spells as text: there 2 also finds a field "2".

    Not in what `with` put in the data's place; which of both this is cannot be told any more.
    """
    found = dot(source, key)
    if found is UNDEFINED and type(key) is int and type(source) is dict and str(key) in source:
        if REPLACED in memo:
            raise RegoError("rego_builtin", "a field of the data by a number, under `with data`")
        return source[str(key)]
    return found


def add(members: RegoSet, value: Value) -> None:
    """Add to a set; of equal values (1 and 1.0) the first stays."""
    members.setdefault(encode(value), value)


def once(current: Value, value: Value, message: str) -> None:
    """A complete rule got a second value: the same one, or a conflict."""
    if not equal(current, value):
        raise RegoError("rego_conflict", message)


def insert_once(fields: dict[Any, Value], key: Any, value: Value, message: str) -> None:
    """Add a field to an object that must not have it with another value."""
    current = fields.setdefault(key, value)
    if current is not value and not equal(current, value):
        raise RegoError("rego_conflict", message)


def metered(items: Iterable[_T], number: int, memo: dict[Any, Any]) -> Iterable[_T]:
    """`items`, of which there are `number`, paid for.

    Many are paid for as they are taken, so that the clock is looked at in between, and who finds
    what it looks for among the first pays only for these. They are not copied.
    """
    if number > CHUNK:
        return chain.from_iterable(_chunks(iter(items), number, memo))
    left = memo[CREDIT] - number
    if left < 0:
        spend(memo, number)
    else:
        memo[CREDIT] = left
    return items


def _chunks(items: Iterator[_T], number: int, memo: dict[Any, Any]) -> Iterator[Iterable[_T]]:
    for _ in range(0, number, CHUNK):
        spend(memo, CHUNK)
        yield islice(items, CHUNK)


def items_of(source: Value, memo: dict[Any, Any]) -> Iterable[Value]:
    """The values of a collection, in any order; nothing for what is none."""
    if isinstance(source, dict):
        return metered(source.values(), len(source), memo)
    return metered(source, len(source), memo) if type(source) is list else ()


def pairs_of(source: Value, memo: dict[Any, Any]) -> Iterable[tuple[Any, Value]]:
    """Encoded keys and values of a collection, in any order (a member of a set is its own key)."""
    if isinstance(source, dict):
        return metered(source.items(), len(source), memo)
    return metered(enumerate(source), len(source), memo) if type(source) is list else ()


def ordered_pairs_of(source: Value, memo: dict[Any, Any]) -> Iterable[tuple[Any, Value]]:
    """Encoded keys and values in Rego's order."""
    if isinstance(source, dict):
        keys = map(encode, ordered(map(decode, metered(source, len(source), memo))))
        return [(key, source[key]) for key in keys]
    return pairs_of(source, memo)


def ordered_items_of(source: Value, memo: dict[Any, Any]) -> Iterable[Value]:
    """The values of a collection, by Rego's order of their keys."""
    if type(source) is list:
        return metered(source, len(source), memo)
    return [value for _, value in ordered_pairs_of(source, memo)]


def length(value: Value) -> Value:
    """How many members a collection or characters a string has."""
    return len(value) if isinstance(value, list | dict | str) else UNDEFINED


def copy(value: Value) -> Value:
    """A copy of the objects in `value`, and of itself, that may be changed."""
    if type(value) is dict:
        return {key: copy(item) for key, item in value.items()}
    return type(value)(value) if type(value) in (list, RegoSet) else value


def member(value: Value, collection: Value) -> bool:
    """`value in collection`."""
    if type(collection) is RegoSet:
        return encode(value) in collection
    if isinstance(collection, dict):
        return any(equal(value, item) for item in collection.values())
    return type(collection) is list and any(equal(value, item) for item in collection)


Dynamic = Callable[[tuple[Value, ...], Value, Value, dict[Any, Any]], Value]


def dynamic_caller(rules: Mapping[tuple[str, ...], tuple[int, Callable[..., Value]]]) -> Dynamic:
    """CallDynamic: the rule at a path that is known only now, or `MISSING`.

    Args:
        rules: path -> (the function's number, the function).
    """

    def dynamic(
        path: tuple[Value, ...], document: Value, data: Value, memo: dict[Any, Any]
    ) -> Value:
        if not all(type(part) is str for part in path) or path not in rules:
            return MISSING
        number, function = rules[path]
        value = memo.get(number, MISSING)
        if value is MISSING:
            value = memo[number] = function(document, data, memo)
        return value

    return dynamic


NAMESPACE: Final[dict[str, Any]] = {
    "add": add,
    "MISSING": MISSING,
    "Set": RegoSet,
    "U": UNDEFINED,
    "bool": bool,
    "compare": compare,
    "copy": copy,
    "decode": decode,
    "dict": dict,
    "dot": dot,
    "encode": encode,
    "equal_rules": equal_rules,
    "fork": fork,
    "insert_once": insert_once,
    "int": int,
    "items_of": items_of,
    "len": len,
    "length": length,
    "list": list,
    "member": member,
    "merge": merge,
    "once": once,
    "ordered_items_of": ordered_items_of,
    "ordered_pairs_of": ordered_pairs_of,
    "pairs_of": pairs_of,
    "prefixed_rules": prefixed_rules,
    "printed": printed,
    "same": same,
    "spend": spend,
    "stored": stored,
    "str": str,
    "type": type,
    "upsert": upsert,
}

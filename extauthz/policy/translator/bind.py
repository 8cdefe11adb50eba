"""What the code of a policy calls for a builtin: the builtin, paid for, and as lenient as asked."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from extauthz.policy.budget import REASON, spend
from extauthz.policy.builtins.nondeterministic import NEEDS_MEMO
from extauthz.policy.builtins.table import Builtin
from extauthz.policy.engine import UNDEFINED
from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.values.representation import RegoSet, Value

SMALL: Final = 256
"""Members or characters that are not charged for: fewer than a call costs in any case."""
PER_STEP: Final = 16
MOST_TEXT: Final = 16 * 2**20
"""Characters that one builtin may make of few: two of 64 KiB can be multiplied to 4 GB."""
FREE: Final = frozenset(
    {"count", "is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string"}
    | {"object.get", "type_name", "time.now_ns"}
)
"""They take the same time for operands of any size."""

_SIZED: Final = frozenset({str, list, dict, RegoSet})


def bind(name: str, builtin: Builtin, strict: bool, is_paid: bool = True) -> Callable[..., Value]:
    """The builtin as the policy calls it: with the memo before its operands, if it is paid for.

    Args:
        name: of the builtin.
        builtin: what it is.
        strict: its errors stop the evaluation; else its expression is undefined then.
        is_paid: whether the policy gives the memo.
    """
    function = _bounded(name, builtin.function)
    caught: type[BuiltinError] | tuple[()] = () if strict else BuiltinError

    def unpaid(*operands: Value) -> Value:
        try:
            return function(*operands)
        except caught:
            return UNDEFINED

    def free(memo: dict[Any, Any], *operands: Value) -> Value:
        del memo
        return unpaid(*operands)

    def with_memo(memo: dict[Any, Any], *operands: Value) -> Value:
        value = unpaid(memo, *operands)
        _pay(memo, (value, *operands))
        return value

    def paid(memo: dict[Any, Any], *operands: Value) -> Value:
        try:
            value = function(*operands)
        except caught:
            value = UNDEFINED
        _pay(memo, (value, *operands))
        return value

    def of_one(memo: dict[Any, Any], operand: Value) -> Value:
        try:
            value = function(operand)
        except caught:
            value = UNDEFINED
        if type(value) in _SIZED and len(value) > SMALL:
            spend(memo, len(value) // PER_STEP)
        if type(operand) in _SIZED and len(operand) > SMALL:
            spend(memo, len(operand) // PER_STEP)
        return value

    if not is_paid:
        return unpaid
    if name in NEEDS_MEMO:
        return unpaid if name in FREE else with_memo
    if name in FREE:
        return free
    return of_one if builtin.arity == 1 else paid


def _pay(memo: dict[Any, Any], values: Iterable[Value]) -> None:
    for value in values:
        if type(value) in _SIZED and len(value) > SMALL:
            spend(memo, len(value) // PER_STEP)


def _bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    product = _PRODUCTS.get(name)
    if product is None:
        return function

    def bounded(*operands: Value) -> Value:
        if product(*operands) > MOST_TEXT:
            raise RegoError(REASON, f"{name} would make more than {MOST_TEXT} characters")
        return function(*operands)

    return bounded


def _length(value: Value) -> int:
    return len(value) if type(value) in _SIZED else 0


def _parts(collection: Value) -> Iterable[Value]:
    if isinstance(collection, dict):
        return collection.values()
    return collection if type(collection) is list else ()


def _concat(mark: Value, collection: Value) -> int:
    return _length(mark) * _length(collection) + sum(map(_length, _parts(collection)))


def _replace(text: Value, old: Value, new: Value) -> int:
    if type(text) is not str or type(old) is not str:
        return 0
    return len(text) + text.count(old) * _length(new)


def _replace_n(patterns: Value, text: Value) -> int:
    return _length(text) * (1 + max(map(_length, _parts(patterns)), default=0))


def _regex_replace(text: Value, _pattern: Value, template: Value) -> int:
    return _length(text) * (1 + _length(template))


def _sprintf(shape: Value, arguments: Value) -> int:
    marks = shape.count("%") if type(shape) is str else 0
    return _length(shape) + marks * max(map(_length, _parts(arguments)), default=0)


_PRODUCTS: Final[dict[str, Callable[..., int]]] = {
    "concat": _concat,
    "regex.replace": _regex_replace,
    "replace": _replace,
    "sprintf": _sprintf,
    "strings.replace_n": _replace_n,
}
"""How long what it makes may become: for those where that is more than a sum of its operands."""

"""The changes of a delta bundle: upsert, remove, replace, at paths of Rego's `data`. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from urllib.parse import unquote

from extauthz.opa.problems import BundleRefused
from extauthz.policy.errors import BuiltinError
from extauthz.policy.values.text import from_json

Op: TypeAlias = Literal["upsert", "remove", "replace"]
DEEPEST: Final = 200
"""Steps of a path."""


class Operation(NamedTuple):
    """One change."""

    op: Op
    path: tuple[str, ...]
    value: Any


def read_operations(data: bytes) -> list[Operation]:
    """Reads `patch.json`.

    Raises:
        BundleRefused: it is not such a document.
    """
    try:
        document = from_json(data)
    except (ValueError, BuiltinError, RecursionError):
        raise BundleRefused("bundle load failed on patch decode: expected JSON") from None
    listed = document.get("data") if isinstance(document, dict) else None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise BundleRefused("bundle load failed on patch decode: expected a list `data`")
    return [_operation(each) for each in listed]


def _operation(written: Mapping[str, Any]) -> Operation:
    op, path = written.get("op"), written.get("path")
    if op not in ("upsert", "remove", "replace"):
        raise BundleRefused("bad patch operation")
    if not isinstance(path, str) or path.count("/") > DEEPEST:
        raise BundleRefused("error parsing patch path")
    steps = tuple(_unescaped(each) for each in path.strip("/").split("/"))
    return Operation(op, steps, written.get("value"))


def _unescaped(step: str) -> str:
    """As OPA does: percent escapes, and JSON Pointer's own."""
    return unquote(step).replace("~1", "/").replace("~0", "~")


def patched(data: Mapping[str, Any], operations: Sequence[Operation]) -> Mapping[str, Any]:
    """A document with the changes; what did not change is shared with the one before.

    Raises:
        BundleRefused: a change does not fit: it removes what is not there.
    """
    root: Any = data
    for each in operations:
        if each.path == ("",):
            if each.op == "remove" or not isinstance(each.value, dict):
                raise BundleRefused("a patch of all data must be an object")
            root = each.value
        else:
            root = _changed(root, each.path, each)
    return root  # type: ignore[no-any-return]  # `_changed` gives what it was given


def _changed(value: Any, path: tuple[str, ...], operation: Operation) -> Any:
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        if not rest and operation.op == "remove":
            if step not in value:
                raise _missing(operation)
            return {name: each for name, each in value.items() if name != step}
        if step not in value and operation.op != "upsert":
            raise _missing(operation)
        there = value.get(step, {})
        return {**value, step: _changed(there, rest, operation) if rest else operation.value}
    if isinstance(value, list):
        return _changed_list(value, step, rest, operation)
    raise _missing(operation)


def _changed_list(value: list[Any], step: str, rest: tuple[str, ...], operation: Operation) -> Any:
    if step in ("-", str(len(value))) and not rest and operation.op == "upsert":
        return [*value, operation.value]
    if not step.isascii() or not step.isdigit() or len(step) > 9 or int(step) >= len(value):
        raise _missing(operation)
    index = int(step)
    if rest:
        middle = [_changed(value[index], rest, operation)]
    elif operation.op == "remove":
        middle = []
    elif operation.op == "upsert":
        middle = [operation.value, value[index]]
    else:
        middle = [operation.value]
    return [*value[:index], *middle, *value[index + 1 :]]


def _missing(operation: Operation) -> BundleRefused:
    return BundleRefused(f"a patch ({operation.op}) is about data that is not there")

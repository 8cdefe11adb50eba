"""`json.patch` (v1/topdown/json.go, internal/edittree): JSON Patch, with sets and composite keys.

Values are never changed, so what a patch touches is copied, once: an operation costs the length of
its path, and of the array that it inserts into or removes from.
"""

import re
from collections.abc import Callable
from typing import Final

from extauthz.policy.builtins import operands
from extauthz.policy.builtins.objects import path_of
from extauthz.policy.engine import UNDEFINED
from extauthz.policy.errors import BuiltinError
from extauthz.policy.values.numbers import as_index
from extauthz.policy.values.representation import (
    Key,
    RegoSet,
    Value,
    decode,
    encode,
    equal,
    is_number,
    type_name,
)
from extauthz.policy.values.text import term

_INDEX: Final = re.compile(r"([+-]?[0-9]{1,18})(?:\.0*)?", re.ASCII)


def json_patch(document: Value, operations: Value) -> Value:
    """`json.patch(document, operations)`."""
    tree = _Tree(document)
    for operation in operands.array(operations, 2):
        if type(operation) is not dict:
            raise BuiltinError(
                "must be an array of JSON-Patch objects, but at least one element is not an object"
            )
        path = path_of(_attribute(operation, "path"))
        name = _attribute(operation, "op")
        if type(name) is not str:
            raise BuiltinError(f"attribute 'op' must be a string but found: {type_name(name)}")
        if name not in _OPERATIONS:
            raise BuiltinError(f"unrecognized op: '{name}'")
        _OPERATIONS[name](tree, path, operation)
    if tree.root is UNDEFINED:
        raise BuiltinError("the patch removed the whole document")  # where OPA v1.22 panics
    return tree.root


class _Tree:
    """A document that is being changed."""

    def __init__(self, root: Value) -> None:
        self.root = root
        """`UNDEFINED` once it was removed."""
        self.own: dict[int, Value] = {}
        """Copies made here, which nothing else holds, by their `id`; kept, so that it stays so."""

    def find(self, path: list[Key]) -> Value:
        """The value at `path`. What was copied until now is not ours alone any more."""
        node = self.root
        for key in path:
            node = node[_place(node, key)]
        if node is UNDEFINED:
            raise BuiltinError("nil value encountered where composite value was expected")
        self.own.clear()
        return node

    def insert(self, path: list[Key], value: Value) -> None:
        """Put `value` at `path`; into an array: before what is there."""
        self.root = self._changed(self.root, path, 0, value) if path else value

    def remove(self, path: list[Key]) -> None:
        """Remove what is at `path`."""
        if not path and self.root is UNDEFINED:
            raise BuiltinError("deleted node encountered during delete operation")
        self.root = self._changed(self.root, path, 0, UNDEFINED) if path else UNDEFINED

    def _changed(self, node: Value, path: list[Key], at: int, value: Value) -> Value:
        key = path[at]
        if at < len(path) - 1:
            place = _place(node, key)
            inner = self._changed(node[place], path, at + 1, value)
            node = self._owned(node)
            if type(node) is RegoSet:
                del node[place]
                node[encode(inner)] = inner
            else:
                node[place] = inner
        elif value is UNDEFINED:
            place = _place(node, key)
            node = self._owned(node)
            del node[place]
        elif type(node) is list:
            place = _index(key, len(node))
            if not 0 <= place <= len(node):
                raise BuiltinError("index for array insertion out of bounds")
            node = self._owned(node)
            node.insert(place, value)
        elif isinstance(node, dict):
            if type(node) is RegoSet and encode(value) != key:
                raise BuiltinError(
                    f"set key {term(decode(key))} does not equal value to be inserted {term(value)}"
                )
            node = self._owned(node)
            node[key] = value
        else:
            raise _no_composite(node)
        return node

    def _owned(self, node: Value) -> Value:
        if id(node) in self.own:
            return node
        copy = RegoSet(node) if type(node) is RegoSet else node.copy()
        self.own[id(copy)] = copy
        return copy


def _no_composite(node: Value) -> BuiltinError:
    if node is UNDEFINED:
        return BuiltinError("nil value encountered where composite value was expected")
    return BuiltinError(f"expected composite type, found value: {term(node)}")


def _place(node: Value, key: Key) -> Key:
    """Where `key` leads to in `node`: an index, or the key itself."""
    if isinstance(node, dict):
        if key not in node:
            raise BuiltinError(f"path {term(decode(key))} does not exist in {type_name(node)} term")
        return key
    if type(node) is list:
        place = _index(key, len(node))
        if not 0 <= place < len(node):
            raise BuiltinError(f"path {place} does not exist in array term")
        return place
    raise _no_composite(node)


def _index(key: Key, length: int) -> int:
    if key == "-":
        return length
    if type(key) is str:
        found = _INDEX.fullmatch(key)
        if not found:
            raise BuiltinError("invalid string for indexing")
        if key.startswith("0") and key != "0":
            raise BuiltinError("leading zeros are not allowed in JSON paths")
        return int(found[1])
    if not is_number(key):
        raise BuiltinError("invalid type for indexing")
    index = as_index(key)
    if index is None:
        raise BuiltinError("invalid number type for indexing")
    return index


_Operation = dict[Key, Value]


def _attribute(operation: _Operation, name: str) -> Value:
    if name not in operation:
        raise BuiltinError(f"missing required attribute '{name}'")
    return operation[name]


def _add(tree: _Tree, path: list[Key], operation: _Operation) -> None:
    tree.insert(path, _attribute(operation, "value"))


def _remove(tree: _Tree, path: list[Key], _: _Operation) -> None:
    tree.remove(path)


def _replace(tree: _Tree, path: list[Key], operation: _Operation) -> None:
    tree.remove(path)
    tree.insert(path, _attribute(operation, "value"))


def _move(tree: _Tree, path: list[Key], operation: _Operation) -> None:
    source = path_of(_attribute(operation, "from"))
    value = tree.find(source)
    tree.remove(source)
    tree.insert(path, value)


def _copy(tree: _Tree, path: list[Key], operation: _Operation) -> None:
    tree.insert(path, tree.find(path_of(_attribute(operation, "from"))))


def _test(tree: _Tree, path: list[Key], operation: _Operation) -> None:
    found, value = tree.find(path), _attribute(operation, "value")
    if not equal(found, value):
        raise BuiltinError("value from EditTree != patch value")


_OPERATIONS: Final[dict[str, Callable[[_Tree, list[Key], _Operation], None]]] = {
    "add": _add,
    "copy": _copy,
    "move": _move,
    "remove": _remove,
    "replace": _replace,
    "test": _test,
}

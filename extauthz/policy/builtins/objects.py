"""Objects, paths into them, and graphs (v1/topdown/object.go, json.go, subset.go, walk.go)."""

from collections.abc import Iterator
from typing import Any

from extauthz.policy.builtins import operands
from extauthz.policy.engine import UNDEFINED
from extauthz.policy.errors import OperandError, RegoError
from extauthz.policy.values.representation import (
    Key,
    RegoSet,
    Value,
    decode,
    dot,
    encode,
    equal,
    make_set,
    members,
    ordered,
    type_name,
)

_MAX_PATHS = 100_000
"""Of `graph.reachable_paths`, whose number grows exponentially with the graph."""


def object_get(fields: Value, path: Value, default: Value) -> Value:
    """`object.get(object, key_or_path, default)`."""
    found: Value = operands.object_(fields, 1)
    for key in path if type(path) is list else [path]:
        found = dot(found, key)
        if found is UNDEFINED:
            return default
    return found


def object_keys(fields: Value) -> RegoSet:
    """`object.keys(object)`."""
    return make_set(map(decode, operands.object_(fields, 1)))


def object_remove(fields: Value, keys: Value) -> dict[Key, Value]:
    """`object.remove(object, keys)`."""
    source, unwanted = operands.object_(fields, 1), _keys(keys)
    return {key: value for key, value in source.items() if key not in unwanted}


def object_filter(fields: Value, keys: Value) -> dict[Key, Value]:
    """`object.filter(object, keys)`."""
    source, wanted = operands.object_(fields, 1), _keys(keys)
    return {key: value for key, value in source.items() if key in wanted}


def _keys(keys: Value) -> set[Key]:
    if type(keys) is list:
        return set(map(encode, keys))
    if isinstance(keys, dict):
        return set(keys)
    raise operands.wrong_type(2, keys, "object", "set", "array")


def object_union(a: Value, b: Value) -> dict[Key, Value]:
    """`object.union(a, b)`: objects inside are united too; otherwise `b` wins."""
    return _united(operands.object_(a, 1), operands.object_(b, 2))


def object_union_n(objects: Value) -> dict[Key, Value]:
    """`object.union_n(objects)`: one after the other."""
    items = operands.array(objects, 1)
    for item in items:
        if type(item) is not dict:
            raise operands.wrong_element(1, objects, item, "object")
    joined: dict[Key, Value] = {}
    for item in items:
        joined = _united(joined, item)
    return joined


def _united(a: dict[Key, Value], b: dict[Key, Value]) -> dict[Key, Value]:
    joined = dict(a)
    for key, value in b.items():
        old = joined.get(key)
        joined[key] = _united(old, value) if type(old) is dict and type(value) is dict else value
    return joined


def object_subset(super_: Value, sub: Value) -> bool:
    """`object.subset(super, sub)`: of objects (deeply), sets, arrays, or a set in an array."""
    kinds = type(super_), type(sub)
    if kinds == (list, RegoSet):
        if not sub:
            return bool(super_)  # as OPA: it answers while it looks at the array's members
        return set(sub) <= set(map(encode, super_))
    if kinds[0] is not kinds[1] or kinds[0] not in (dict, RegoSet, list):
        raise OperandError("both arguments object.subset must be of the same type or array and set")
    return _is_subset(super_, sub)


def _is_subset(whole: Value, part: Value) -> bool:
    kind = type(whole)
    if kind is not type(part):
        return False
    if kind is RegoSet:
        return set(part) <= set(whole)
    if kind is list:
        starts = range(len(whole) - len(part) + 1)
        return any(equal(whole[at : at + len(part)], part) for at in starts)
    if kind is not dict:
        return False
    return all(
        key in whole and (equal(value, whole[key]) or _is_subset(whole[key], value))
        for key, value in part.items()
    )


def json_filter(fields: Value, paths: Value) -> Value:
    """`json.filter(object, paths)`."""
    operands.object_(fields, 1)
    return _filtered(fields, _tree(paths))


def json_remove(fields: Value, paths: Value) -> Value:
    """`json.remove(object, paths)`."""
    operands.object_(fields, 1)
    return _removed(fields, _tree(paths))


def _tree(paths: Value) -> dict[Key, Any]:
    """All paths as one object; `None` where one ends."""
    if type(paths) not in (list, RegoSet):
        raise operands.wrong_type(2, paths, "set", "array")
    root: dict[Key, Any] = {}
    for path in map(path_of, members(paths)):
        node = root
        for key in path[:-1]:
            inner = node.setdefault(key, {})
            if inner is None:
                break
            node = inner
        else:
            if path:
                node[path[-1]] = None
    return root


def path_of(path: Value) -> list[Key]:
    """The keys that a path names: `a/b` (a JSON pointer, its first `/` is optional) or an array."""
    if type(path) is str:
        if not path:
            return []
        parts = path.lstrip("/").split("/")
        return [part.replace("~1", "/").replace("~0", "~") for part in parts]
    if type(path) is list:
        return list(map(encode, path))
    raise OperandError(
        "operand 2 must be one of {set, array} containing string paths or array of path segments"
        f" but got {type_name(path)}"
    )


def _filtered(value: Value, tree: dict[Key, Any] | None) -> Value:
    if tree is None:
        return value
    kind = type(value)
    if kind is list:
        return [_filtered(v, tree[str(i)]) for i, v in enumerate(value) if str(i) in tree]
    if kind is RegoSet:
        return make_set(_filtered(v, tree[key]) for key, v in value.items() if key in tree)
    if kind is dict:
        return {key: _filtered(v, tree[key]) for key, v in value.items() if key in tree}
    return value


_WHOLE: dict[Key, Any] = {}


def _removed(value: Value, tree: dict[Key, Any]) -> Value:
    def kept(key: Key) -> bool:
        return tree.get(key, _WHOLE) is not None

    def inner(key: Key) -> dict[Key, Any]:
        return tree.get(key, _WHOLE) or _WHOLE

    if not tree:
        return value
    kind = type(value)
    if kind is list:
        keys = map(str, range(len(value)))
        return [_removed(v, inner(k)) for k, v in zip(keys, value, strict=True) if kept(k)]
    if kind is RegoSet:
        return make_set(_removed(v, inner(k)) for k, v in value.items() if kept(k))
    if kind is dict:
        return {k: _removed(v, inner(k)) for k, v in value.items() if kept(k)}
    return value


def walk(value: Value) -> list[list[Value]]:
    """`walk(value)`: all `[path, value]` inside, itself first."""
    found: list[list[Value]] = []
    pending: list[tuple[list[Value], Value]] = [([], value)]
    while pending:
        path, item = pending.pop()
        found.append([path, item])
        if isinstance(item, dict):
            keys = ordered(map(decode, item))
        else:
            keys = list(range(len(item))) if type(item) is list else []
        pending += [([*path, key], dot(item, key)) for key in reversed(keys)]
    return found


def graph_reachable(graph: Value, initial: Value) -> RegoSet:
    """`graph.reachable(graph, initial)`."""
    nodes = operands.object_(graph, 1)
    reached = RegoSet()
    pending = list(_initial(initial))
    while pending:
        node = pending.pop()
        key = encode(node)
        if key in nodes and key not in reached:
            reached[key] = node
            pending += _vertices(nodes[key])
    return reached


def graph_reachable_paths(graph: Value, initial: Value) -> RegoSet:
    """`graph.reachable_paths(graph, initial)`."""
    nodes = operands.object_(graph, 1)
    found = RegoSet()
    for node in _initial(initial):
        key = encode(node)
        if key not in nodes:
            continue
        neighbors = _vertices(nodes[key])
        if not neighbors:
            found[encode([node])] = [node]
        for neighbor in neighbors:
            for path in _paths(nodes, neighbor, [node], {key}):
                found[encode(path)] = path
                if len(found) > _MAX_PATHS:
                    raise RegoError("rego_range", f"more than {_MAX_PATHS} paths of a graph")
    return found


def _paths(
    nodes: dict[Key, Value], node: Value, path: list[Value], seen: set[Key]
) -> Iterator[list[Value]]:
    key = encode(node)
    if key not in nodes:
        yield path
        return
    path = [*path, node]
    neighbors = _vertices(nodes[key])
    if not neighbors:
        yield path
    for neighbor in neighbors:
        if encode(neighbor) in seen | {key}:
            yield path
        else:
            yield from _paths(nodes, neighbor, path, seen | {key})


def _initial(initial: Value) -> list[Value]:
    if type(initial) not in (list, RegoSet):
        raise operands.wrong_type(2, initial, "{array, set}")
    return members(initial)


def _vertices(edges: Value) -> list[Value]:
    return members(edges) if type(edges) in (list, RegoSet) else []

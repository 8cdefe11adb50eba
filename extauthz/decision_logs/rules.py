"""OPA's mask rules: what `data.system.log.mask` gives, and what it does to an event. Pure.

As OPA 1.22 does it (v1/plugins/logs/mask.go), traps included: a rule that fits nothing changes
nothing and is not told of, and one wrong rule makes all of them wrong.
"""

import re
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from urllib.parse import quote

Event: TypeAlias = dict[str, Any]
"""A decision event, by the names of OPA's JSON."""

_MASKABLE: Final = frozenset({"input", "result", "nd_builtin_cache"})
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_INDEX: Final = re.compile(r"[+-]?[0-9]{1,9}", re.A)


class BadRules(ValueError):
    """What the policy gave are no mask rules; the text holds nothing of the event."""


class Rule(NamedTuple):
    """One change of an event."""

    op: Literal["remove", "upsert"]
    parts: tuple[str, ...]
    """The path, split at `/`; the first is one of `_MASKABLE`."""
    value: Any = None
    """What `upsert` puts there."""

    @property
    def pointer(self) -> str:
        """The path as events tell it."""
        return "/" + "/".join(map(_escaped, self.parts))


def read_rules(value: object) -> list[Rule]:
    """Rules from what the mask policy gave: an array of paths and of `{op, path, value}`.

    Raises:
        BadRules: something in it is no rule.
    """
    if type(value) is not list:
        raise BadRules("the mask is not a set or an array")
    return [_rule(each) for each in value]


def _rule(each: Any) -> Rule:
    if type(each) is str:
        return Rule("remove", _parts(each))
    if type(each) is not dict:
        raise BadRules("a mask rule is neither text nor an object")
    op = each.get("op")
    if op not in ("remove", "upsert"):
        raise BadRules("the op of a mask rule is neither remove nor upsert")
    path = each.get("path")
    if type(path) is not str:
        raise BadRules("the path of a mask rule is not text")
    return Rule(op, _parts(path), each.get("value"))


def _parts(path: str) -> tuple[str, ...]:
    if not path.startswith("/"):
        raise BadRules("the path of a mask rule does not begin with a slash")
    parts = tuple(path[1:].split("/"))
    if parts[0] not in _MASKABLE:
        raise BadRules("the path of a mask rule is not below input, result or nd_builtin_cache")
    if any(_BAD_ESCAPE.search(each) for each in parts):
        raise BadRules("the path of a mask rule has a bad escape")
    return parts


def _escaped(part: str) -> str:
    return quote(part, safe="$&+:=@")  # what Go's `url.PathEscape` leaves as it is


def apply(rules: list[Rule], event: Event) -> None:
    """Changes the event, whose input and result are its own, and tells of it in the event."""
    erased: list[str] = []
    masked: list[str] = []
    for rule in rules:
        if _apply(rule, event):
            (erased if rule.op == "remove" else masked).append(rule.pointer)
    if erased:
        event["erased"] = erased
    if masked:
        event["masked"] = masked


def _apply(rule: Rule, event: Event) -> bool:
    top, rest = rule.parts[0], rule.parts[1:]
    if top not in event:
        return False
    if rule.op == "remove":
        return _remove(event, (top, *rest))
    if not rest:
        event[top] = rule.value
        return True
    return _put(event[top], rest, rule.value)


def _key(node: dict[str, Any], part: str) -> str:
    # OPA looks for the escaped name only, so that `/input/a b` masks nothing there. Here it does: a
    # rule that silently masks nothing is the worst that can happen to a secret.
    escaped = _escaped(part)
    return part if part in node or escaped not in node else escaped


def _index(part: str, node: list[Any]) -> int | None:
    index = int(part) if _INDEX.fullmatch(part) else -1
    return index if 0 <= index < len(node) else None


def _remove(node: Any, parts: tuple[str, ...]) -> bool:
    for part in parts[:-1]:
        if type(node) is dict and (key := _key(node, part)) in node:
            node = node[key]
        elif type(node) is list and (index := _index(part, node)) is not None:
            node = node[index]
        else:
            return False
    last = parts[-1]
    if type(node) is dict and (key := _key(node, last)) in node:
        del node[key]
        return True
    if type(node) is list and (index := _index(last, node)) is not None:
        del node[index]
        return True
    return False


def _put(node: Any, parts: tuple[str, ...], value: Any) -> bool:
    for part in parts[:-1]:
        if type(node) is dict:
            node = node.setdefault(_key(node, part), {})
        elif type(node) is list and (index := _index(part, node)) is not None:
            node = node[index]
        else:
            return False
    last = parts[-1]
    if type(node) is dict:
        node[_key(node, last)] = value
        return True
    if type(node) is list and (index := _index(last, node)) is not None:
        node[index] = value
        return True
    return False

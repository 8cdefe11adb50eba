"""The operator's rules of one domain, and which of them a descriptor meets.

As envoyproxy/ratelimit (its GetLimit): a descriptor walks down the tree entry by entry; at each
level the value as it is written wins over wildcards in file order, and these over the rule for any
value; the walk never turns back; a limit applies only to descriptors that end where it stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from callout.config.source import Mark
from ratelimit.keys import ErNames
from ratelimit.limits import Limit
from ratelimit.request import Entries


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """What applies where a descriptor ends: a `rate_limit` and the modes beside it."""

    limit: Limit | None
    """None: unlimited, and said so."""
    shadow: bool = False
    """Counted, but never refuses."""
    quota: bool = False
    """Refuses only together with all other limits of the request that are in quota mode."""
    name: str = ""
    """What `replaces` of other rules may name."""
    replaces: frozenset[str] = frozenset()
    """Rules with these names do not apply to a request that meets this one."""
    detailed: bool = False
    """Statistics are kept for each value, whatever the file has a value for."""
    key: str = ""
    """envoyproxy/ratelimit's name of it in statistics: `domain.key_value.key`."""
    mark: Mark | None = None
    """Where its descriptor is written."""
    metadata: Mapping[str, Any] | None = None
    """What the operator wants to be told with an answer that this rule lets pass."""


class Match(NamedTuple):
    """The rule that a descriptor meets."""

    rule: Rule
    entries: Entries
    """What is counted by: where values share a counter (`share_threshold`), their pattern."""
    key: str
    """The name in statistics: that of the rule, or one with values of the request."""


class Wildcard:
    """A value with `*`, each of which stands for any text, also none. Matches in linear time."""

    __slots__ = ("_first", "_last", "_middle", "_shortest", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._first, *self._middle, self._last = text.split("*")
        self._shortest = len(text) - text.count("*")

    def matches(self, value: str) -> bool:
        """Whether the whole value is what the text says."""
        if (
            len(value) < self._shortest
            or not value.startswith(self._first)
            or not value.endswith(self._last)
        ):
            return False
        position, end = len(self._first), len(value) - len(self._last)
        for part in self._middle:
            position = value.find(part, position, end)
            if position < 0:
                return False
            position += len(part)
        return True


@dataclass(slots=True)
class Node:
    """One level of the tree. Filled while loading, only read afterwards."""

    rule: Rule | None = None
    share: bool = False
    """All values that meet this wildcard have one counter."""
    value_to_metric: bool = False
    """Statistics of what is below are kept for each value that leads here."""
    exact: dict[tuple[str, str], "Node"] = field(default_factory=dict)
    """By key and value. Wildcards too: a value may be the very text of one."""
    wildcards: dict[str, list[tuple[Wildcard, "Node"]]] = field(default_factory=dict)
    """By key, in file order."""
    any_value: dict[str, "Node"] = field(default_factory=dict)
    """By key."""

    def place(self, key: str, value: str, node: "Node") -> bool:
        """Put a node under this one; False: there is one already."""
        if not value:
            return self.any_value.setdefault(key, node) is node
        if self.exact.setdefault((key, value), node) is not node:
            return False
        if "*" in value:
            self.wildcards.setdefault(key, []).append((Wildcard(value), node))
        return True

    def step(self, key: str, value: str) -> "Node | None":
        """Where an entry leads to; None: nowhere."""
        found = self.exact.get((key, value))
        if found is None:
            if self.wildcards:
                for wildcard, node in self.wildcards.get(key, ()):
                    if wildcard.matches(value):
                        return node
            found = self.any_value.get(key)
        return found

    def pattern(self, key: str, value: str) -> str | None:
        """The wildcard by which an entry leads on, as it is written; None: by none."""
        if (key, value) not in self.exact:
            for wildcard, _ in self.wildcards.get(key, ()):
                if wildcard.matches(value):
                    return wildcard.text
        return None

    def is_exact(self, key: str, value: str) -> bool:
        """Whether an entry leads on by its very value."""
        return (key, value) in self.exact


class JoinedNode(Node):
    """A level whose rules are found by `key_value`, glued, as in envoyproxy/ratelimit.

    There a key `a_b` and the key `a` with the value `b` are the same, and a `*` in a key is a
    wildcard too. Only for those who run both services side by side and depend on it.
    """

    __slots__ = ()

    def place(self, key: str, value: str, node: Node) -> bool:
        """See `Node.place`."""
        joined = f"{key}_{value}" if value else key
        if self.any_value.setdefault(joined, node) is not node:
            return False
        if "*" in joined:
            self.wildcards.setdefault("", []).append((Wildcard(joined), node))
        return True

    def step(self, key: str, value: str) -> Node | None:
        """See `Node.step`."""
        joined = f"{key}_{value}"
        found = self.any_value.get(joined)
        if found is None:
            for wildcard, node in self.wildcards.get("", ()):
                if wildcard.matches(joined):
                    return node
            found = self.any_value.get(key)
        return found

    def pattern(self, key: str, value: str) -> str | None:
        """See `Node.pattern`."""
        joined = f"{key}_{value}"
        if joined not in self.any_value:
            for wildcard, _ in self.wildcards.get("", ()):
                if wildcard.matches(joined):
                    return wildcard.text.removeprefix(f"{key}_")
        return None

    def is_exact(self, key: str, value: str) -> bool:
        """See `Node.is_exact`."""
        return f"{key}_{value}" in self.any_value


@dataclass(frozen=True, slots=True)
class Tree:
    """The rules of one domain."""

    domain: str
    root: Node
    """A `JoinedNode` if all are."""
    er: ErNames | None = None
    """All that this domain counts and answers is as in envoyproxy/ratelimit, its counters' names
    too; None: unambiguous names, and clients see nothing of a limit in shadow that is over."""
    calendar: bool = False
    """A month of a limit that a request brings is that of the calendar; those of rules say so."""


def match(tree: Tree, entries: Entries) -> Match | None:
    """The rule where the descriptor ends, if it ends at one.

    A descriptor of one entry takes 0.5 us, up to 1.9 us where names are made of values; a request
    that is equal to an earlier one does not come here (`planner.py`).
    """
    node = tree.root
    named = False
    for key, value in entries:
        child = node.step(key, value)
        if child is None:
            return None
        node = child
        if node.share or node.value_to_metric:
            named = True
    rule = node.rule
    if rule is None:
        return None
    if named or rule.detailed or type(node) is JoinedNode:
        return _with_values(tree, entries, rule)
    return tuple.__new__(Match, (rule, entries, rule.key))  # 0.15 us less


def _with_values(tree: Tree, entries: Entries, rule: Rule) -> Match:
    """The rule that was found, by names that depend on what the entries met on the way down."""
    counted, parts = [], []
    shared = False
    node = tree.root
    for key, value in entries:
        child = node.step(key, value)
        if child is None:
            raise AssertionError("the rule was found by these entries")
        pattern = node.pattern(key, value)
        plain = f"{key}_{value}" if value else key
        if pattern is not None and child.share:
            shared = True
            counted.append((key, pattern))
        else:
            counted.append((key, value))
        if pattern is not None and (child.share or not child.value_to_metric):
            parts.append(f"{key}_{pattern}")
        elif pattern is not None or child.value_to_metric or node.is_exact(key, value):
            parts.append(plain)
        else:
            parts.append(key)
        node = child
    if rule.detailed:
        # With an empty value this ends in `_` unless a counter is shared: as it is there.
        parts = [f"{key}_{value}" if value or not shared else key for key, value in counted]
    return Match(rule, tuple(counted), ".".join((tree.domain, *parts)))


def override_key(domain: str, entries: Entries) -> str:
    """What a limit that the caller brings is called in statistics."""
    return ".".join((domain, *[f"{key}_{value}" if value else key for key, value in entries]))

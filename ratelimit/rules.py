"""The operator's rules of one domain, and which of them a descriptor meets.

As envoyproxy/ratelimit (its GetLimit): a descriptor walks down the tree entry by entry; at each
level the value as it is written wins over wildcards in file order, and these over the rule for any
value; the walk never turns back; a limit applies only to descriptors that end where it stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from callout.config.source import Mark
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


class Step(NamedTuple):
    """Where one entry leads to."""

    node: "Node"
    pattern: str | None = None
    """The wildcard that the entry met, as it is written."""
    any_value: bool = False
    """The entry met the rule for any value."""


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

    def step(self, key: str, value: str) -> Step | None:
        """Where an entry leads to; None: nowhere."""
        found = self.exact.get((key, value))
        if found is not None:
            return Step(found)
        for wildcard, node in self.wildcards.get(key, ()):
            if wildcard.matches(value):
                return Step(node, wildcard.text)
        found = self.any_value.get(key)
        return Step(found, any_value=True) if found is not None else None


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

    def step(self, key: str, value: str) -> Step | None:
        """See `Node.step`."""
        joined = f"{key}_{value}"
        found = self.any_value.get(joined)
        if found is not None:
            return Step(found)
        for wildcard, node in self.wildcards.get("", ()):
            if wildcard.matches(joined):
                return Step(node, wildcard.text.removeprefix(f"{key}_"))
        found = self.any_value.get(key)
        return Step(found, any_value=True) if found is not None else None


@dataclass(frozen=True, slots=True)
class Tree:
    """The rules of one domain."""

    domain: str
    root: Node
    """A `JoinedNode` if all are."""


def match(tree: Tree, entries: Entries) -> Match | None:
    """The rule where the descriptor ends, if it ends at one.

    One entry costs 0.5 us; equal requests do not come here again (`planner.py`).
    """
    node = tree.root
    steps = []
    named = shared = False
    for key, value in entries:
        step = node.step(key, value)
        if step is None:
            return None
        node = step.node
        named = named or node.value_to_metric
        shared = shared or (node.share and step.pattern is not None)
        steps.append(step)
    rule = node.rule
    if rule is None:
        return None
    if not (named or shared or rule.detailed or type(node) is JoinedNode):
        return Match(rule, entries, rule.key)
    counted = tuple(
        [
            (key, step.pattern) if step.pattern is not None and step.node.share else (key, value)
            for (key, value), step in zip(entries, steps, strict=True)
        ]
    )
    if rule.detailed:
        # With an empty value this ends in `_` unless a counter is shared: as it is there.
        parts = [f"{key}_{value}" if value or not shared else key for key, value in counted]
    else:
        parts = [_part(key, value, step) for (key, value), step in zip(entries, steps, strict=True)]
    return Match(rule, counted, ".".join((tree.domain, *parts)))


def _part(key: str, value: str, step: Step) -> str:
    """What an entry is called in statistics, where some rule has `value_to_metric`."""
    named = step.node.value_to_metric
    if step.pattern is not None and (step.node.share or not named):
        return f"{key}_{step.pattern}"
    if not value or (step.any_value and not named):
        return key
    return f"{key}_{value}"


def override_key(domain: str, entries: Entries) -> str:
    """What a limit that the caller brings is called in statistics."""
    return ".".join((domain, *[f"{key}_{value}" if value else key for key, value in entries]))

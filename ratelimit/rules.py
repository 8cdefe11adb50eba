"""The operator's rules of one domain, and which of them a descriptor meets.

As envoyproxy/ratelimit (src/config/config_impl.go, GetLimit): a descriptor walks down the tree
entry by entry; at each level the exact value wins over wildcards in file order, and these over
the rule for any value; the walk never turns back; a limit applies only to descriptors that end
where it stands.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ratelimit.limits import Limit


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """What applies where a descriptor ends."""

    limit: Limit | None
    """None: unlimited, and said so."""
    shadow: bool = False


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
    exact: dict[tuple[str, str], "Node"] = field(default_factory=dict)
    wildcards: dict[str, list[tuple[Wildcard, "Node"]]] = field(default_factory=dict)
    """By key, in file order."""
    any_value: dict[str, "Node"] = field(default_factory=dict)

    def step(self, key: str, value: str) -> "Node | None":
        """The child that an entry leads to."""
        found = self.exact.get((key, value))
        if found is None:
            for wildcard, node in self.wildcards.get(key, ()):
                if wildcard.matches(value):
                    return node
            found = self.any_value.get(key)
        return found


def find(root: Node, entries: Iterable[tuple[str, str]]) -> Rule | None:
    """The rule where the descriptor ends, if it ends at one."""
    node = root
    for key, value in entries:
        child = node.step(key, value)
        if child is None:
            return None
        node = child
    return node.rule

"""What each rule found, while a transaction runs: the value as sent, and how it came to match."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from waf.rules import Chain, CompiledRule, RuleSet, Transformation
from waf.state import Found, Labels, State
from waf.transformations.table import TRANSFORMATIONS


class Evidence(NamedTuple):
    """One value that a rule, or a link of its chain, matched."""

    link: bool
    """Of a link, not of the rule that begins the chain."""
    found: Found
    """With the value as it was tested."""
    sent: bytes
    """The value before any transformation."""
    changed: tuple[str, ...]
    """The transformations that changed it, in order."""


class Witness:
    """A `Watch` of `waf/transaction.py`; of one transaction."""

    def __init__(self, rules: RuleSet) -> None:
        """Has seen nothing.

        Args:
            rules: of the transaction.
        """
        self._heads: Final = {id(rule) for rule in rules.rules()}
        self._seen: Final[dict[int, list[Evidence]]] = {}

    def __call__(self, rule: CompiledRule, hits: Sequence[Found], state: State) -> None:
        """Notes what one rule found."""
        head = id(rule) in self._heads
        # Links share the labels of their chain; a chain is asked once for a transaction.
        seen = self._seen.setdefault(id(rule.labels), [])
        sent = () if rule.group is None else rule.group.targets.find(state)
        chain = None if rule.group is None else rule.group.chain
        for hit in hits:
            value, changed = _origin(hit, sent, chain)
            seen.append(Evidence(not head, hit, value, changed))

    def of(self, labels: Labels) -> Sequence[Evidence]:
        """What the rule of these labels found, its links' last; empty: it looks at nothing."""
        return self._seen.get(id(labels), ())


_NAMES: Final[dict[Transformation, str]] = {
    # The first spelling of those that have several.
    function: name
    for name, function in reversed(tuple(TRANSFORMATIONS.items()))
}


def _origin(
    hit: Found, sent: Sequence[Found], chain: Chain | None
) -> tuple[bytes, tuple[str, ...]]:
    """The value that became the one that was tested, and what changed it on the way."""
    for found in sent:
        if found[:2] == hit[:2]:
            changed = _way(found.value, hit.value, chain)
            if changed is not None:
                return found.value, changed
    return hit.value, ()


def _way(value: bytes, tested: bytes, chain: Chain | None) -> tuple[str, ...] | None:
    changed: list[str] = []
    for _, function in chain.steps if chain is not None else ():
        if value == tested:
            break
        before, value = value, function(value)
        if value != before:
            changed.append(_NAMES[function])
    return tuple(changed) if value == tested else None

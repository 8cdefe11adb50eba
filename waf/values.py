"""What a transaction has already found and transformed, kept until more of the request comes."""

from collections.abc import Sequence
from typing import Final

from waf.rules import Chain, Group
from waf.state import Found, State
from waf.targets import TargetSet


class Values:
    """The memory of one transaction."""

    __slots__ = ("_found", "_groups", "_memos", "_state")

    def __init__(self, state: State, chains: int) -> None:
        """Nothing found yet.

        Args:
            state: of the transaction.
            chains: of the rule set.
        """
        self._state: Final = state
        self._found: dict[int, Sequence[Found]] = {}
        self._memos: Final[list[dict[bytes, bytes] | None]] = [None] * chains
        self._groups: Final[dict[int, Sequence[Found]]] = {}
        """By index of a group that is not volatile: its values, once they were found."""

    def forget(self) -> None:
        """More has come: what was found may be no more all there is.

        Transformed values are kept, as they depend on nothing else.
        """
        self._found.clear()
        self._groups.clear()
        self._state.cache.clear()
        self._state.found.clear()

    def of(self, group: Group) -> Sequence[Found]:
        """Every value that rules of the group test, transformed."""
        if group.targets.volatile:
            return self._transform(group, group.targets.find(self._state))
        kept = self._groups.get(group.index)
        if kept is None:
            kept = self._transform(group, self._find(group.targets))
            self._groups[group.index] = kept
        return kept

    def _find(self, targets: TargetSet) -> Sequence[Found]:
        kept = self._found.get(targets.index)
        if kept is None:
            kept = self._found[targets.index] = targets.find(self._state)
        return kept

    def _transform(self, group: Group, values: Sequence[Found]) -> Sequence[Found]:
        chain = group.chain
        if chain is None or not values:
            return values
        if group.multi_match:
            return [each for found in values for each in self._stages(chain, found)]
        transformed: list[Found] = []
        for found in values:
            value = found.value
            changed = self._apply(chain, value)
            transformed.append(
                found if changed is value else Found(found.collection, found.key, changed)
            )
        return transformed

    def _stages(self, chain: Chain, found: Found) -> list[Found]:
        stages = [found]
        for step in chain.steps():
            value = self._apply(step, found.value)
            if value != stages[-1].value:
                stages.append(Found(found.collection, found.key, value))
        return stages

    def _apply(self, chain: Chain, value: bytes) -> bytes:
        memo = self._memos[chain.index]
        if memo is None:
            memo = self._memos[chain.index] = {}
        known = memo.get(value)
        if known is None:
            before = value if chain.prefix is None else self._apply(chain.prefix, value)
            known = memo[value] = chain.function(before)
        return known

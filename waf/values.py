"""What a transaction has already found and transformed, kept until more of the request comes."""

from collections.abc import Sequence
from typing import Final, TypeAlias

from waf.rules import Chain, Group
from waf.state import Found, State
from waf.targets import Read, TargetSet, joined
from waf.transformations.marks import ANY, marks

_Marked: TypeAlias = tuple[Sequence[tuple[int, int]], int]
"""Positions of values that some chain could change, with their marks; the marks of all."""


class Values:
    """The memory of one transaction."""

    __slots__ = ("_found", "_groups", "_marked", "_marks", "_memos", "_parts", "_state", "_whole")

    def __init__(self, state: State, chains: int) -> None:
        """Nothing found yet.

        Args:
            state: of the transaction.
            chains: of the rule set.
        """
        self._state: Final = state
        self._found: Final[dict[int, Sequence[Sequence[Found]]]] = {}
        """By index of targets that are not volatile: what each of them found."""
        # What a target found is kept by `state.found` until `forget`, so its id is its own.
        self._marked: Final[dict[int, _Marked]] = {}
        """By id of what a target found: what chains could change of it."""
        self._parts: Final[dict[tuple[int, int, bool], Sequence[Found]]] = {}
        """By id of what a target found, chain and multiMatch: the same, transformed. Many groups
        name the same targets beside others."""
        self._marks: Final[dict[bytes, int]] = {}
        self._memos: Final[list[dict[bytes, bytes] | None]] = [None] * chains
        self._groups: Final[dict[int, Sequence[Sequence[Found]]]] = {}
        """By index of a group that is not volatile: its parts, once they were found."""
        self._whole: Final[dict[int, Sequence[Found]]] = {}
        """Likewise: its values."""

    def forget(self) -> None:
        """More has come: what was found may be no more all there is.

        Transformed values are kept, as they depend on nothing else.
        """
        self._found.clear()
        self._marked.clear()
        self._parts.clear()
        self._groups.clear()
        self._whole.clear()
        self._state.cache.clear()
        self._state.found.clear()

    def of(self, group: Group) -> Sequence[Found]:
        """Every value that rules of the group test, transformed."""
        if group.targets.volatile:
            values = group.targets.find(self._state)
            if group.chain is None or not values:
                return values
            return self._transform(group, group.chain, values, self._mark(values))
        kept = self._whole.get(group.index)
        if kept is None:
            kept = self._whole[group.index] = joined(self.parts(group))
        return kept

    def parts(self, group: Group) -> Sequence[Sequence[Found]]:
        """The same of a group that is not volatile, target by target, without empty ones.

        Equal targets under a chain that changes them alike are one object, whatever the group.
        """
        kept = self._groups.get(group.index)
        if kept is None:
            kept = self._find(group.targets)
            if group.chain is not None and kept:
                kept = [self.transformed(group, found) for found in kept]
            self._groups[group.index] = kept
        return kept

    def _find(self, targets: TargetSet) -> Sequence[Sequence[Found]]:
        kept = self._found.get(targets.index)
        if kept is None:
            kept = self._found[targets.index] = targets.parts(self._state)
        return kept

    def found(self, read: Read) -> Sequence[Found]:
        """What a target finds that is not volatile."""
        return read(self._state)

    def marks(self, found: Sequence[Found]) -> int:
        """Which marks the values have that a target, not volatile, found."""
        return self._marks_of(found)[1]

    def _marks_of(self, found: Sequence[Found]) -> _Marked:
        which = id(found)
        marked = self._marked.get(which)
        if marked is None:
            marked = self._marked[which] = self._mark(found)
        return marked

    def transformed(self, group: Group, found: Sequence[Found]) -> Sequence[Found]:
        """What the chain of a group makes of what one of its targets, not volatile, found."""
        chain = group.chain
        if chain is None:
            return found
        marked = self._marks_of(found)
        if not marked[1] & chain.marks:
            return found
        key = (id(found), chain.index, group.multi_match)
        kept = self._parts.get(key)
        if kept is None:
            kept = self._parts[key] = self._transform(group, chain, found, marked)
        return kept

    def _mark(self, values: Sequence[Found]) -> _Marked:
        known = self._marks
        every = [
            known[value] if (value := found[2]) in known else known.setdefault(value, marks(value))
            for found in values
        ]
        together = ANY
        for mark in set(every):
            together |= mark
        return [(at, mark) for at, mark in enumerate(every) if mark != ANY], together

    def _transform(
        self, group: Group, chain: Chain, values: Sequence[Found], marked: _Marked
    ) -> Sequence[Found]:
        """The values; the very same object when the chain changes none."""
        touched, together = marked
        wanted = chain.marks
        if not together & wanted:
            return values
        which = (
            range(len(values)) if wanted & ANY else [at for at, mark in touched if mark & wanted]
        )
        if group.multi_match:
            several = set(which)
            return [
                each
                for at, found in enumerate(values)
                for each in (self._stages(chain, found) if at in several else (found,))
            ]
        transformed: list[Found] | None = None
        for at in which:
            collection, key, value = values[at]
            changed = self._apply(chain, value)
            if changed is not value:
                if transformed is None:
                    transformed = list(values)
                transformed[at] = Found(collection, key, changed)
        return values if transformed is None else transformed

    def _stages(self, chain: Chain, found: Found) -> list[Found]:
        collection, key, value = found
        changed = self._changes(chain, value)
        return [found, *[Found(collection, key, each) for each in changed]]

    def _apply(self, chain: Chain, value: bytes) -> bytes:
        memo = self._memos[chain.index]
        if memo is None:
            memo = self._memos[chain.index] = {}
        known = memo.get(value)
        if known is None:
            changed = self._changes(chain, value)
            known = memo[value] = changed[-1] if changed else value
        return known

    def _changes(self, chain: Chain, value: bytes) -> list[bytes]:
        """What each step makes of the value, of those steps that change it."""
        known = self._marks
        mark = known[value] if value in known else known.setdefault(value, marks(value))
        changes: list[bytes] = []
        for wanted, function in chain.steps:
            if mark & wanted:
                changed = function(value)
                if changed is not value and changed != value:
                    changes.append(changed)
                    value = changed
                    mark = known[value] if value in known else known.setdefault(value, marks(value))
        return changes

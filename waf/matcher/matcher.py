"""The nomination of a rule set: one search of Hyperscan a phase, and RE2 for what that cannot do.

All values of a phase, transformed, each once, are joined by line ends. What is found in them may
stand in a value of another group, or reach over a line end: it is a superset of what matches, and
who is named by it is asked about each value. Most requests have nothing that is found.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from waf.matcher.hyperscan import Database
from waf.matcher.plan import NO_PHASE, PhasePlan
from waf.nomination import Findings
from waf.state import Found

_CHUNK: Final = 64 << 10
"""Bytes of values that are joined and searched at once: between two, the time is looked at. One
takes 0.6 ms with what CRS seeks at paranoia 1."""


class Matcher:
    """Of one rule set, shared by the transactions of one thread."""

    def __init__(
        self, phases: Mapping[int, PhasePlan], databases: Mapping[int, Database], accelerated: bool
    ) -> None:
        """Made by a `Library`.

        Args:
            phases: by number.
            databases: of phases that have something for Hyperscan.
            accelerated: whether Hyperscan is used at all.
        """
        self._phases: Final = phases
        self._databases: Final = databases
        self.accelerated: Final = accelerated

    def __call__(self, phase: int, values: Findings, look: Callable[[], None]) -> Sequence[int]:
        """As `Nomination` says."""
        plan = self._phases.get(phase, NO_PHASE)
        positions = list(plan.constant)
        joined: dict[tuple[int, ...], bytes] = {}
        for each in plan.groups:
            parts = values.parts(each.group)
            if not parts:
                continue
            look()  # to transform what is large takes longer than to search it
            positions += each.always
            if each.linear:
                which = tuple(map(id, parts))
                text = joined.get(which)
                if text is None:
                    every = dict.fromkeys([value for found in parts for _, _, value in found])
                    text = joined[which] = b"\n".join(every)
                for search, sought in each.linear:
                    if search(text):
                        positions += sought
        database = self._databases.get(phase)
        if database is not None:
            lists: dict[int, Sequence[Found]] = {}  # by identity: few chains change anything
            for read, groups in plan.scans:
                found = values.found(read)
                if found:
                    marks = values.marks(found)
                    for wanted, group in groups:
                        if marks & wanted:
                            look()
                            transformed = values.transformed(group, found)
                            lists[id(transformed)] = transformed
                        else:
                            lists[id(found)] = found
            if lists:
                for number in self._search(database, lists.values(), look):
                    positions += plan.positions[number]
        positions.sort()
        return positions

    @staticmethod
    def _search(
        database: Database, lists: Iterable[Sequence[Found]], look: Callable[[], None]
    ) -> Iterable[int]:
        values = dict.fromkeys([found[2] for each in lists for found in each])
        size = sum(map(len, values))
        if size <= _CHUNK:
            return database.search(b"\n".join(values))
        hits: set[int] = set()
        chunk: list[bytes] = []
        size = 0
        for value in values:
            if size + len(value) > _CHUNK and chunk:
                look()
                hits.update(database.search(b"\n".join(chunk)))
                chunk.clear()
                size = 0
            chunk.append(value)
            size += len(value)
        look()
        hits.update(database.search(b"\n".join(chunk)))
        return hits

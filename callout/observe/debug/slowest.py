"""The slowest decisions of the last minutes, without what they were about."""

import heapq
import itertools
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from callout.observe.decision import Decision
from callout.observe.text import clean

PERIOD: Final = 60.0
"""Seconds that one table is of."""
PERIODS: Final = 5
"""Tables that are kept, the current one included."""
KEPT: Final = 20
"""Decisions of each table."""
_NAME: Final = 128
"""Characters of a name."""


class Slow(NamedTuple):
    """A decision that took long. No request data: the decision's line has that, by its id."""

    at: float
    """Seconds since 1970."""
    seconds: float
    face: str
    policy: str
    verdict: str
    reason: str
    shadow: bool
    id: str
    digest: str
    trace: str


class Slowest:
    """Keeps them. Use it in one thread.

    Measured, a decision: 0.05 us for one that is not among the slowest.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """`now` gives seconds since 1970."""
        self._now = now
        self._tables: list[list[tuple[float, int, Slow]]] = [[]]
        self._count = itertools.count()
        self._began = now()
        self.floor = 0.0
        """Seconds that a decision must take to be looked at."""

    def add(self, decision: Decision) -> None:
        """Keeps a decision, if it is one of the slowest of its minute."""
        seconds = decision.seconds
        slow = Slow(
            self._now(),
            round(seconds, 6),
            clean(decision.face, _NAME),
            clean(decision.policy, _NAME),
            decision.verdict,
            clean(decision.reason, _NAME),
            decision.shadow,
            decision.id,
            decision.digest,
            decision.trace,
        )
        table = self._tables[-1]
        entry = (seconds, next(self._count), slow)
        if len(table) < KEPT:
            heapq.heappush(table, entry)
        else:
            heapq.heappushpop(table, entry)
        if len(table) == KEPT:
            self.floor = table[0][0]

    def turn(self) -> None:
        """Begins a new table when it is time; call it about once a second."""
        now = self._now()
        # Also when the clock was put back: tables are for people, and only their order matters.
        if not 0 <= now - self._began < PERIOD:
            self._began = now
            self._tables = [*self._tables[1 - PERIODS :], []]
            self.floor = 0.0

    def found(self) -> list[Slow]:
        """Those of all tables, the slowest first."""
        every = itertools.chain.from_iterable(self._tables)
        return [slow for _, _, slow in sorted(every, reverse=True)]

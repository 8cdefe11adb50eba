"""Counters in this process: exact for one worker, gone with it."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from ratelimit.stores.contract import Hit, StoreUnavailable
from ratelimit.stores.forgotten import Forgotten

T = TypeVar("T")

COUNTER_BYTES = 250
"""What a counter takes, about: its name, its number and their places in a table."""
GRACE = 2
"""Seconds that counters outlive their window: so far a clock may step back, and what it counts
again is counted on."""


_PARTS: Final = 4096
"""One of so many counters goes at once when there is no room. Each hit of a new counter takes 0.8
us then; 1.2 where one goes for one."""


class MemoryStore:
    """A table of counters for each end of a window; a window that ended goes as a whole."""

    def __init__(self, most_keys: int = 200_000) -> None:
        """Hold at most so many counters (`COUNTER_BYTES` each).

        When there is no room, what is over goes first; then, of the window that has most counters,
        the one that was hit least recently: a flood of new keys does not wash out a counter that
        is being hit, nor those of other windows.
        """
        self._most = most_keys
        self._at_once = max(most_keys // _PARTS, 1)
        self.forgotten = Forgotten()
        self._windows: dict[int, OrderedDict[bytes, int]] = {}
        self._keys = 0
        self._swept = 0

    def __len__(self) -> int:
        return self._keys

    def add(
        self,
        hits: Sequence[Hit],
        now: float,
        deadline: float | None,  # noqa: ARG002 (this store never waits)
        then: Callable[[Sequence[int] | StoreUnavailable], T],
    ) -> T:
        """Count, and answer at once."""
        if int(now) != self._swept:
            self._sweep(int(now))
        counts = []
        for key, addend, ends in hits:
            counters = self._windows.get(ends)
            if counters is None:
                if addend <= 0:
                    counts.append(0)  # who only looks takes no place
                    continue
                counters = self._windows[ends] = OrderedDict()
            count = counters.get(key)
            if count is not None:
                count += addend
                if count < 0:
                    count = 0
                counters[key] = count
                counters.move_to_end(key)
            elif addend <= 0:
                count = 0
            else:
                if self._keys >= self._most:
                    self._evict(int(now))
                    counters = self._windows.setdefault(ends, counters)
                self._keys += 1
                count = counters[key] = addend
            counts.append(count)
        return then(counts)

    def _sweep(self, now: int) -> None:
        self._swept = now
        for ends in [ends for ends in self._windows if ends + GRACE <= now]:
            self._keys -= len(self._windows.pop(ends))

    def _evict(self, now: int) -> None:
        windows = self._windows
        ends = next(iter(windows)) if len(windows) == 1 else min(windows)
        counting = ends > now
        if counting and len(windows) > 1:
            ends = max(windows, key=lambda each: len(windows[each]))
        counters = windows[ends]
        gone = min(self._at_once, len(counters))
        if counting:
            self.forgotten.more(gone)
        # A plain dictionary would walk over all that was deleted before: 100 us under a flood.
        for _ in range(gone):
            counters.popitem(last=False)
        self._keys -= gone
        if not counters:
            del windows[ends]

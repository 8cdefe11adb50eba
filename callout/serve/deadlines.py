"""Many deadlines under one timer: a coarse wheel of buckets.

One `call_later` a call costs more than the rest of a call's bookkeeping, and nearly every call
ends long before its deadline. So deadlines go into buckets of a few milliseconds, and whoever
owns the wheel arms one timer, for the first bucket that holds anything.
"""

from heapq import heappop, heappush
from typing import Protocol

GRAIN = 0.005
"""Seconds of one bucket: a call may live so much longer than its deadline, never shorter."""
FAR = 10.0
"""Seconds from which on a deadline is far, and a bucket holds a whole second of them."""
SWEPT = 1000
"""Buckets from which on those that were emptied before their time are looked for."""

_SECOND = round(1.0 / GRAIN)


class Expiring(Protocol):
    """What waits for a deadline."""

    def expire(self) -> None:
        """The deadline passed."""
        ...


class Deadlines:
    """Pure: time is an argument."""

    __slots__ = ("_buckets", "_order", "_sweep_at")

    def __init__(self) -> None:
        self._buckets: dict[int, dict[Expiring, None]] = {}
        self._order: list[int] = []
        self._sweep_at = SWEPT

    def add(self, now: float, deadline: float, item: Expiring) -> int:
        """Remember `item` until `deadline` (seconds); returns the ticket to forget it by."""
        ticket = int(deadline / GRAIN) + 1
        if deadline - now > FAR:
            ticket += -ticket % _SECOND
        bucket = self._buckets.get(ticket)
        if bucket is None:
            if len(self._order) >= self._sweep_at:
                self._sweep()
            bucket = self._buckets[ticket] = {}
            heappush(self._order, ticket)
        bucket[item] = None
        return ticket

    def forget(self, ticket: int, item: Expiring) -> None:
        """The item ended before its deadline."""
        bucket = self._buckets.get(ticket)
        if bucket is not None:
            bucket.pop(item, None)

    def _sweep(self) -> None:
        # A client may give every call another deadline, years away, and end it at once.
        self._buckets = {ticket: bucket for ticket, bucket in self._buckets.items() if bucket}
        self._order = sorted(self._buckets)  # which is a heap
        self._sweep_at = max(SWEPT, 2 * len(self._order))

    def next(self) -> float | None:
        """When `take` is wanted again, in seconds; None: nothing waits."""
        order = self._order
        while order and not self._buckets[order[0]]:
            del self._buckets[heappop(order)]
        return order[0] * GRAIN if order else None

    def take(self, now: float) -> list[Expiring]:
        """Take out all that passed by `now`."""
        passed: list[Expiring] = []
        while self._order and self._order[0] * GRAIN <= now:
            passed += self._buckets.pop(heappop(self._order))
        return passed

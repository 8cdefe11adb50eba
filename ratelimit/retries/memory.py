"""Knows requests again in this process: beside counters that answer at once."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from ratelimit.recent import Recent
from ratelimit.retries.request_id import MOST
from ratelimit.stores.contract import Hit, Store, StoreUnavailable

T = TypeVar("T")


class _Told(NamedTuple):
    """What was answered."""

    counts: Sequence[int]
    until: float
    """Seconds since the epoch."""
    left: int
    """Times that it may still be answered again."""


class OnceInMemory:
    """A bounded table of what was counted last.

    It is of one process: where several workers of a machine share their counters, a request is
    known again by the worker that counted it, to which it comes over the same connection.
    """

    def __init__(self, store: Store, within: int, most: int = 65_536) -> None:
        """Count in `store`.

        Args:
            store: one that answers at once.
            within: seconds for which a request is known again.
            most: requests that are known, those that were counted last (300 bytes each).
        """
        self._store = store
        self._within = within
        self._told: Recent[bytes, _Told] = Recent(most)

    def add(
        self,
        receipt: bytes,
        hits: Sequence[Hit],
        now: float,
        deadline: float | None,
        then: Callable[[Sequence[int] | StoreUnavailable], T],
    ) -> "T | asyncio.Future[T]":
        """See `Once.add`."""
        if not any(hit.addend for hit in hits):
            return self._store.add(hits, now, deadline, then)  # who only looks may look again
        told = self._told.get(receipt)
        # The clock may have been set back.
        if told is not None and told.left and told.until - self._within <= now < told.until:
            self._told.put(receipt, told._replace(left=told.left - 1))
            return then(told.counts)

        def counted(counts: Sequence[int] | StoreUnavailable) -> T:
            if not isinstance(counts, StoreUnavailable):
                self._told.put(receipt, _Told(counts, now + self._within, MOST))
            return then(counts)

        return self._store.add(hits, now, deadline, counted)

"""Knows requests again in memory that several workers share, whichever of them they come to."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from ratelimit.algorithms.contract import Verdict
from ratelimit.algorithms.decision import Use
from ratelimit.retries.contract import ToldAgain
from ratelimit.retries.request_id import MOST, PREFIX
from ratelimit.stores.contract import LARGEST_ADDEND, Hit, StoreUnavailable
from ratelimit.stores.shared_memory.counters import SharedCounters
from ratelimit.stores.states import StateStore

T = TypeVar("T")

_OF_USE: Final = 3
"""Numbers of a verdict."""


class OnceInSharedMemory:
    """Writes what a request was told beside the counters, as numbers in places of counters.

    A number is kept as one more than it is, for 0 is no number: how often it may still be told,
    until when it is known, and what was told. Two workers that have the same request at the very
    same moment both count it; who comes again comes later, for no answer takes that long.

    A request with an id takes 2 + N places, for N counters, or 2 + 3 N where they are decided
    together, for at most twice the time that it is known; and, with one counter, 55 us of processor
    time beside the 1.6 of counting.
    """

    def __init__(self, counters: SharedCounters, states: StateStore, within: int) -> None:
        """Count in `counters` and `states`.

        Args:
            counters: of this memory.
            states: of the same.
            within: seconds for which a request is known again.
        """
        self._counters = counters
        self._states = states
        self._within = within

    def add(
        self,
        receipt: bytes,
        hits: Sequence[Hit],
        now: float,
        deadline: float | None,
        then: Callable[[Sequence[int] | StoreUnavailable], T],
    ) -> T:
        """See `Once.add`."""
        if not any(hit.addend for hit in hits):
            return self._counters.add(hits, now, deadline, then)  # who only looks may look again
        told = self._again(receipt, len(hits), now)
        if told is not None:
            return then(told)

        def counted(counts: Sequence[int] | StoreUnavailable) -> T:
            if not isinstance(counts, StoreUnavailable):
                self._put(receipt, [min(count, LARGEST_ADDEND) for count in counts], now)
            return then(counts)

        return self._counters.add(hits, now, deadline, counted)

    def use(
        self,
        receipt: bytes,
        uses: Sequence[Use],
        together: bool,
        now: float,
        deadline: float | None,
        then: Callable[[Sequence[Verdict] | StoreUnavailable], T],
    ) -> "T | asyncio.Future[T]":
        """See `Once.use`."""
        if not any(use.hits for use in uses):
            return self._states.use(uses, together, now, deadline, then)
        told = self._again(receipt, _OF_USE * len(uses), now)
        if told is not None:
            return then(told if isinstance(told, StoreUnavailable) else _verdicts(told))

        def decided(said: Sequence[Verdict] | StoreUnavailable) -> T:
            if not isinstance(said, StoreUnavailable):
                self._put(receipt, _numbers(said), now)
            return then(said)

        return self._states.use(uses, together, now, deadline, decided)

    def _again(self, receipt: bytes, size: int, now: float) -> ToldAgain | StoreUnavailable | None:
        """What this request was told, if it may be told that again."""
        window = int(now // self._within)
        both = [self._hits(receipt, each, (0,) * (2 + size)) for each in (window, window - 1)]
        left = self._count([hits[0] for hits in both], now)
        if isinstance(left, StoreUnavailable):
            return left
        for times, hits in zip(left, both, strict=True):
            if times <= 1:
                continue
            found = self._count(hits, now)
            if isinstance(found, StoreUnavailable):
                return found
            _, until, *numbers = [each - 1 for each in found]
            # The clock may have been set back.
            if 0 < until - now * 1000 <= self._within * 1000 and min(numbers) >= 0:
                self._count([hits[0]._replace(addend=-1)], now)
                return ToldAgain(numbers)
        return None

    def _put(self, receipt: bytes, numbers: Sequence[int], now: float) -> None:
        """It was told this. Where that cannot be written it is counted again, if it comes again."""
        until = int((now + self._within) * 1000)
        wanted = [each + 1 for each in (MOST, until, *numbers)]
        hits = self._hits(receipt, int(now // self._within), (0,) * len(wanted))
        there = self._count(hits, now)
        if not isinstance(there, StoreUnavailable):
            changes = zip(hits, wanted, there, strict=True)
            self._count([hit._replace(addend=new - old) for hit, new, old in changes], now)

    def _hits(self, receipt: bytes, window: int, addends: Sequence[int]) -> list[Hit]:
        ends = (window + 2) * self._within
        name = b"%b%b@%d:" % (PREFIX, receipt, window)
        return [Hit(b"%b%d" % (name, place), each, ends) for place, each in enumerate(addends)]

    def _count(self, hits: Sequence[Hit], now: float) -> Sequence[int] | StoreUnavailable:
        return self._counters.add(hits, now, None, lambda counts: counts)


def _numbers(said: Sequence[Verdict]) -> list[int]:
    numbers = []
    for allowed, remaining, reset, retry_after in said:
        numbers += [remaining * 2 + allowed, reset, 0 if retry_after is None else retry_after + 1]
    return numbers


def _verdicts(numbers: Sequence[int]) -> list[Verdict]:
    return [
        Verdict(bool(first % 2), first // 2, reset, after - 1 if after else None)
        for first, reset, after in zip(*[iter(numbers)] * _OF_USE, strict=True)
    ]

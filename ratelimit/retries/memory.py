"""Knows requests again in this process: beside counters that answer at once."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from ratelimit.algorithms.contract import Verdict
from ratelimit.algorithms.decision import Use
from ratelimit.recent import Recent
from ratelimit.retries.contract import ToldAgain
from ratelimit.retries.request_id import MOST
from ratelimit.stores.contract import Hit, Store, StoreUnavailable
from ratelimit.stores.states import StateStore

S = TypeVar("S")
T = TypeVar("T")


class _Answer(NamedTuple, Generic[S]):
    said: S
    until: float
    """Seconds since the epoch."""
    left: int
    """Times that it may still be told again."""


class _Told(Generic[S]):
    """What was answered."""

    def __init__(self, within: int, most: int) -> None:
        self._within = within
        self._answers: Recent[bytes, _Answer[S]] = Recent(most)

    def again(self, receipt: bytes, now: float) -> S | None:
        """What this request was told, if it may be told that again."""
        answer = self._answers.get(receipt)
        # The clock may have been set back.
        if (
            answer is None
            or not answer.left
            or not answer.until - self._within <= now < answer.until
        ):
            return None
        self._answers.put(receipt, answer._replace(left=answer.left - 1))
        return answer.said

    def put(self, receipt: bytes, said: S, now: float) -> None:
        """It was told this."""
        self._answers.put(receipt, _Answer(said, now + self._within, MOST))


class OnceInMemory:
    """Two bounded tables of what was counted last.

    They are of one process, the only one that counts: workers that share their counters have
    `OnceInSharedMemory`.
    """

    def __init__(
        self, store: Store, states: StateStore | None, within: int, most: int = 65_536
    ) -> None:
        """Count in `store` and `states`.

        Args:
            store: one that answers at once.
            states: another such; None: `use` is not asked for.
            within: seconds for which a request is known again.
            most: requests that each table knows, those that were counted last (300 bytes each).
        """
        self._store = store
        self._states = states
        self._counts: _Told[Sequence[int]] = _Told(within, most)
        self._verdicts: _Told[Sequence[Verdict]] = _Told(within, most)

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
        told = self._counts.again(receipt, now)
        if told is not None:
            return then(ToldAgain(told))

        def counted(counts: Sequence[int] | StoreUnavailable) -> T:
            if not isinstance(counts, StoreUnavailable):
                self._counts.put(receipt, counts, now)
            return then(counts)

        return self._store.add(hits, now, deadline, counted)

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
        if self._states is None:
            return then(StoreUnavailable("error"))
        if not any(use.hits for use in uses):
            return self._states.use(uses, together, now, deadline, then)
        told = self._verdicts.again(receipt, now)
        if told is not None:
            return then(told)

        def decided(said: Sequence[Verdict] | StoreUnavailable) -> T:
            if not isinstance(said, StoreUnavailable):
                self._verdicts.put(receipt, said, now)
            return then(said)

        return self._states.use(uses, together, now, deadline, decided)

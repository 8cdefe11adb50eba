"""A request that is refused is counted only by the limits that refuse it.

As an operator may wish for domains of files, whose limits count each for itself otherwise.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from ratelimit.decide import decide
from ratelimit.plan import Plan
from ratelimit.stores.contract import Hit, Store, StoreUnavailable

T = TypeVar("T")


class StopWhenOver:
    """Looks at all counters of a request first, and then adds: two trips to a store.

    As envoyproxy/ratelimit with STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT. Two requests that come at
    once may both find room where there is room for one; the second is refused by the counter itself
    then, and its other limits have counted it. There, a limit that is over and lets pass all the
    same, in shadow or in quota mode, keeps the others from counting too, so that they never refuse.
    """

    def __init__(self, store: Store, looks: Store) -> None:
        """Count.

        Args:
            store: the counters.
            looks: the same counters; a hit of 0 makes none there.
        """
        self._store, self._looks = store, looks

    def add(
        self,
        plan: Plan,
        hits: Sequence[Hit],
        now: float,
        deadline: float | None,
        then: Callable[[Sequence[int] | StoreUnavailable], T],
    ) -> "T | asyncio.Future[T]":
        """See `Store.add`; `hits` are those of `plan`."""
        if not plan.counted[0].statistic:
            return self._store.add(hits, now, deadline, then)  # of policies

        def looked(counts: Sequence[int] | StoreUnavailable) -> "T | asyncio.Future[T]":
            if isinstance(counts, StoreUnavailable):
                return then(counts)
            return self._store.add(_that_count(plan, hits, counts, now), now, deadline, then)

        looks = [hit._replace(addend=0) for hit in hits]
        found = self._looks.add(looks, now, deadline, looked)
        if isinstance(found, asyncio.Future):
            return _unfolded(cast("asyncio.Future[T | asyncio.Future[T]]", found))
        return found


def _that_count(plan: Plan, hits: Sequence[Hit], before: Sequence[int], now: float) -> list[Hit]:
    """The hits; of a request that will be refused only those that refuse it, and the refunds."""
    after = [count + hit.addend for count, hit in zip(before, hits, strict=True)]
    if not decide(plan, after, now).over:
        return list(hits)
    return [
        hit if hit.addend < 0 or count > counted.limit.requests else hit._replace(addend=0)
        for hit, count, counted in zip(hits, after, plan.counted, strict=True)
    ]


def _unfolded(found: "asyncio.Future[T | asyncio.Future[T]]") -> "asyncio.Future[T]":
    """One future of what the inner one will say."""
    whole: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def told(future: "asyncio.Future[T | asyncio.Future[T]] | asyncio.Future[T]") -> None:
        if whole.done():
            return
        error = None if future.cancelled() else future.exception()
        if future.cancelled():
            whole.cancel()
        elif error is not None:
            whole.set_exception(error)
        elif isinstance(result := future.result(), asyncio.Future):
            result.add_done_callback(told)
        else:
            whole.set_result(result)

    found.add_done_callback(told)
    return whole

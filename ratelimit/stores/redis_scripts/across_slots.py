"""Several limits of one request whose counters are in different slots of a Cluster."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeAlias, TypeVar

from redis.crc import key_slot

from callout.redis.contract import Redis
from ratelimit.algorithms.contract import Verdict
from ratelimit.algorithms.decision import Use, counts_anyway
from ratelimit.stores.contract import StoreUnavailable
from ratelimit.stores.redis_scripts.states import RedisStates

T = TypeVar("T")

Said: TypeAlias = Sequence[Verdict] | StoreUnavailable


class AcrossSlots:
    """A `StateStore` over `RedisStates` in a Cluster.

    What is in one slot is decided in one step there. Where a request uses several, each slot
    decides about its part at the same time as the others; if one refuses, or cannot be asked, what
    the others counted of this request is given back. So no limit ever admits more than it says.
    Until then, a round trip later, another request may be refused by hits of one that did not pass;
    and if a node fails before, they stay counted until they are forgotten by themselves.
    """

    def __init__(self, redis: Redis, clock: Callable[[float], int] | None = None) -> None:
        """See `RedisStates`."""
        self._states = RedisStates(redis, clock=clock)

    def use(
        self,
        uses: Sequence[Use],
        together: bool,
        now: float,
        deadline: float | None,
        then: Callable[[Said], T],
    ) -> "T | asyncio.Future[T]":
        """See `StateStore.use`."""
        parts: dict[int, list[int]] = {}
        if len(uses) > 1:
            for place, use in enumerate(uses):
                parts.setdefault(key_slot(use.key), []).append(place)
        if len(parts) < 2:
            return self._states.use(uses, together, now, deadline, then)
        request: _Request[T] = _Request(self._states, uses, together, now, len(parts), then)
        for places in parts.values():
            request.ask(places, deadline)
        return request.future


class _Request(Generic[T]):
    """One request, until all its slots have answered."""

    def __init__(
        self,
        states: RedisStates,
        uses: Sequence[Use],
        together: bool,
        now: float,
        parts: int,
        then: Callable[[Said], T],
    ) -> None:
        self._states = states
        self._uses = uses
        self._together = together
        self._now = now
        self._left = parts
        self._then = then
        self._said: dict[int, Verdict] = {}
        self._counted: list[int] = []
        """Places of hits that can be given back, and surely were counted."""
        self._failure: StoreUnavailable | None = None
        self.future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def ask(self, places: Sequence[int], deadline: float | None) -> None:
        """About those of one slot."""

        def then(said: Said) -> None:
            if isinstance(said, StoreUnavailable):
                self._failure = said
            else:
                self._take(places, said)
            self._left -= 1
            if self._left:
                return
            outcome = self._outcome()  # gives back, also for a caller who gave up
            if not self.future.done():
                try:
                    self.future.set_result(self._then(outcome))
                except Exception as error:
                    self.future.set_exception(error)

        uses = [self._uses[place] for place in places]
        self._states.use(uses, self._together, self._now, deadline, then)

    def _take(self, places: Sequence[int], said: Sequence[Verdict]) -> None:
        self._said.update(zip(places, said, strict=True))
        if not any(self._refuses(place) for place in places):
            for place in places:
                use = self._uses[place]
                if use.hits > 0 and self._said[place].allowed and not counts_anyway(use):
                    self._counted.append(place)

    def _refuses(self, place: int) -> bool:
        return self._uses[place].enforced and not self._said[place].allowed

    def _outcome(self) -> Said:
        if self._together and (self._failure is not None or any(map(self._refuses, self._said))):
            self._give_back()
        if self._failure is not None:
            return self._failure
        return [self._said[place] for place in range(len(self._uses))]

    def _give_back(self) -> None:
        for place in self._counted:
            use, said = self._uses[place], self._said[place]
            back = use._replace(hits=-use.hits)
            self._states.use((back,), False, self._now, None, _nothing)
            self._said[place] = said._replace(remaining=said.remaining + use.hits)


def _nothing(said: Said) -> None:
    """Not known to be done: then they are forgotten by themselves."""

"""Knows requests again in Redis, whichever replica they come to."""

import asyncio
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, TypeVar

from redis.crc import key_slot

from callout.redis.contract import Redis
from callout.redis.outcome import Unavailable
from callout.redis.pipeline import Replies, Reply, pack
from ratelimit.algorithms.contract import Verdict
from ratelimit.algorithms.decision import Use
from ratelimit.retries.contract import ToldAgain
from ratelimit.retries.request_id import MOST, PREFIX
from ratelimit.stores.contract import Hit, StoreUnavailable
from ratelimit.stores.per_second import PerSecondStore
from ratelimit.stores.redis_commands import GRACE, counts_of
from ratelimit.stores.redis_scripts.script import Runner, Script, is_unknown
from ratelimit.stores.redis_scripts.states import RedisStates
from ratelimit.stores.states import StateStore

T = TypeVar("T")

_MOST = b"%d" % MOST


class _Known(NamedTuple):
    """A `Store` for one request."""

    once: "OnceInRedis"
    receipt: bytes
    again: list[bool]
    """Whether it was known again, of each store that was asked."""

    def add(
        self,
        hits: Sequence[Hit],
        now: float,
        deadline: float | None,
        then: Callable[[Sequence[int] | StoreUnavailable], T],
    ) -> "T | asyncio.Future[T]":
        """See `Store.add`."""

        def noted(counts: Sequence[int] | StoreUnavailable) -> T:
            self.again.append(isinstance(counts, ToldAgain))
            return then(counts)

        return self.once.add(self.receipt, hits, now, deadline, noted)


class TwoOnce:
    """As `PerSecondStore`: windows of a second, of operators' domains, are counted in the other."""

    def __init__(self, once: "OnceInRedis", per_second: "OnceInRedis") -> None:
        """Count windows of a second in `per_second`, and all others in `once`."""
        self._once = once
        self._per_second = per_second
        self.use = once.use

    def add(
        self,
        receipt: bytes,
        hits: Sequence[Hit],
        now: float,
        deadline: float | None,
        then: Callable[[Sequence[int] | StoreUnavailable], T],
    ) -> "T | asyncio.Future[T]":
        """See `Once.add`: each of the two has receipts of its own."""
        again: list[bool] = []
        both = PerSecondStore(
            _Known(self._once, receipt, again), _Known(self._per_second, receipt, again)
        )

        def told(counts: Sequence[int] | StoreUnavailable) -> T:
            if not isinstance(counts, StoreUnavailable) and all(again):
                counts = ToldAgain(counts)
            return then(counts)

        return both.add(hits, now, deadline, told)


class OnceInRedis:
    """A script for each hit: the counter and its receipt are one step, and in a Cluster one slot.

    So who asks again is told what the counter was, whether the first answer came too late or the
    connection broke before it, and is counted if Redis never did.

    A request with an id costs a worker 65 us of processor time, where one like those before it
    costs 13, and Redis (7.0.15) 11 us instead of 0.9 and 150 bytes for as long as it is known.
    """

    def __init__(
        self, client: Redis, within: int, across: StateStore | None = None, **states: Any
    ) -> None:
        """Count through `client`, knowing requests again for so many seconds.

        Args:
            client: where the counters are.
            within: seconds.
            across: in a Cluster, who decides about uses in several slots; these requests are not
                known again, as no step of Redis is of all of them. None: there is one slot.
            states: how `RedisStates` is made.
        """
        self._client = client
        self._within = b"%d" % (within * 1000)
        self._script = Script(_text("once"))
        self._across = across
        self._runner = Runner(client)
        self._states = states

    def add(
        self,
        receipt: bytes,
        hits: Sequence[Hit],
        now: float,
        deadline: float | None,
        then: Callable[[Sequence[int] | StoreUnavailable], T],
    ) -> "asyncio.Future[T]":
        """See `Once.add`."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def commands(make: Callable[[Sequence[bytes], Sequence[bytes]], bytes]) -> list[bytes]:
            made = []
            for place, (key, addend, ends) in enumerate(hits):
                if not addend:
                    made.append(pack(b"GET", key))
                    continue
                # A counter that is hit twice is counted twice: each hit has a receipt.
                named = receipt_key(key, receipt, place)
                keys = (key,) if named is None else (key, named)
                life = b"%d" % (max(ends - int(now), 1) + GRACE)
                made.append(make(keys, (b"%d" % addend, life, self._within, _MOST)))
            return made

        def settle(outcome: Replies | Unavailable) -> None:
            if future.done():
                return  # the caller gave up
            try:
                future.set_result(then(self._read(outcome, hits)))
            except Exception as error:
                future.set_exception(error)

        def bring(outcome: Replies | Unavailable) -> None:
            if isinstance(outcome, Unavailable) or not any(map(is_unknown, outcome)):
                settle(outcome)
            else:
                # What was executed is known again by its receipt.
                self._client.send(commands(self._script.whole), deadline, settle)

        self._client.send(commands(self._script.known), deadline, bring)
        return future

    def use(
        self,
        receipt: bytes,
        uses: Sequence[Use],
        together: bool,
        now: float,
        deadline: float | None,
        then: Callable[[Sequence[Verdict] | StoreUnavailable], T],
    ) -> "T | asyncio.Future[T]":
        """See `Once.use`: one script for all uses, with one receipt."""
        named = receipt_key(uses[0].key, receipt, 0)
        store: StateStore
        if named is None or (self._across and len({key_slot(use.key) for use in uses}) > 1):
            store = self._across or RedisStates(self._client, runner=self._runner, **self._states)
        else:
            runner = _Showing(self._client, self._runner, named, self._within)
            store = RedisStates(self._client, runner=runner, **self._states)
        return store.use(uses, together, now, deadline, then)

    def _read(
        self, outcome: Replies | Unavailable, hits: Sequence[Hit]
    ) -> Sequence[int] | StoreUnavailable:
        if isinstance(outcome, Unavailable):
            return StoreUnavailable(outcome.reason)
        counts = counts_of(outcome, self._client)
        if isinstance(counts, StoreUnavailable) or not any(count < 0 for count in counts):
            return counts
        # What is told again is below 0; who only looks neither is nor is not.
        found = [-count - 1 if count < 0 else count for count in counts]
        fresh = any(count >= 0 and hit.addend for count, hit in zip(counts, hits, strict=True))
        return found if fresh else ToldAgain(found)


def receipt_key(counter: bytes, receipt: bytes, place: int) -> bytes | None:
    """The name of a receipt, with the hash tag that leads to the slot of its counter.

    None: there is no such name, as the counter's has a brace that closes and is no tag. Its hits
    are counted without a receipt.
    """
    opened = counter.find(b"{")
    closed = counter.find(b"}", opened + 1) if opened >= 0 else -1
    tag = counter[opened + 1 : closed] if closed > opened + 1 else counter
    if b"}" in tag:
        return None
    return b"%b{%b}%b:%d" % (PREFIX, tag, receipt.hex().encode(), place)


class _Showing(Runner):
    """Runs scripts of one request, which answer whole numbers, and shows them its receipt."""

    def __init__(self, redis: Redis, runner: Runner, receipt: bytes, within: bytes) -> None:
        super().__init__(redis)
        self._runner = runner
        self._receipt = receipt
        self._within = within

    def run(
        self,
        script: Script,
        keys: Sequence[bytes],
        arguments: Sequence[bytes],
        deadline: float | None,
        then: Callable[[Reply | Unavailable], T],
    ) -> "asyncio.Future[T]":
        """See `Runner.run`."""
        keys = (*keys, self._receipt)
        arguments = (*arguments, self._within, _MOST)
        return self._runner.run(_shown(script), keys, arguments, deadline, then)


@cache
def _shown(script: Script) -> Script:
    return Script(f"local function decide()\n{script.source}end\n{_text('shown')}")


def _text(name: str) -> str:
    return files(__package__).joinpath(f"{name}.lua").read_text(encoding="utf-8")

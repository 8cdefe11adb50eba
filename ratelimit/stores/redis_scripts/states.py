"""States of algorithms in Redis, decided about there: `StateStore` over Lua scripts.

One script a request, whatever it uses, so what it decides and writes is one step on one server
and no other client is between. The files `*.lua` beside this one say what the Python of
`ratelimit/algorithms` says; tests compare them step by step.

What a call costs Redis, in microseconds of its processor, reading and writing too (`make
redis-scripts`; Redis 7.0.15, one hit, pipelined by the hundred): fixed 11, sliding 13, token bucket
12, buckets 17 with 10 parts and 31 with 60, log 18, two fixed together 19; refused 2 less. A plain
INCRBY costs 0.6: where a fixed window for itself is enough, that is what counts it
(`redis_store.py`). An empty script costs 1.0, its clock 0.8, GET and SET 1.3; most of the rest is
reading the limit and making the functions, so a script holds the kinds that a request uses and no
others. A worker spends 19 us on a request of one limit and 22 on one of two, Redis apart, where it
spends 9 on a plain one (30 and 34 before what is sent was remembered).

A counter with a name of 40 bytes takes 190 bytes, of 60 parts 310, a log of one hit 290.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple, TypeVar

from callout.redis.contract import Redis
from callout.redis.outcome import Unavailable
from callout.redis.pipeline import Reply
from ratelimit.algorithms.contract import SATURATED, Algorithm, Verdict
from ratelimit.algorithms.decision import Use
from ratelimit.algorithms.sub_buckets import SubBuckets
from ratelimit.algorithms.token_bucket import TokenBucket
from ratelimit.recent import Recent
from ratelimit.stores.contract import StoreUnavailable
from ratelimit.stores.redis_scripts.script import MOST_PACKED, REMEMBERED, Runner, Script
from ratelimit.stores.states import MOST_USES

T = TypeVar("T")


class _Prepared(NamedTuple):
    """What is sent for some uses."""

    script: Script
    keys: tuple[bytes, ...]
    arguments: tuple[tuple[bytes, ...], tuple[bytes, ...]]
    """Each for itself, and all or nothing."""


class RedisStates:
    """Counts by the clock of the Redis server, so replicas need not agree about the time.

    In a Cluster all keys of one request must be in one slot, so their names share a hash tag.
    Where they do not, Redis refuses the script before anything is done, and the answer is
    `StoreUnavailable`.

    A key lives `Algorithm.span` after its last change, which is written with it in the same
    script: no key is without an end, and a key that is only looked at is never made. A value that
    is no state, which only another writer to this Redis can leave there, counts as none.
    """

    def __init__(
        self,
        redis: Redis,
        prefix: bytes = b"",
        clock: Callable[[float], int] | None = None,
        runner: Runner | None = None,
    ) -> None:
        """Run scripts through `redis`.

        Args:
            redis: one server, a master with Sentinels, or a Cluster.
            prefix: of every key.
            clock: makes milliseconds of the `now` that `use` is given, for tests; None: Redis
                looks at its own clock.
            runner: who runs them; None: a new one.
        """
        self._runner = runner or Runner(redis)
        self._prefix = prefix
        self._clock = clock
        self._prepared: Recent[Sequence[Use], _Prepared] | None = None
        """None: this is made for one request, as its runner was."""
        if runner is None:
            self._prepared = Recent(REMEMBERED)

    def use(
        self,
        uses: Sequence[Use],
        together: bool,
        now: float,
        deadline: float | None,
        then: Callable[[Sequence[Verdict] | StoreUnavailable], T],
    ) -> "T | asyncio.Future[T]":
        """See `StateStore.use`."""
        if len(uses) > MOST_USES:
            return then(StoreUnavailable("too_many"))
        known = self._prepared if type(uses) is tuple and len(uses) <= MOST_PACKED else None
        prepared = known.get(uses) if known is not None else None
        if prepared is None:
            prepared = self._prepare(uses)
            if known is not None:
                known.offer(uses, prepared)
        script, keys, of_uses = prepared
        arguments = of_uses[together]
        if self._clock is not None:
            arguments = (b"%d" % self._clock(now), *arguments[1:])

        def read(reply: Reply | Unavailable) -> T:
            if isinstance(reply, Unavailable):
                return then(StoreUnavailable(reply.reason))
            return then(_verdicts(reply, len(uses)))

        return self._runner.run(script, keys, arguments, deadline, read)

    def _prepare(self, uses: Sequence[Use]) -> _Prepared:
        keys, kinds = [], set()
        arguments: list[bytes] = []
        for key, algorithm, hits, *flags in uses:
            kind, capacity, window, span, more = _terms(algorithm)
            keys.append(self._prefix + key)
            kinds.add(algorithm.kind)
            arguments += (
                kind,
                b"%d" % max(min(hits, SATURATED), -SATURATED),
                b"%d" % sum(1 << place for place, flag in enumerate(flags) if flag),
                capacity,
                window,
                span,
                more,
            )
        both = (b"", b"0", *arguments), (b"", b"1", *arguments)
        return _Prepared(_script(frozenset(kinds)), tuple(keys), both)


@cache
def _script(kinds: frozenset[str]) -> Script:
    """What counts by these kinds and no others: Redis makes every function anew in every call."""
    parts = ["arithmetic", *sorted(kinds)]
    texts = [f"do\n{_text(name)}end\n" if name in kinds else _text(name) for name in parts]
    return Script("local kinds = {}\n" + "".join(texts) + _text("decide"))


def _text(name: str) -> str:
    return files(__package__).joinpath(f"{name}.lua").read_text(encoding="utf-8")


def _terms(algorithm: Algorithm) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """What a script must know of a limit; `more` in its own sense for each kind."""
    more = 0
    if isinstance(algorithm, SubBuckets):
        more = algorithm.parts
    elif isinstance(algorithm, TokenBucket):
        more = algorithm.refill
    # No key lives for 0 ms; the span is 0 where nothing is ever allowed.
    numbers = (algorithm.capacity, algorithm.window, max(algorithm.span, 1), more)
    capacity, window, span, more_ = (b"%d" % number for number in numbers)
    return algorithm.kind.encode(), capacity, window, span, more_


def _verdicts(reply: Reply, count: int) -> list[Verdict] | StoreUnavailable:
    if not isinstance(reply, list) or len(reply) != 4 * count:
        return StoreUnavailable("error")
    verdicts = []
    for place in range(0, 4 * count, 4):
        allowed, remaining, reset, retry = reply[place : place + 4]
        if not (
            isinstance(allowed, int)
            and isinstance(remaining, int)
            and isinstance(reset, int)
            and isinstance(retry, int)
        ):
            return StoreUnavailable("error")
        verdicts.append(Verdict(allowed == 1, remaining, reset, None if retry < 0 else retry))
    return verdicts

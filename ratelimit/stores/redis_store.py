"""Counters in Redis, shared by all workers and replicas."""

import asyncio
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from callout.redis.contract import Redis
from callout.redis.outcome import Unavailable
from callout.redis.pipeline import Replies
from ratelimit.recent import Recent
from ratelimit.stores.contract import Hit, StoreUnavailable
from ratelimit.stores.redis_commands import GRACE, counts_of, expire, give_back, increment

T = TypeVar("T")

_GET = b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n"
_ADD_ONE = b"*3\r\n$6\r\nINCRBY\r\n$%d\r\n%b\r\n$1\r\n1\r\n"


class RedisStore:
    """INCRBY for each hit, GET to only look, a script to give back; EXPIRE with the first hits.

    First as seen by this process, which remembers those that it sent it for, from the second time
    on: of keys that come once none is kept (a new one takes 2.3 us here, beside the client).
    Commands of one request are one write with those of all other requests of the same tick, and
    nothing is sent again after a failure, so a hit is never counted twice.
    """

    def __init__(self, client: Redis, remembered: int = 65_536) -> None:
        """Count through `client`, remembering so many counters that have their EXPIRE."""
        self._client = client
        self._known: Recent[bytes, bytes] = Recent(remembered)
        """Key -> the command that adds 1 to it."""

    def add(
        self,
        hits: Sequence[Hit],
        now: float,
        deadline: float | None,
        then: Callable[[Sequence[int] | StoreUnavailable], T],
    ) -> "T | asyncio.Future[T]":
        """One request to Redis; see `Store.add`."""
        known = self._known
        commands = []
        fresh: list[Hit] | None = None
        for hit in hits:
            key, addend, _ = hit
            if addend <= 0:
                # INCRBY 0 would create the counter.
                commands.append(give_back(key, -addend) if addend else _GET % (len(key), key))
                continue
            command = known.get(key)
            if command is None:
                command = _ADD_ONE % (len(key), key)
                known.offer(key, command)
                if fresh is None:
                    fresh = []
                fresh.append(hit)
            if addend != 1:
                command = increment(key, addend)
            commands.append(command)
        if fresh is not None:
            commands += [_expire(hit, now) for hit in fresh]
        return self._client.send(commands, deadline, partial(self._then, hits, fresh, now, then))

    def _then(
        self,
        hits: Sequence[Hit],
        fresh: list[Hit] | None,
        now: float,
        then: Callable[[Sequence[int] | StoreUnavailable], T],
        outcome: Replies | Unavailable,
    ) -> T:
        return then(self._counts(hits, fresh, now, outcome))

    def _counts(
        self,
        hits: Sequence[Hit],
        fresh: list[Hit] | None,
        now: float,
        outcome: Replies | Unavailable,
    ) -> Sequence[int] | StoreUnavailable:
        """What the replies say of the hits."""
        if isinstance(outcome, Unavailable):
            for hit in fresh or ():
                self._known.forget(hit.key)  # whether it was executed is unknown
            return StoreUnavailable(outcome.reason)
        counts: Replies = outcome
        if fresh is not None:
            size = len(hits)
            counts = outcome[:size]
            for place, hit in enumerate(fresh, size):
                if type(outcome[place]) is not int:
                    self._known.forget(hit.key)
        for count in counts:
            if type(count) is not int:
                read = counts_of(counts, self._client)
                if isinstance(read, StoreUnavailable):
                    return read
                counts = read
                break
        if fresh is not None and len(fresh) == len(hits):
            return counts
        sent = {hit.key for hit in fresh} if fresh is not None else ()
        for hit, count in zip(hits, counts, strict=True):
            if count == hit.addend and count and hit.key not in sent:
                # Created just now although its EXPIRE was sent before: it was evicted, or all was
                # flushed. Without an expiry it would stay for ever.
                self._client.send([_expire(hit, now)], None, _nothing)
        return counts


def _expire(hit: Hit, now: float) -> bytes:
    """The rest of the window, the grace, and a little more that differs from key to key.

    Counters of one window would otherwise all be deleted in the same moment. The same key gets
    the same from every replica.
    """
    key, _, ends = hit
    rest = ends - int(now)
    if rest < 1:
        rest = 1
    spread = zlib.crc32(key) % (2 + rest // 10 if rest < 600 else 62)
    return expire(key, b"%d" % (rest + GRACE + spread))


def _nothing(outcome: Any) -> None:
    pass

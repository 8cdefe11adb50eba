"""Tells Redis that this process is there, and hears of the others."""

import asyncio
import logging
import time

from callout.observe.paced import Paced
from callout.redis.contract import Redis
from callout.redis.outcome import Unavailable
from callout.redis.pipeline import ErrorReply, Replies, pack
from callout.redis.presence import Presence

log = logging.getLogger(__name__)

KEY = b"rl:replicas"
"""A hash: the name of each replica, and how often it has beaten."""
_FORGOTTEN = b"60"
"""Seconds after the last heartbeat of all until Redis forgets the hash."""
_MANY = 200
"""Replicas above which all beat less often: each reads the numbers of all, which at 200 is 40,000
short strings a second from Redis, some percent of what one core of it writes."""


class Heartbeat:
    """Three commands a round, in one request; a round that fails is left out."""

    def __init__(self, client: Redis, presence: Presence, every: float = 1.0) -> None:
        """Beat each `every` seconds from `start` on, and tell `presence`."""
        self._client = client
        self._presence = presence
        self._every = every
        self._beat = [
            pack(b"HINCRBY", KEY, presence.me, b"1"),
            pack(b"EXPIRE", KEY, _FORGOTTEN),
            pack(b"HGETALL", KEY),
        ]
        self._refused = Paced()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins in the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._go_on())

    async def close(self) -> None:
        """Ends; the others notice that themselves."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _go_on(self) -> None:
        while True:
            # Not waited for: what is made of the replies is made when they come.
            self._client.send(self._beat, None, self._heard)
            place = self._presence.place
            await asyncio.sleep(self._every * max(1.0, (place.of if place else 1) / _MANY))

    def _heard(self, outcome: Replies | Unavailable) -> None:
        if isinstance(outcome, Unavailable):
            return
        beats = outcome[2]
        if not isinstance(beats, list):
            if (silent := self._refused.due("refused", time.monotonic())) is not None:
                words = beats.message.split(" ", 1)[0] if isinstance(beats, ErrorReply) else ""
                log.warning("redis: takes no heartbeats: %s (silent: %d)", words, silent)
            return
        gone = self._presence.heard(dict(zip(beats[::2], beats[1::2], strict=True)))
        if gone:
            self._client.send([pack(b"HDEL", KEY, *gone)], None, _nothing)


def _nothing(outcome: Replies | Unavailable) -> None:
    pass

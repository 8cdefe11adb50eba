"""Client spans of Redis."""

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from callout.observe.traces.span import CLIENT
from callout.observe.traces.tracer import CURRENT
from callout.redis.breaker import State
from callout.redis.contract import Redis
from callout.redis.outcome import Unavailable
from callout.redis.pipeline import ErrorReply, Replies, Then

T = TypeVar("T")


class TracedRedis:
    """Redis, with a span for each request of a call that is traced."""

    def __init__(self, redis: Redis) -> None:
        """Stand before `redis`."""
        self._redis = redis
        self.start = redis.start
        self.close = redis.close

    @property
    def state(self) -> State:
        """Of the breaker."""
        return self._redis.state

    def not_serving(self, error: ErrorReply) -> None:
        """See `Client.not_serving`."""
        self._redis.not_serving(error)

    def send(
        self, commands: Sequence[bytes], deadline: float | None, then: Then[T]
    ) -> "T | asyncio.Future[T]":
        """See `Client.send`."""
        caller = CURRENT.get()
        if caller is None:
            return self._redis.send(commands, deadline, then)
        span = caller.child("redis", CLIENT)
        names = {_name(each) for each in commands}
        span.attributes = {
            "db.system.name": "redis",
            "db.operation.name": names.pop() if len(names) == 1 else "PIPELINE",
            "db.operation.batch.size": len(commands),
        }

        def told(outcome: Replies | Unavailable) -> T:
            span.end(outcome.reason if isinstance(outcome, Unavailable) else "")
            # Replies come in the context of the connection, which all calls share.
            before = CURRENT.set(caller)
            try:
                return then(outcome)
            finally:
                CURRENT.reset(before)

        answer = self._redis.send(commands, deadline, told)
        if isinstance(answer, asyncio.Future):
            # A caller that has given up is not told.
            answer.add_done_callback(lambda _: span.end("cancelled"))
        return answer


def _name(command: bytes) -> str:
    """The word of a packed command: `INCRBY`; never its arguments."""
    return command.split(b"\r\n", 3)[2].decode()

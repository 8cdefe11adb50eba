"""Client spans of Redis."""

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from callout.observe.traces.span import CLIENT
from callout.observe.traces.tracer import CURRENT
from callout.redis.client import Client
from callout.redis.outcome import Unavailable
from callout.redis.pipeline import Replies, Then

T = TypeVar("T")


class TracedRedis(Client):
    """The Redis client, with a span for each request of a call that is traced."""

    def send(
        self, commands: Sequence[bytes], deadline: float | None, then: Then[T]
    ) -> "T | asyncio.Future[T]":
        """See `Client.send`."""
        caller = CURRENT.get()
        if caller is None:
            return super().send(commands, deadline, then)
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

        answer = super().send(commands, deadline, told)
        if isinstance(answer, asyncio.Future):
            # A caller that has given up is not told.
            answer.add_done_callback(lambda _: span.end("cancelled"))
        return answer


def _name(command: bytes) -> str:
    """The word of a packed command: `INCRBY`; never its arguments."""
    return command.split(b"\r\n", 3)[2].decode()

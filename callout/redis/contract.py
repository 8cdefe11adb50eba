"""What every Redis is to those who use it: one server, a master with Sentinels, or a Cluster."""

import asyncio
from collections.abc import Sequence
from typing import Protocol, TypeVar

from callout.redis.breaker import State
from callout.redis.pipeline import ErrorReply, Then

T = TypeVar("T")


class Redis(Protocol):
    """Sends packed commands, as `Client` does, wherever they belong."""

    @property
    def state(self) -> State:
        """Of the breaker; the worst, where there are several servers."""
        ...

    async def start(self) -> None:
        """See `Client.start`."""
        ...

    async def close(self) -> None:
        """See `Client.close`."""
        ...

    def send(
        self, commands: Sequence[bytes], deadline: float | None, then: Then[T]
    ) -> "T | asyncio.Future[T]":
        """See `Client.send`."""
        ...

    def not_serving(self, error: ErrorReply) -> None:
        """See `Client.not_serving`."""
        ...

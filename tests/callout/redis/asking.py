"""Asking a Redis from a test."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from callout.redis.client import ClientOptions
from callout.redis.contract import Redis

PATIENT = ClientOptions(timeout=5.0, longest=5.0, connect_timeout=2.0)
R = TypeVar("R", bound=Redis)


@asynccontextmanager
async def started(client: R) -> AsyncIterator[R]:
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def ask(client: Redis, *commands: bytes, deadline: float | None = None) -> Any:
    outcome: Any = client.send(commands, deadline, lambda outcome: outcome)
    return await outcome if isinstance(outcome, asyncio.Future) else outcome


async def counts(client: Redis, command: bytes) -> bool:
    """Whether it answers with a number; an error is told to the client, as a store does."""
    outcome = await ask(client, command, deadline=time.monotonic() + 0.5)
    if isinstance(outcome, list) and not isinstance(outcome[0], int):
        client.not_serving(outcome[0])
    return isinstance(outcome, list) and isinstance(outcome[0], int)


async def until_counts(
    client: Redis, command: bytes, seconds: float, seen: Callable[[], None] = lambda: None
) -> float:
    """How long it took; `seen` is called before each try."""
    start = time.monotonic()
    while True:
        seen()
        if await counts(client, command):
            return time.monotonic() - start
        assert time.monotonic() - start < seconds, "it did not happen in time"
        await asyncio.sleep(0.01)

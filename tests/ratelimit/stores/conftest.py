"""A Redis, and scripts that run in it."""

from collections.abc import AsyncIterator

import pytest

from callout.redis.client import Client, ClientOptions
from callout.testing.redis import RedisServer

PATIENT = ClientOptions(timeout=60.0, longest=60.0, threshold=1000)


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[Client]:
    """Of a Redis without keys and without scripts."""
    with redis_server.client() as plain:
        plain.flushall()
        plain.script_flush()
    client = Client(redis_server.url, PATIENT)
    await client.start()
    yield client
    await client.close()

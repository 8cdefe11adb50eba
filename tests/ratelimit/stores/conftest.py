"""A Redis, and scripts that run in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from callout.redis.client import Client, ClientOptions
from callout.testing.redis import RedisServer

PATIENT = ClientOptions(timeout=60.0, longest=60.0, threshold=1000)


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[Client]:
    """Of a Redis without keys and without scripts."""
    async with emptied(redis_server) as client:
        yield client


@pytest.fixture
async def valkey_client(valkey_server: RedisServer) -> AsyncIterator[Client]:
    """The same of a Valkey."""
    async with emptied(valkey_server) as client:
        yield client


@asynccontextmanager
async def emptied(server: RedisServer) -> AsyncIterator[Client]:
    with server.client() as plain:
        plain.flushall()
        plain.script_flush()
    client = Client(server.url, PATIENT)
    await client.start()
    yield client
    await client.close()

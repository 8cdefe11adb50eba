"""Replicas hear of each other by a real Redis."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest

from callout.redis.client import Client, ClientOptions
from callout.redis.heartbeat import KEY, Heartbeat
from callout.redis.presence import Place, Presence
from callout.testing.redis import RedisServer

PATIENT = ClientOptions(timeout=5.0, longest=5.0)


@asynccontextmanager
async def replica(url: str, name: bytes) -> AsyncIterator[Presence]:
    client, presence = Client(url, PATIENT), Presence(name)
    heartbeat = Heartbeat(client, presence, every=0.05)
    await client.start()
    heartbeat.start()
    try:
        yield presence
    finally:
        await heartbeat.close()
        await client.close()


async def reached(presence: Presence, place: Place) -> None:
    async with asyncio.timeout(20):
        while presence.place != place:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_replicas_come_and_go(redis_server: RedisServer) -> None:
    redis_server.flush()
    async with replica(redis_server.url, b"a") as first:
        await reached(first, Place(0, 1))
        async with replica(redis_server.url, b"b") as second:
            await reached(second, Place(1, 2))
            await reached(first, Place(0, 2))
        await reached(first, Place(0, 1))
    with closing(redis_server.client()) as admin:
        assert 0 < admin.ttl(KEY) <= 60
        assert admin.hkeys(KEY) == [b"a"]


async def test_what_was_last_known_is_true_while_redis_is_away(private_redis: RedisServer) -> None:
    url = private_redis.url
    async with replica(url, b"a") as first, replica(url, b"b") as second:
        await reached(first, Place(0, 2))
        await reached(second, Place(1, 2))
        private_redis.kill()
        await asyncio.sleep(0.5)  # ten rounds
        assert (first.place, second.place) == (Place(0, 2), Place(1, 2))
        private_redis.restart()
        for _ in range(50):
            assert (first.place, second.place) == (Place(0, 2), Place(1, 2))
            await asyncio.sleep(0.01)


async def test_a_redis_that_takes_no_heartbeats_is_told_of_and_nobody_has_a_place(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(redis_server.client()) as admin:
        admin.set(KEY, "a counter of somebody else")
        try:
            with caplog.at_level(logging.WARNING):
                async with replica(redis_server.url, b"a") as presence:
                    async with asyncio.timeout(10):
                        while "takes no heartbeats" not in caplog.text:  # noqa: ASYNC110
                            await asyncio.sleep(0.01)
                    assert presence.place is None
        finally:
            admin.delete(KEY)
    assert "WRONGTYPE" in caplog.text

"""Scripts in a real Cluster of three and three: each node learns them, keys move between nodes."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from callout.redis.connection import connection
from callout.redis.contract import Redis
from callout.testing.redis_cluster import RedisCluster
from ratelimit.algorithms.contract import LONGEST_WINDOW
from ratelimit.algorithms.decision import Use
from ratelimit.algorithms.sliding_window import SlidingWindow
from ratelimit.stores.contract import StoreUnavailable
from ratelimit.stores.redis_scripts.states import RedisStates
from tests.ratelimit.stores.conftest import PATIENT

LIMIT = SlidingWindow(10, LONGEST_WINDOW)
KEYS = [b"k%d" % n for n in range(30)]
"""Ten or so for each node."""


@pytest.fixture
async def cluster() -> AsyncIterator[tuple[RedisCluster, Redis]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(RedisCluster(Path(folder))) as servers,
    ):
        redis = connection(servers.url, PATIENT)
        await redis.start()
        yield servers, redis
        await redis.close()


async def remaining(store: RedisStates, *uses: Use) -> list[int] | StoreUnavailable:
    def read(verdicts: object) -> list[int] | StoreUnavailable:
        if isinstance(verdicts, StoreUnavailable):
            return verdicts
        assert isinstance(verdicts, list)
        return [verdict.remaining for verdict in verdicts]

    return await store.use(uses, True, 0.0, None, read)


async def test_each_node_learns_the_scripts_and_every_request_counts_once(
    cluster: tuple[RedisCluster, Redis],
) -> None:
    servers, redis = cluster
    assert len({servers.owner(key).port for key in KEYS}) == 3
    store = RedisStates(redis)
    # Nobody knows the script, and all are asked at once: the source goes to each of the nodes.
    for left in (9, 8):
        answers = await asyncio.gather(*[remaining(store, Use(key, LIMIT, 1)) for key in KEYS])
        assert answers == [[left]] * len(KEYS)

    # Keys of one slot are decided together, on whatever node that is.
    for tag in range(9):
        pair = [Use(b"{%d}%b" % (tag, name), LIMIT, 1) for name in (b"a", b"b")]
        assert await remaining(store, *pair) == [9, 9]
    # Keys of several slots are refused before anything is done.
    assert await remaining(store, *[Use(key, LIMIT, 1) for key in KEYS]) == StoreUnavailable(
        "error"
    )
    answers = await asyncio.gather(*[remaining(store, Use(key, LIMIT, 0)) for key in KEYS])
    assert answers == [[8]] * len(KEYS)


async def test_a_counter_that_moves_to_a_node_that_forgot_the_script_goes_on(
    cluster: tuple[RedisCluster, Redis],
) -> None:
    servers, redis = cluster
    store = RedisStates(redis)
    assert await remaining(store, Use(KEYS[0], LIMIT, 1)) == [9]
    old = servers.owner(KEYS[0])
    new = next(server for server in servers.servers[:3] if server is not old)
    servers.move(KEYS[0], old, new)
    for left in (8, 7):
        assert await remaining(store, Use(KEYS[0], LIMIT, 1)) == [left]

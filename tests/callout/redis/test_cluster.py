"""A real Cluster of three and three: its slots move, its nodes freeze, die and come back empty."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from callout.redis.client import ClientOptions
from callout.redis.cluster import ClusterClient
from callout.redis.outcome import Unavailable
from callout.redis.pipeline import ErrorReply, pack
from callout.redis.servers import Servers, read
from callout.testing.redis import RedisServer
from callout.testing.redis_cluster import NODE_TIMEOUT, RedisCluster
from tests.callout.redis.asking import PATIENT, ask, counts, started, until_counts

FAILOVER = NODE_TIMEOUT / 1000 + 20.0
"""Seconds: the Cluster takes its node timeout, a second of delay and an election; the rest is for
a machine that is busy with other tests."""
BACK = 1.0
"""Seconds from when a new master serves to the first answer of it; mostly a twentieth."""
KEYS = [b"k%d" % n for n in range(30)]
"""Ten or so for each node."""
ALL = [pack(b"INCR", key) for key in KEYS]


def servers(url: str) -> Servers:
    read_ = read(url)
    assert read_ is not None
    return read_


@contextmanager
def running() -> Iterator[RedisCluster]:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(RedisCluster(Path(folder))) as started,
    ):
        yield started


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with running() as cluster:
        yield cluster


@pytest.fixture
def private_cluster() -> Iterator[RedisCluster]:
    with running() as cluster:
        yield cluster


def elsewhere(cluster: RedisCluster, server: RedisServer) -> bytes:
    """A key of another master."""
    return next(key for key in KEYS if cluster.owner(key) is not server)


async def test_replies_come_in_the_order_of_the_commands(cluster: RedisCluster) -> None:
    async with started(ClusterClient(servers(cluster.url), PATIENT)) as client:
        assert client.state == "closed"
        owners = {cluster.owner(key).port for key in KEYS}
        assert len(owners) == 3
        add = [pack(b"INCRBY", b"order%d" % n, b"%d" % n) for n in range(100)]
        read_ = [pack(b"GET", b"order%d" % n) for n in range(100)]
        answers = await asyncio.gather(*[ask(client, *add, *read_) for _ in range(3)])
    for times, answer in enumerate(answers, 1):
        assert answer[:100] == [times * n for n in range(100)]
        assert answer[100:] == [b"%d" % (times * n) for n in range(100)]


async def test_an_error_of_one_command_is_its_reply(cluster: RedisCluster) -> None:
    async with started(ClusterClient(servers(cluster.url), PATIENT)) as client:
        first, second = await ask(client, pack(b"INCRBY", b"k1", b"x"), pack(b"GET", b"none"))
        assert isinstance(first, ErrorReply)
        assert second is None
        assert client.state == "closed"


async def test_the_result_and_the_error_of_the_caller_are_its_own(cluster: RedisCluster) -> None:
    async with started(ClusterClient(servers(cluster.url), PATIENT)) as client:
        assert await client.send([pack(b"ECHO", b"a")], None, lambda got: len(got)) == 1

        def fails(outcome: object) -> None:
            raise RuntimeError("of the caller")

        for commands in (ALL, ALL[:1]):  # of several nodes, and of one
            with pytest.raises(RuntimeError, match="of the caller"):
                await client.send(commands, None, fails)  # type: ignore[misc]
        with pytest.raises(ValueError):
            client.send([pack(b"PING")], None, lambda got: got)


async def test_who_gave_up_is_not_answered_and_others_are(cluster: RedisCluster) -> None:
    answered: list[object] = []
    async with started(ClusterClient(servers(cluster.url), PATIENT)) as client:
        for commands in (ALL, ALL[:1]):
            given_up = client.send(commands, None, answered.append)
            assert isinstance(given_up, asyncio.Future)
            given_up.cancel()
            assert len(await ask(client, *commands)) == len(commands)
    assert answered == []


async def test_while_a_slot_moves_each_hit_is_counted_once_and_none_fails(
    cluster: RedisCluster,
) -> None:
    keys = [b"{moves}%d" % n for n in range(5)]
    hits = [
        command for key in keys for command in (pack(b"INCR", key), pack(b"EXPIRE", key, b"99"))
    ]
    requests = 0
    async with started(ClusterClient(servers(cluster.url), PATIENT)) as client:
        moving = True

        async def count() -> None:
            nonlocal requests
            while moving:
                requests += 1
                answer = await ask(client, *hits)
                assert not isinstance(answer, Unavailable), answer
                assert all(isinstance(each, int) for each in answer), answer

        load = [asyncio.create_task(count()) for _ in range(3)]
        for _ in range(3):
            source = cluster.owner(keys[0])
            target = cluster.owner(elsewhere(cluster, source))
            await asyncio.to_thread(cluster.move, keys[0], source, target)
        moving = False
        await asyncio.gather(*load)
        totals = await ask(client, *[pack(b"GET", key) for key in keys])
    assert requests > 3
    assert totals == [b"%d" % requests] * len(keys)


async def test_a_key_that_a_moving_slot_does_not_have_yet_is_made_where_it_will_be(
    cluster: RedisCluster,
) -> None:
    source = cluster.owner(b"{asks}")
    target = cluster.owner(elsewhere(cluster, source))
    begun, end = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def between() -> None:
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(end.wait(), loop).result(30)

    async with started(ClusterClient(servers(cluster.url), PATIENT)) as client:
        assert await ask(client, pack(b"INCR", b"{asks}old")) == [1]
        moving = asyncio.create_task(
            asyncio.to_thread(cluster.move, b"{asks}", source, target, between)
        )
        await begun.wait()
        new, old = pack(b"INCR", b"{asks}new"), pack(b"INCR", b"{asks}old")
        expire = pack(b"EXPIRE", b"{asks}new", b"99")
        assert await ask(client, new, old, expire, new) == [1, 2, 1, 2]
        end.set()
        await moving
        assert await ask(client, new, old) == [3, 3]


async def test_a_node_that_joined_a_moment_ago_is_asked_as_soon_as_it_has_a_slot(
    cluster: RedisCluster,
) -> None:
    async with started(ClusterClient(servers(cluster.url), PATIENT)) as client:
        assert await ask(client, pack(b"INCR", b"{joins}")) == [1]
        joined = cluster.start_another()
        source = cluster.owner(b"{joins}")
        cluster.move(b"{joins}", source, joined)
        assert await ask(client, pack(b"INCR", b"{joins}")) == [2]
        cluster.move(b"{joins}", joined, source)
        assert await ask(client, pack(b"INCR", b"{joins}")) == [3]


async def test_a_node_that_comes_back_empty_at_once_counts_from_nothing(
    cluster: RedisCluster,
) -> None:
    victim = cluster.owner(b"k1")
    other = pack(b"INCR", elsewhere(cluster, victim))
    async with started(ClusterClient(servers(cluster.url), ClientOptions())) as client:
        await until_counts(client, ALL[1], 10.0)
        await until_counts(client, other, 10.0)
        victim.restart()
        assert await until_counts(client, other, 5.0) < 5.0
        await until_counts(client, ALL[1], FAILOVER)


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_when_a_master_goes_its_replica_counts_on_and_the_others_never_stopped(
    private_cluster: RedisCluster, how: str
) -> None:
    cluster = private_cluster
    victim = cluster.owner(b"k1")
    other = pack(b"INCR", elsewhere(cluster, victim))
    async with started(ClusterClient(servers(cluster.url), ClientOptions())) as client:
        await until_counts(client, ALL[1], 10.0)
        await until_counts(client, other, 10.0)
        victim.kill() if how == "killed" else victim.stop()
        outcome = await ask(client, ALL[1], other, deadline=time.monotonic() + 0.3)
        assert isinstance(outcome, Unavailable)
        if how == "frozen":
            assert outcome == Unavailable("timeout", "1 of 2 commands were executed")
        assert await until_counts(client, other, 2.0) < 2.0
        await until_counts(client, ALL[1], FAILOVER)
        # It comes back, believes that it is a master still, and learns that it is none.
        victim.cont() if how == "frozen" else victim.restart()
        await until_counts(client, ALL[1], 5.0)

        async def whole() -> bool:
            return client.state == "closed" and await counts(client, other)

        began = time.monotonic()
        while not await whole():
            assert time.monotonic() - began < FAILOVER
            await asyncio.sleep(0.02)


async def test_a_master_that_goes_while_nobody_asks_is_replaced_at_the_first_question(
    private_cluster: RedisCluster,
) -> None:
    cluster = private_cluster
    victim = cluster.owner(b"k1")
    async with started(ClusterClient(servers(cluster.url), ClientOptions())) as client:
        await until_counts(client, ALL[1], 10.0)
        # Long enough for its looks at the map to be seconds apart.
        await asyncio.sleep(2.0)
        victim.kill()

        def owned() -> bool:
            try:
                return cluster.owner(b"k1") is not victim
            except LookupError:
                return False

        began = time.monotonic()
        while not await asyncio.to_thread(owned):
            assert time.monotonic() - began < FAILOVER
            await asyncio.sleep(0.02)
        assert await until_counts(client, ALL[1], FAILOVER) < BACK


async def test_a_seed_that_is_away_is_done_without(cluster: RedisCluster) -> None:
    url = cluster.url.replace("redis+cluster://", "redis+cluster://127.0.0.1:1,")
    async with started(ClusterClient(servers(url), PATIENT)) as client:
        assert client.state == "closed"
        await until_counts(client, ALL[0], 5.0)


async def test_a_redis_that_is_no_cluster_is_refused(redis_server: RedisServer) -> None:
    url = f"redis+cluster://{redis_server.address}"
    async with started(ClusterClient(servers(url), PATIENT)) as client:
        assert client.state == "open"
        outcome = await ask(client, ALL[0])
    assert outcome == Unavailable("disconnected", "no node of the Cluster answers")
    assert await ask(client, ALL[0]) == Unavailable("closed")

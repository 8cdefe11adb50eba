"""The master behind real Sentinels: killed, frozen, demoted, replaced; and Sentinels that lie."""

import asyncio
import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from callout.redis.client import ClientOptions
from callout.redis.outcome import Unavailable
from callout.redis.pipeline import ErrorReply, Reply, pack
from callout.redis.sentinel import EVERY, Master, SentinelClient, Sentinels, master
from callout.redis.servers import Address, Servers, read
from callout.testing.redis import RedisServer, until
from callout.testing.redis_sentinel import SentinelTrio
from tests.callout.redis.asking import PATIENT, ask, counts, started, until_counts

FAILOVER = 20.0
"""Seconds: it takes the Sentinels 1 to 4 s (half a second until the master counts as down, then an
election, which is held again when the votes are split); ten times that on a machine that is busy
with other tests."""
FOUND = 5.0
"""Seconds from the moment when most Sentinels name the new master until it counts. One is the
promise: half a second for a connection that is not taken, 0.3 between tries; the rest is for a
machine that is busy with other tests."""
INCREMENT = pack(b"INCR", b"n")
PORT = pack(b"CONFIG", b"GET", b"port")


def servers(url: str) -> Servers:
    read_ = read(url)
    assert read_ is not None
    return read_


@contextmanager
def running() -> Iterator[SentinelTrio]:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(SentinelTrio(Path(folder), "pw", "sentinels-pw")) as started,
    ):
        yield started


@pytest.fixture
def private_trio() -> Iterator[SentinelTrio]:
    with running() as trio:
        yield trio


@pytest.fixture(scope="module")
def trio() -> Iterator[SentinelTrio]:
    with running() as trio:
        yield trio


async def port_of(client: SentinelClient) -> int | None:
    """Of the server that answers; None: none did in time."""
    outcome = await ask(client, PORT, deadline=time.monotonic() + 1.0)
    return None if isinstance(outcome, Unavailable) else int(outcome[0][1])


class Switch:
    """When most Sentinels name another master than before."""

    def __init__(self, trio: SentinelTrio) -> None:
        self._trio = trio
        self._before = trio.named()[0]
        self.at = 0.0

    def look(self) -> None:
        if not self.at and sum(each != self._before for each in self._trio.named()) > 1:
            self.at = time.monotonic()


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_when_the_master_goes_the_new_one_counts_on(
    private_trio: SentinelTrio, how: str
) -> None:
    trio, old = private_trio, private_trio.master
    async with started(SentinelClient(servers(trio.url), ClientOptions())) as client:
        await until_counts(client, INCREMENT, 10.0)
        switch = Switch(trio)
        old.kill() if how == "killed" else old.stop()
        await until_counts(client, INCREMENT, FAILOVER, switch.look)
        answered = time.monotonic()
        switch.look()
        assert switch.at
        assert answered - switch.at < FOUND
        # It comes back, and for some seconds believes that it is the master still.
        old.cont() if how == "frozen" else old.restart()
        ports = [await port_of(client) for _ in range(20)]
        assert set(ports) - {None}
        assert old.port not in ports


async def test_a_master_that_sentinels_no_longer_name_is_left_though_it_still_answers(
    private_trio: SentinelTrio, private_redis: RedisServer
) -> None:
    trio = private_trio
    with private_redis.client() as other:
        other.config_set("requirepass", "pw")
    async with started(SentinelClient(servers(trio.url), PATIENT)) as client:
        assert await port_of(client) == trio.master.port
        for each in trio.sentinels:
            with trio.sentinel_client(each) as sentinel:
                sentinel.sentinel_remove(trio.NAME)
                sentinel.sentinel_monitor(trio.NAME, "127.0.0.1", private_redis.port, 2)
                sentinel.sentinel_set(trio.NAME, "auth-pass", "pw")
        began = time.monotonic()
        while await port_of(client) != private_redis.port:
            assert time.monotonic() - began < EVERY + FOUND
            await asyncio.sleep(0.01)
        for each in trio.sentinels:
            each.process.kill()
        # Who is connected needs none of them.
        assert await counts(client, INCREMENT)
    async with started(SentinelClient(servers(trio.url), PATIENT)) as client:
        outcome = await ask(client, INCREMENT)
        assert outcome == Unavailable("disconnected", "no Sentinel answers")


async def test_a_master_that_is_demoted_by_hand_is_left(trio: SentinelTrio) -> None:
    old = trio.master
    async with started(SentinelClient(servers(trio.url), ClientOptions())) as client:
        await until_counts(client, INCREMENT, 10.0)
        with trio.sentinel_client(trio.sentinels[0]) as sentinel:
            sentinel.sentinel_failover(trio.NAME)
        until(lambda: trio.master is not old and len(set(trio.named())) == 1, FAILOVER)
        await until_counts(client, INCREMENT, FOUND)
        assert await port_of(client) in (trio.master.port, None)


async def test_a_sentinel_that_hangs_is_not_waited_for(trio: SentinelTrio) -> None:
    asked = Sentinels(servers(trio.url))
    await asked.start()
    trio.sentinels[0].process.freeze()
    try:
        found = await asked.master()
    finally:
        trio.sentinels[0].process.thaw()
        await asked.close()
    assert isinstance(found, Master)
    assert found.address == Address("127.0.0.1", trio.master.port)


async def test_passwords_are_not_told(trio: SentinelTrio, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = trio.url.replace("sentinels-pw", "wr0ng")
    async with started(SentinelClient(servers(url), PATIENT)) as client:
        outcome = await ask(client, INCREMENT)
    assert outcome.reason == "disconnected"
    url = trio.url.replace(":pw@", ":wr0ng@").replace(f"/{trio.NAME}", "/other")
    async with started(SentinelClient(servers(url), PATIENT)) as client:
        outcome = await ask(client, INCREMENT)
    assert outcome.detail == "a Sentinel says: ERR No such master with that name"
    assert "wr0ng" not in caplog.text


async def test_a_replica_is_never_taken_for_the_master() -> None:
    client = SentinelClient(servers("redis+sentinel://one/limits"), ClientOptions())
    assert client.serves([b"master", 0, []])
    assert not client.serves([b"slave", b"127.0.0.1", 6379, b"connected", 0])
    assert not client.serves([b"sentinel", []])
    assert not client.serves(ErrorReply("LOADING"))
    assert client.serves(ErrorReply("NOPERM this user has no permissions to run 'role'"))


@pytest.mark.parametrize(
    "reply",
    [
        None,
        1,
        [],
        [b"ip"],
        [b"ip", b"", b"port", b"1", b"config-epoch", b"1"],
        [b"ip", b"one", b"port", b"x", b"config-epoch", b"1"],
        [b"ip", b"one", b"port", b"70000", b"config-epoch", b"1"],
        [b"ip", [b"one"], b"port", b"1", b"config-epoch", b"1"],
        [b"ip", b"one", b"port", b"1"],
    ],
)
def test_what_names_no_master_is_none(reply: Reply) -> None:
    assert master(reply) is None


def test_of_several_masters_the_one_of_the_last_failover_is_newest() -> None:
    old = master([b"ip", b"::2", b"port", b"7", b"config-epoch", b"1"])
    new = master([b"config-epoch", b"10", b"ip", b"::1", b"port", b"6"])
    assert old is not None
    assert new == Master(10, Address("::1", 6)) == max(old, new)

"""Counters over UDP: what is sent is what has grown, in datagrams that are never too long."""

import asyncio
import itertools
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.observe.statsd import sender as statsd_sender
from callout.observe.statsd.datagrams import MOST_BYTES, Deltas, Timed, TimedDeltas, datagrams
from callout.observe.statsd.sender import StatsdSender


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(10)
        yield listening


def test_counters_are_sent_as_what_they_grew_by() -> None:
    deltas = Deltas()

    assert deltas.since([("a", 3), ("b", 0)]) == [("a", 3)]
    assert deltas.since([("a", 3), ("b", 2)]) == [("b", 2)]
    assert deltas.since([("a", 10), ("b", 2)]) == [("a", 7)]
    # of a source that was made anew
    assert deltas.since([("a", 1)]) == [("a", 1)]


def test_a_datagram_has_a_line_for_each_counter() -> None:
    assert list(datagrams([("a.b", 3), ("c", 1)], {})) == [b"a.b:3|c\nc:1|c"]
    assert list(datagrams([], {"env": "test"})) == []


def test_tags_are_those_of_dogstatsd() -> None:
    tags = {"env": "test", "version": "1"}

    assert list(datagrams([("a", 3)], tags)) == [b"a:3|c|#env:test,version:1"]
    assert list(datagrams([("a", 3)], {}, "dogstatsd")) == [b"a:3|c"]


def test_tags_of_plain_statsd_are_in_names() -> None:
    tags = {"env": "test", "version": "1"}

    assert list(datagrams([("a", 3)], tags, "statsd")) == [b"a.__env=test.__version=1:3|c"]


def test_times_are_told_as_their_mean_so_many_times() -> None:
    deltas = TimedDeltas()
    first = deltas.since([Timed("t", 4, 0.002), Timed("t", 0, 0.0), Timed("t", 1, 3.0)])
    second = deltas.since([Timed("t", 104, 0.102), Timed("t", 0, 0.0), Timed("t", 1, 3.0)])

    assert list(datagrams([], {}, timed=first)) == [b"t:0.5|ms|@0.25\nt:3000|ms"]
    assert list(datagrams([("a", 1)], {"env": "x"}, "statsd", timed=second)) == [
        b"a.__env=x:1|c\nt.__env=x:1|ms|@0.01"
    ]
    assert list(datagrams([], {"env": "x"}, timed=second)) == [b"t:1|ms|@0.01|#env:x"]
    assert deltas.since([Timed("t", 104, 0.102), Timed("t", 0, 0.0), Timed("t", 1, 3.0)]) == []


@given(st.lists(st.tuples(st.text("ab.é", min_size=1), st.integers(1, 2**70))), st.integers(8, 99))
def test_every_counter_that_fits_is_in_one_datagram_whole(
    counters: list[tuple[str, int]], most: int
) -> None:
    sent = list(datagrams(counters, {}, "statsd", most))

    assert all(len(each) <= most for each in sent)
    lines = [f"{name}:{grown}|c".encode() for name, grown in counters]
    whole = [each for each in lines if len(each) <= most]
    assert b"\n".join(sent).splitlines() == whole
    assert all(
        len(one) + 1 + len(two.split(b"\n")[0]) > most for one, two in itertools.pairwise(sent)
    )


async def test_a_server_hears_each_hit_once(server: socket.socket) -> None:
    counters = {"a": 1}
    host, port = server.getsockname()
    sender = StatsdSender(host, port, counters.items, 0.01, {"env": "test"})
    sender.start()
    assert await asyncio.to_thread(server.recv, 65_536) == b"a:1|c|#env:test"

    counters["a"] = 5
    assert await asyncio.to_thread(server.recv, 65_536) == b"a:4|c|#env:test"

    counters["b"] = 2
    await sender.close()
    assert await asyncio.to_thread(server.recv, 65_536) == b"b:2|c|#env:test"
    assert not sender.failing


async def test_many_counters_are_several_datagrams(server: socket.socket) -> None:
    counters = {f"ratelimit.service.rate_limit.edge.tenant_{n}.total_hits": n for n in range(1, 99)}
    host, port = server.getsockname()

    await StatsdSender(host, port, counters.items, 60, {}).flush()

    heard: dict[str, int] = {}
    while len(heard) < len(counters):
        data = await asyncio.to_thread(server.recv, 65_536)
        assert len(data) <= MOST_BYTES
        pairs = (each.removesuffix("|c").split(":") for each in data.decode().splitlines())
        heard.update({name: int(value) for name, value in pairs})
    assert heard == counters


async def test_counters_are_looked_at_in_several_turns_of_the_loop(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statsd_sender, "AT_ONCE", 10)
    counters = {f"c{number}": 1 for number in range(100)}
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    await StatsdSender(*server.getsockname(), counters.items, 60, {}).flush()
    turning.cancel()

    heard: set[bytes] = set()
    while len(heard) < 100:
        heard |= set((await asyncio.to_thread(server.recv, 65_536)).splitlines())
    assert turns >= 10


async def test_a_server_that_is_away_or_has_no_name_stops_nothing(server: socket.socket) -> None:
    host, port = server.getsockname()
    server.close()
    away = StatsdSender(host, port, {"a": 1}.items, 60, {})
    nameless = StatsdSender("no.such.host.invalid", 8125, {"a": 1}.items, 60, {})

    await away.flush()
    await nameless.flush()

    assert nameless.failing

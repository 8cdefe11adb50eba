"""Our own transport where well-behaved clients do not go."""

import asyncio
import gc
import gzip
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from callout.grpc.call import Call, Face, Reply, Streaming, Unary
from callout.grpc.framing import frame as message
from callout.grpc.methods import Methods
from callout.http2 import frames
from callout.http2.limits import Limits
from callout.serve import own
from callout.serve.address import Address
from callout.serve.certificates import Certificates
from callout.serve.options import ServeOptions
from callout.serve.own import OwnServer
from callout.serve.protocol import GrpcProtocol
from callout.serve.server import serve
from callout.serve.streaming import TURN, Stream
from callout.serve.tls import ServerTls
from tests.callout.http2 import wire
from tests.callout.serve.raw import call, connect, head
from tests.contract.certificates import Authority
from tests.contract.test_transport_tls import LOCAL

INVALID, DEADLINE, UNIMPLEMENTED, INTERNAL, EXHAUSTED = 3, 4, 12, 13, 8


class Server:
    """A server and its one connection, as the tests see them."""

    def __init__(self, server: OwnServer, options: ServeOptions) -> None:
        self.server = server
        self.options = options
        self.counters = options.counters
        self.target = server.addresses[0]

    def stop_checks(self) -> None:
        """From now on only `check` looks."""
        assert self.server._keeper is not None
        self.server._keeper.cancel()

    def check(self, after: float) -> None:
        """What the server does once a second, as if so many seconds had gone by."""
        for connection in list(self.server._core.connections):
            connection.check(time.monotonic() + after)


Start: TypeAlias = Callable[..., Awaitable[Server]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    servers: list[OwnServer] = []

    async def begin(**options: Any) -> Server:
        chosen = ServeOptions(**options)
        server = await serve([face()], [Address("127.0.0.1", 0)], chosen)
        assert isinstance(server, OwnServer)
        servers.append(server)
        return Server(server, chosen)

    yield begin
    for server in servers:
        await server.close()


yielded = [0]


def face() -> Face:
    def echo(payload: bytes, _call: Call) -> Reply:
        return payload

    def big(payload: bytes, _call: Call) -> Reply:
        return bytes(int(payload))

    async def wait(_payload: bytes, _call: Call) -> Reply:
        await asyncio.sleep(60)
        return b""

    async def count(messages: AsyncIterator[bytes], _call: Call) -> AsyncIterator[Reply]:
        async for each in messages:
            for number in range(int(each)):
                yielded[0] = number + 1
                yield bytes(100_000)

    async def chat(messages: AsyncIterator[bytes], _call: Call) -> AsyncIterator[Reply]:
        async for each in messages:
            yield each

    return Face(
        "raw",
        "raw.Test",
        (
            Unary("/raw.Test/Echo", echo),
            Unary("/raw.Test/Big", big),
            Unary("/raw.Test/Wait", wait),
            Streaming("/raw.Test/Chat", chat),
            Streaming("/raw.Test/Count", count),
        ),
    )


async def until(reached: Callable[[], bool]) -> None:
    for _ in range(500):
        if reached():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not reached in five seconds")


# One write, no task.


class Recorder(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else default


def connection(*methods: Unary | Streaming) -> tuple[GrpcProtocol, Recorder]:
    core = own.Core(Methods([Face("raw", "raw.Test", methods)]), ServeOptions())
    protocol, transport = GrpcProtocol(core), Recorder()
    protocol.connection_made(transport)
    protocol.data_received(wire.GREETING)
    transport.writes.clear()
    return protocol, transport


FEW = 16
"""Requests that one piece of a read holds: see `callout.serve.turns`."""


async def test_requests_of_one_read_are_answered_by_one_write_and_without_a_task() -> None:
    tasks = []

    def echo(payload: bytes, _call: Call) -> Reply:
        tasks.append(len(asyncio.all_tasks()))
        return payload

    protocol, transport = connection(Unary("/raw.Test/Echo", echo))
    protocol.data_received(b"".join(call(2 * number + 1) for number in range(FEW)))

    assert len(transport.writes) == 1
    assert [each.stream_id for each in wire.read(transport.writes[0])][::3] == list(
        range(1, 2 * FEW, 2)
    )
    assert tasks == [1] * FEW
    protocol.connection_lost(None)


async def test_futures_that_are_done_in_one_tick_are_answered_by_one_write() -> None:
    waiting: list[asyncio.Future[Reply]] = []

    def later(_payload: bytes, _call: Call) -> "asyncio.Future[Reply]":
        waiting.append(asyncio.get_running_loop().create_future())
        return waiting[-1]

    protocol, transport = connection(Unary("/raw.Test/Echo", later))
    protocol.data_received(b"".join(call(2 * number + 1) for number in range(FEW)))
    assert transport.writes == []
    for future in waiting:
        future.set_result(b"later")
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert len(transport.writes) == 1
    assert len(wire.read(transport.writes[0])) == 3 * FEW
    protocol.connection_lost(None)


async def test_an_answer_that_comes_after_its_connection_is_gone_is_dropped() -> None:
    future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    protocol, transport = connection(Unary("/raw.Test/Echo", lambda _payload, _call: future))
    protocol.data_received(call(1))
    future.set_result(b"late")
    protocol.connection_lost(None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert transport.writes == []
    assert protocol.core.counters.open_calls == 0


async def test_a_deadline_and_an_answer_in_the_same_tick_are_one_answer() -> None:
    future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    protocol, transport = connection(Unary("/raw.Test/Echo", lambda _payload, _call: future))
    protocol.data_received(call(1, grpc_timeout="1S"))
    future.set_result(b"just in time")
    for item in protocol.core.deadlines.take(time.monotonic() + 2):
        item.expire()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert b"just in time" in transport.writes[0]
    assert len(transport.writes) == 1
    assert protocol.core.counters.deadline_exceeded == 0
    protocol.connection_lost(None)


async def test_no_timer_waits_for_the_deadline_of_a_call_that_has_ended() -> None:
    loop = asyncio.get_running_loop()
    futures: list[asyncio.Future[Reply]] = [loop.create_future(), loop.create_future()]
    left = list(futures)
    protocol, _ = connection(Unary("/raw.Test/Echo", lambda _payload, _call: left.pop(0)))
    protocol.data_received(call(1, grpc_timeout="5S"))
    protocol.data_received(call(3, grpc_timeout="8S"))
    core = protocol.core
    armed: Any = core._timer
    futures[0].set_result(b"done")
    for _ in range(3):
        await asyncio.sleep(0)
    core.tidy(time.monotonic())
    assert armed.cancelled()  # and one waits for the later one
    later: Any = core._timer
    assert 7 < later.when() - loop.time() < 9
    core.tidy(time.monotonic())
    assert core._timer is later
    futures[1].set_result(b"done")
    for _ in range(3):
        await asyncio.sleep(0)
    core.tidy(time.monotonic())
    assert core._timer is None
    protocol.connection_lost(None)


async def test_an_answer_that_is_made_after_the_deadline_is_none() -> None:
    future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    protocol, transport = connection(Unary("/raw.Test/Echo", lambda _payload, _call: future))
    protocol.data_received(call(1, grpc_timeout="20m"))
    time.sleep(0.03)  # noqa: ASYNC251  # the loop is held up: no timer could come
    future.set_result(b"too late")
    for _ in range(3):
        await asyncio.sleep(0)

    assert b"too late" not in b"".join(transport.writes)
    assert protocol.core.counters.deadline_exceeded == 1
    assert protocol.core.counters.open_calls == 0
    protocol.connection_lost(None)


# What is wrong with a call.

BODY = message(b"hello")
BROKEN_BODIES = [
    ("nothing", b"", UNIMPLEMENTED),
    ("two messages", BODY + BODY, UNIMPLEMENTED),
    ("a message cut off", BODY[:-1], INTERNAL),
    ("a prefix cut off", BODY[:3], INTERNAL),
    ("an unknown flag", b"\x02" + BODY[1:], INTERNAL),
    ("compressed, not announced", b"\x01" + BODY[1:], INTERNAL),
    ("too large", b"\x00\xff\xff\xff\xff" + b"x", EXHAUSTED),
]


@pytest.mark.parametrize(
    ("body", "status"), [row[1:] for row in BROKEN_BODIES], ids=[row[0] for row in BROKEN_BODIES]
)
@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_broken_body_is_refused_and_the_connection_lives(
    start: Start, body: bytes, status: int, pieces: int
) -> None:
    server = await start()
    cut = [body] if pieces == 1 else [body[:2], body[2:7], body[7:]]
    async with connect(server.target) as raw:
        raw.send(head(1), *(wire.data(1, each) for each in cut), wire.data(1, b"", end=True))
        assert await raw.status(1) == status
        raw.send(call(3))
        assert await raw.answer(3) == (
            {b":status": b"200", b"content-type": b"application/grpc", b"grpc-status": b"0"},
            BODY,
        )
    assert sum(server.counters.refused.values()) == 1
    assert server.counters.requests == 1


def test_every_broken_body_ran() -> None:
    assert len(BROKEN_BODIES) == 7


@pytest.mark.parametrize(
    ("body", "status"),
    [row[1:] for row in BROKEN_BODIES[2:]],
    ids=[r[0] for r in BROKEN_BODIES[2:]],
)
async def test_a_broken_stream_is_refused_and_the_connection_lives(
    start: Start, body: bytes, status: int
) -> None:
    server = await start()
    async with connect(server.target) as raw:
        raw.send(head(1, path="/raw.Test/Chat"), wire.data(1, body, end=True))
        assert await raw.status(1) == status
        raw.send(call(3))
        assert await raw.status(3) == 0
    assert server.counters.open_calls == 0


async def test_trailers_of_a_client_end_its_request(start: Start) -> None:
    server = await start()
    async with connect(server.target) as raw:
        block = wire.literal_block([(b"x-checksum", b"1")])
        raw.send(head(1), wire.data(1, BODY), wire.headers(1, block, 0x5))

        fields, body = await raw.answer(1)
        assert (fields[b"grpc-status"], body) == (b"0", BODY)


HEADS = [
    ("no content-type", {"content_type": ""}, b"415", None),
    ("another content-type", {"content_type": "application/json"}, b"415", None),
    ("another method", {"method": "GET"}, b"405", None),
    ("a malformed timeout", {"grpc_timeout": "soon"}, b"400", INTERNAL),
    ("a timeout that has passed", {"grpc_timeout": "0m"}, b"200", DEADLINE),
    ("an unknown encoding", {"grpc_encoding": "br"}, b"200", UNIMPLEMENTED),
    ("an unknown method", {"path": "/raw.Test/Other"}, b"200", UNIMPLEMENTED),
]


@pytest.mark.parametrize(
    ("changes", "http", "status"), [row[1:] for row in HEADS], ids=[row[0] for row in HEADS]
)
async def test_a_head_that_cannot_be_answered_is_refused(
    start: Start, changes: dict[str, str], http: bytes, status: int | None
) -> None:
    server = await start()
    async with connect(server.target) as raw:
        raw.send(call(1, **changes))
        fields, body = await raw.answer(1)

        assert fields[b":status"] == http
        if status is None:
            assert fields[b"content-type"] == b"text/plain"
            assert len(body) == int(fields[b"content-length"]) > 0
        else:
            assert int(fields[b"grpc-status"]) == status
        if "grpc_encoding" in changes:
            assert fields[b"grpc-accept-encoding"] == b"identity,gzip"
        raw.send(call(3))
        assert await raw.status(3) == 0


@pytest.mark.parametrize("changes", [{}, {"path": "/raw.Test/Chat"}], ids=["unary", "stream"])
async def test_a_deadline_that_passed_on_the_way_is_not_worked_on(
    start: Start, changes: dict[str, str]
) -> None:
    server = await start()
    async with connect(server.target) as raw:
        raw.send(head(1, grpc_timeout="0n", **changes), wire.data(1, BODY, end=True))
        assert await raw.status(1) == DEADLINE
    assert server.counters.deadline_exceeded == 1
    assert server.counters.open_calls == 0


async def test_gzip_in_pieces_is_understood(start: Start) -> None:
    server = await start()
    packed = gzip.compress(b"hello" * 1000)
    body = b"\x01" + len(packed).to_bytes(4, "big") + packed
    async with connect(server.target) as raw:
        pieces = [wire.data(1, body[at : at + 5]) for at in range(0, len(body), 5)]
        raw.send(head(1, grpc_encoding="gzip"), *pieces, wire.data(1, b"", end=True))
        fields, answer = await raw.answer(1)

        assert fields[b"grpc-status"] == b"0"
        assert answer == message(b"hello" * 1000)


async def test_unfinished_requests_of_a_connection_are_bounded(start: Start) -> None:
    server = await start(max_buffered=10_000)
    async with connect(server.target) as raw:
        for stream_id in (1, 3):
            raw.send(head(stream_id), wire.data(stream_id, message(bytes(9_000))[:6_000]))
        assert await raw.status(3) == EXHAUSTED
        raw.send(wire.data(1, message(bytes(9_000))[6_000:], end=True))
        fields, _ = await raw.answer(1)
        assert fields[b"grpc-status"] == b"0"
        raw.send(call(5, bytes(9_000)))
        assert await raw.status(5) == 0


# Time.


async def test_a_request_that_does_not_arrive_is_ended(start: Start) -> None:
    server = await start()
    async with connect(server.target) as raw:
        raw.send(head(1), head(3), wire.data(3, BODY[:7]), call(5))
        assert await raw.status(5) == 0
        server.check(after=29)
        server.check(after=31)
        assert await raw.status(1) == DEADLINE
        assert await raw.status(3) == DEADLINE
        raw.send(wire.data(3, BODY[7:], end=True), call(7))
        assert await raw.status(7) == 0
    assert server.counters.refused == {"late": 2}


async def test_a_client_that_does_not_end_its_refused_request_is_told_to(start: Start) -> None:
    server = await start()
    async with connect(server.target) as raw:
        raw.send(head(1, path="/raw.Test/Other"))
        assert await raw.status(1) == UNIMPLEMENTED
        server.check(after=31)
        assert await raw.frame() == wire.Frame(frames.RST_STREAM, 0, 1, bytes(4))


async def test_an_idle_connection_is_asked_to_go(start: Start) -> None:
    server = await start(idle=100.0)
    async with connect(server.target) as raw:
        raw.send(call(1))
        assert await raw.status(1) == 0
        server.check(after=99)
        assert server.counters.closed == {}
        server.check(after=101)
        assert (await raw.frame()).kind == frames.GOAWAY
        server.check(after=103)  # no answer to the PING was needed: nothing is open
        assert await raw.ended()
    assert server.counters.closed == {"idle": 1}


async def test_an_old_connection_that_answers_no_ping_is_closed_when_it_has_no_calls(
    start: Start,
) -> None:
    server = await start(max_age=100.0)
    server.stop_checks()
    async with connect(server.target) as raw:
        raw.send(call(1))
        assert await raw.status(1) == 0
        for after in (111, 112.5, 114):
            server.check(after=after)
        assert await raw.ended()
    assert server.counters.closed == {"age": 1}


async def test_a_connection_whose_check_fails_is_cut_off_and_the_others_are_checked(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start(idle=0.01)
    async with connect(server.target) as broken, connect(server.target) as idle:
        for raw in (broken, idle):
            raw.send(call(1))
            assert await raw.status(1) == 0
        first = next(iter(server.server._core.connections))

        def fail(_now: float) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(first._http2, "tick", fail)
        await until(lambda: server.counters.open_connections == 0)
    assert server.counters.closed == {"failed": 1, "idle": 1}


async def test_an_old_connection_is_asked_to_go_and_then_cut(start: Start) -> None:
    server = await start(max_age=100.0, max_age_grace=10.0)
    async with connect(server.target) as raw:
        raw.send(call(1, path="/raw.Test/Wait"))
        await until(lambda: server.counters.open_calls == 1)
        server.check(after=89)
        assert server.counters.closed == {}
        server.check(after=111)
        goaway = await raw.frame()
        assert goaway.kind == frames.GOAWAY
        assert goaway.payload[4:8] == bytes(4)
        server.check(after=122)
        assert await raw.ended()
    await until(lambda: server.counters.open_connections == 0)
    assert server.counters.closed == {"age": 1, "grace": 1}
    assert server.counters.cancelled == 1
    assert server.counters.open_calls == 0


async def test_a_client_that_says_nothing_is_cut_off(start: Start) -> None:
    server = await start()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.target.split(":")[1]))
    await until(lambda: server.counters.open_connections == 1)
    server.check(after=0)
    server.check(after=11)
    rest = await asyncio.wait_for(reader.read(), 5)

    assert rest
    await until(lambda: server.counters.open_connections == 0)
    assert server.counters.closed == {"settings_timeout": 1}
    writer.close()


async def test_a_client_that_speaks_http_1_is_cut_off(start: Start) -> None:
    server = await start()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.target.split(":")[1]))
    writer.write(b"GET / HTTP/1.1\r\nhost: gate\r\n\r\n")
    await asyncio.wait_for(reader.read(), 5)

    assert server.counters.closed == {"preface": 1}
    writer.close()


async def test_one_connection_too_many_is_closed_at_once(start: Start) -> None:
    server = await start(max_connections=1)
    async with connect(server.target) as first:
        first.send(call(1))
        assert await first.status(1) == 0
        async with connect(server.target) as second:
            assert await second.ended()
        first.send(call(3))
        assert await first.status(3) == 0
    await until(lambda: server.counters.open_connections == 0)
    assert server.counters.closed == {"too_many": 1}
    async with connect(server.target) as third:
        third.send(call(1))
        assert await third.status(1) == 0


# Slow readers.


async def test_a_client_that_does_not_read_is_not_read_from_and_then_cut_off(start: Start) -> None:
    server = await start(write_buffer=50_000, limits=Limits(max_streams=10_000))
    async with connect(server.target, limit=1000) as raw:
        raw.send(wire.settings((frames.INITIAL_WINDOW_SIZE, 2**31 - 1)), wire.update(0, 2**30))
        for number in range(400):
            raw.send(call(2 * number + 1, b"100000".ljust(2000), path="/raw.Test/Big"))
        await asyncio.sleep(0.3)
        stopped_at = server.counters.requests
        await asyncio.sleep(0.1)

        assert server.counters.requests == stopped_at < 400
        server.check(after=19)
        assert server.counters.closed == {}
        server.check(after=21)
        await until(lambda: server.counters.open_connections == 0)
    assert server.counters.closed == {"stalled": 1}


async def test_a_client_that_reads_late_gets_everything(start: Start) -> None:
    server = await start(write_buffer=50_000)
    async with connect(server.target, limit=1000) as raw:
        raw.send(wire.settings((frames.INITIAL_WINDOW_SIZE, 2**31 - 1)), wire.update(0, 2**30))
        for number in range(200):
            raw.send(call(2 * number + 1, b"100000", path="/raw.Test/Big"))
        await asyncio.sleep(0.3)
        for number in range(200):
            fields, body = await raw.answer(2 * number + 1)
            assert fields[b"grpc-status"] == b"0"
            assert len(body) == 100_005


@pytest.mark.parametrize("window", [1 << 20, 2**31 - 1], ids=["closed window", "full socket"])
async def test_a_stream_waits_for_a_client_that_does_not_read(start: Start, window: int) -> None:
    server = await start(write_buffer=50_000)
    yielded[0] = 0
    async with connect(server.target, limit=100_000) as raw:
        raw.send(wire.settings((frames.INITIAL_WINDOW_SIZE, window)), wire.update(0, 2**30))
        raw.send(call(1, b"300", path="/raw.Test/Count"))
        stopped_at = -1
        while yielded[0] != stopped_at:
            stopped_at = yielded[0]
            await asyncio.sleep(0.3)

        assert 0 < stopped_at < 300
        raw.send(wire.update(1, max(1, 2**30 - window)))
        fields, body = await raw.answer(1)
        assert (fields[b"grpc-status"], len(body)) == (b"0", 300 * 100_005)
    assert server.counters.open_calls == 0


async def test_many_streams_of_a_client_that_does_not_read_wait_before_they_answer(
    start: Start,
) -> None:
    server = await start(write_buffer=50_000)
    async with connect(server.target, limit=1000) as raw:
        raw.send(wire.settings((frames.INITIAL_WINDOW_SIZE, 2**31 - 1)), wire.update(0, 2**30))
        raw.send(
            *(
                head(number, path="/raw.Test/Count") + wire.data(number, message(b"1"))
                for number in range(1, 1000, 2)
            )
        )
        await until(lambda: bool(server.server._core.connections))
        (connection,) = server.server._core.connections
        # With short turns, on a busy machine, the client's slowness is noticed sooner.
        await until(lambda: server.counters.requests > 100 or connection._paused)
        await asyncio.sleep(0.3)
        waiting = sum(map(len, connection._http2._out))
        assert waiting + connection._transport.get_write_buffer_size() < 500_000


async def test_a_stream_that_was_given_up_leaves_no_cycle(start: Start) -> None:
    server = await start()
    gc.collect()
    gc.disable()
    try:
        async with connect(server.target) as raw:
            raw.send(*(head(number, path="/raw.Test/Chat") for number in range(1, 100, 2)))
            await until(lambda: server.counters.open_calls == 50)
            raw.send(*(wire.reset(number) for number in range(1, 100, 2)))
            await until(lambda: server.counters.cancelled == 50)
            await asyncio.sleep(0.05)
            assert not [each for each in gc.get_objects() if type(each) is Stream]
    finally:
        gc.enable()


async def test_a_stream_with_many_messages_lets_others_have_their_turn() -> None:
    async def chat(messages: AsyncIterator[bytes], _call: Call) -> AsyncIterator[Reply]:
        async for each in messages:
            yield each

    protocol, _ = connection(Streaming("/raw.Test/Chat", chat))
    protocol.data_received(head(1, path="/raw.Test/Chat"))
    protocol.data_received(wire.data(1, message(b"") * 3000, end=True))
    turns = 0
    while protocol._streams:
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 3000 / TURN


async def test_streams_over_all_connections_are_bounded(start: Start) -> None:
    server = await start(max_calls=3)
    async with connect(server.target) as first, connect(server.target) as second:
        first.send(*(head(number, path="/raw.Test/Chat") for number in (1, 3, 5)))
        await until(lambda: server.counters.open_calls == 3)
        second.send(head(1, path="/raw.Test/Chat"))
        assert await second.status(1) == EXHAUSTED
        second.send(call(3))
        assert await second.status(3) == 0
        first.send(wire.reset(1))
        await until(lambda: server.counters.open_calls == 2)
        second.send(head(5, path="/raw.Test/Chat"), wire.data(5, message(b"x"), end=True))
        assert await second.status(5) == 0
    assert server.counters.refused == {"too_many_calls": 1}


async def test_a_client_that_opens_no_window_is_cut_off(start: Start) -> None:
    server = await start()
    async with connect(server.target) as raw:
        raw.send(wire.settings((frames.INITIAL_WINDOW_SIZE, 10)))
        raw.send(call(1, b"100", path="/raw.Test/Big"))
        assert (await raw.frame()).kind == frames.HEADERS
        assert len((await raw.frame()).payload) == 10
        server.check(after=0)
        raw.send(wire.update(1, 10))
        assert len((await raw.frame()).payload) == 10
        server.check(after=1)
        server.check(after=22)
        assert await raw.ended()
    assert server.counters.closed == {"stalled": 1}


# TLS.


def trusting(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.cert))
    context.set_alpn_protocols(["h2"])
    return context


async def test_tls_below_1_2_and_other_protocols_are_refused(start: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("server", LOCAL)
    server = await start(tls=ServerTls(pair.cert, pair.key))
    client = trusting(authority)
    async with connect(server.target, ssl=client) as raw:
        raw.send(call(1))
        assert await raw.status(1) == 0

    client.set_alpn_protocols(["http/1.1"])
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):  # noqa: PT012
        async with connect(server.target, ssl=client) as raw:
            raw.send(call(1))
            await raw.status(1)

    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(authority.cert)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        async with connect(server.target, ssl=old):
            pass


async def test_certificates_that_were_replaced_are_used_for_new_connections(
    start: Start, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("server", LOCAL)
    server = await start(tls=ServerTls(pair.cert, pair.key))
    (tmp_path / "new").mkdir()
    newer = Authority(tmp_path / "new")
    trusts_old = trusting(authority)
    trusts_new = trusting(newer)
    replacement = newer.issue("server", LOCAL)

    async with connect(server.target, ssl=trusts_old) as before:
        server.server.renew(Certificates(replacement.cert_bytes, replacement.key_bytes))
        async with connect(server.target, ssl=trusts_new) as after:
            after.send(call(1))
            assert await after.status(1) == 0
        with pytest.raises(ssl.SSLCertVerificationError):
            async with connect(server.target, ssl=trusts_old):
                pass
        before.send(call(1))
        assert await before.status(1) == 0


# Uvloop, which the product runs on, has transports of its own.


@pytest.mark.parametrize("tls", [False, True])
def test_it_works_on_uvloop(tmp_path: Path, tls: bool) -> None:
    import uvloop

    async def talk() -> None:
        authority = Authority(tmp_path)
        pair = authority.issue("server", LOCAL)
        given = {"tls": ServerTls(pair.cert, pair.key)} if tls else {}
        options = ServeOptions(**given)
        server = await serve([face()], [Address("127.0.0.1", 0)], options)
        client = trusting(authority) if tls else None
        async with connect(server.addresses[0], ssl=client) as raw:
            raw.send(call(1), call(3, b"300000", path="/raw.Test/Big"))
            assert await raw.status(1) == 0
            raw.send(wire.update(3, 1 << 20), wire.update(0, 1 << 20))
            fields, body = await raw.answer(3)
            assert (fields[b"grpc-status"], len(body)) == (b"0", 300_005)
            raw.send(call(5, path="/raw.Test/Wait", grpc_timeout="20m"))
            assert await raw.status(5) == DEADLINE
            await server.drain(1)
            assert await raw.ended()
        assert options.counters.open_connections == 0

    uvloop.run(talk())

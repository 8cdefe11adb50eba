"""The HTTP port of one worker, over real sockets."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from callout.grpc.call import Call, Code, Reply, Status, Unary
from callout.grpc.health import HealthBoard
from callout.serve.address import bind, parse
from gatewright.run.er import http
from gatewright.run.er.http import ErHttp
from ratelimit.er.json import MOST_BYTES

OK, OVER = b"\x08\x01", b"\x08\x02"
BODY = b'{"domain": "d", "descriptors": [{"entries": [{"key": "k"}]}]}'


class Port:
    """One that listens; what its handler does can be changed."""

    def __init__(self, patience: float | None = None) -> None:
        self.health = HealthBoard()
        self.calls: list[Call] = []
        self.handle: Callable[[bytes], Reply | Awaitable[Reply]] = lambda _: OK
        method = Unary("/limit", self._handler, OVER)
        self.http = ErHttp(method, self.health, patience, 4 << 20)
        self.listening = bind(parse("127.0.0.1:0"))
        self.where: tuple[str, int] = self.listening.getsockname()

    def _handler(self, message: bytes, call: Call) -> Reply | Awaitable[Reply]:
        self.calls.append(call)
        return self.handle(message)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.where)

    async def ask(
        self, body: bytes = BODY, line: str = "POST /json", headers: str = ""
    ) -> tuple[int, bytes]:
        """Status and body of one request."""
        reader, writer = await self.open()
        head = f"{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()
        head_of_it, _, rest = answer.partition(b"\r\n\r\n")
        return int(head_of_it.split()[1]), rest


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    port = Port()
    await port.http.start([port.listening])
    yield port
    await port.http.close(5)


async def test_a_request_is_answered_at_once_or_later(port: Port) -> None:
    assert await port.ask() == (200, b'{"overallCode":"OK"}')
    assert port.calls[0].deadline is None
    assert (b"host", b"x") in port.calls[0].metadata

    async def later() -> Reply:
        await asyncio.sleep(0)
        return OVER

    port.handle = lambda _: later()
    assert await port.ask() == (429, b'{"overallCode":"OVER_LIMIT"}')


@pytest.mark.parametrize(
    ("line", "headers", "body", "status"),
    [
        ("POST /json", "", b"{", 400),
        ("POST /json", "", b"x" * (MOST_BYTES + 1), 413),
        ("POST /json", "Origin: http://evil\r\n", BODY, 403),
        ("GET /json", "", b"", 405),
        ("POST /other", "", BODY, 404),
        ("GET /healthcheck", "", b"", 200),
    ],
)
async def test_what_is_asked_otherwise_reaches_no_limit(
    port: Port, line: str, headers: str, body: bytes, status: int
) -> None:
    assert (await port.ask(body, line, headers))[0] == status
    assert port.calls == []


@pytest.mark.parametrize(
    "request_", [b"GET /json HTTP/1.1\r\nHost: x\r\n\r\n", b"nonsense\r\n\r\n"]
)
async def test_answers_do_not_tell_the_software(port: Port, request_: bytes) -> None:
    reader, writer = await port.open()
    writer.write(request_)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    writer.close()
    assert b"\r\nServer: gatewright\r\n" in head
    assert b"aiohttp" not in head


async def test_a_failure_is_400_and_a_mistake_of_ours_500(
    port: Port, capfd: pytest.CaptureFixture[str]
) -> None:
    port.handle = lambda _: Status(Code.UNAVAILABLE, "redis: secret")
    assert await port.ask() == (400, b"Bad Request\n")

    def broken(_: bytes) -> Reply:
        raise RuntimeError("secret")

    port.handle = broken
    assert await port.ask() == (500, b"Internal Server Error\n")
    assert await port.ask() == (500, b"Internal Server Error\n")
    out, err = capfd.readouterr()
    assert (out + err).count("a request failed") == 1
    assert "secret" not in out + err


async def test_health_follows_the_board(port: Port) -> None:
    assert await port.ask(b"", "GET /healthcheck") == (200, b"OK")
    port.health.set("", serving=False)
    assert await port.ask(b"", "GET /healthcheck") == (500, b"")
    port.health.set("", serving=True)
    port.health.drain()
    assert await port.ask(b"", "GET /healthcheck") == (500, b"")


async def test_a_body_that_does_not_come_is_not_waited_for(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "BODY_SECONDS", 0.2)
    reader, writer = await port.open()
    writer.write(b"POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")

    answer = await asyncio.wait_for(reader.read(), 30)
    assert answer.startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_one_connection_too_many_takes_the_place_of_an_idle_one(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of this port's own guard; opening 256 here would say no more.
    monkeypatch.setattr(port.http._guard, "_most", 4)
    idle = [await port.open() for _ in range(4)]
    assert (await port.ask())[0] == 200

    reader, _ = idle[0]
    with suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 30) == b""
    for _, writer in idle:
        writer.close()


async def test_who_is_slow_with_a_body_makes_room_for_others(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port.http._guard, "_most", 4)
    slow = [await port.open() for _ in range(4)]
    for _, writer in slow:
        writer.write(b"POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    connections = port.http._guard._connections
    # Their heads were read: no timer waits for these.
    await _until(lambda: [each._timer for each in connections.values()] == [None] * 4)

    assert (await port.ask())[0] == 200
    with suppress(ConnectionError):
        assert await asyncio.wait_for(slow[0][0].read(), 30) == b""
    for _, writer in slow:
        writer.close()


async def test_whose_body_is_there_is_not_cut_off(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port.http._guard, "_most", 2)
    answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    port.handle = lambda _: answer
    asked = [asyncio.create_task(port.ask()) for _ in range(2)]
    await _until(lambda: len(port.calls) == 2)
    reader, _ = await port.open()
    with suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 30) == b""
    answer.set_result(OK)

    assert [(await each)[0] for each in asked] == [200, 200]


async def test_who_has_waited_too_long_for_a_turn_gets_the_operator_s_verdict() -> None:
    port = Port(patience=0.05)
    await port.http.start([port.listening])
    await port.http._turn.acquire()
    asked = asyncio.create_task(port.ask())
    await _until(lambda: bool(port.http._turn._waiters))
    await asyncio.sleep(0.1)
    port.http._turn.release()

    assert await asked == (429, b'{"overallCode":"OVER_LIMIT"}')
    assert port.calls == []
    await port.http.close(5)


async def test_closing_refuses_new_connections_and_answers_what_is_in_flight(port: Port) -> None:
    answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    port.handle = lambda _: answer
    asked = asyncio.create_task(port.ask())
    await _until(lambda: bool(port.calls))
    closing = asyncio.create_task(port.http.close(30))
    await _until(lambda: _refused(port.where))
    answer.set_result(OK)

    assert (await asked)[0] == 200
    await closing


async def test_closing_waits_no_longer_than_it_may(port: Port) -> None:
    port.handle = lambda _: asyncio.get_running_loop().create_future()
    asked = asyncio.create_task(port.ask())
    await _until(lambda: bool(port.calls))
    started = time.monotonic()
    await port.http.close(0.2)

    assert time.monotonic() - started < 10
    asked.cancel()


async def _until(holds: Callable[[], bool]) -> None:
    for _ in range(3000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("never")


def _refused(where: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(where, timeout=5):
            return False
    except ConnectionError:
        return True

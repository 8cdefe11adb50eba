"""Hostile clients of the admin port, over real sockets."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import NamedTuple

import pytest

from callout.observe import admin, guarded
from callout.serve import address
from tests.callout.observe.test_admin import State

Close = Callable[[], None]


class Port(NamedTuple):
    host: str
    port: int

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.host, self.port)

    async def get(self, path: str = "/healthz") -> bytes:
        reader, writer = await self.open()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return answer


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    listening = address.bind(address.parse("127.0.0.1:0"))
    where = Port(*listening.getsockname()[:2])
    state = State()
    state.effective = admin.Effective({"long": ["x" * 1000] * 20_000})
    runner = await admin.serve(state.sources(), listening)
    yield where
    await runner.cleanup()


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        return not await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return True


async def test_a_client_that_sends_its_headers_byte_by_byte_is_cut_off(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "REQUEST_SECONDS", 0.5)
    reader, writer = await port.open()
    started = time.monotonic()
    writer.write(b"GET /healthz HTTP/1.1\r\n")
    with suppress(ConnectionError):
        while time.monotonic() - started < 3:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)
    assert time.monotonic() - started < 3
    assert await ended(reader)
    assert b" 200 " in await port.get()


async def test_a_client_that_does_not_read_its_answer_is_cut_off(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "NEXT_SECONDS", 0.5)
    reader, writer = await port.open()
    writer.write(b"GET /config HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.sleep(1.5)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(20_000_000), 10)
    writer.close()


async def test_of_many_connections_the_ones_that_do_nothing_give_way(port: Port) -> None:
    open_ = [await port.open() for _ in range(guarded.MOST + 20)]
    assert b" 200 " in await port.get()
    # The ones that came first are gone, the others still there.
    assert await ended(open_[0][0])
    open_[-1][1].write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b" 200 " in await asyncio.wait_for(open_[-1][0].read(), 5)
    for _, writer in open_:
        writer.close()


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"x%d: y\r\n" % n for n in range(500)) + b"\r\n",
        b"\x16\x03\x01" * 100,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=["long line", "long header", "many headers", "tls", "http2"],
)
async def test_what_is_too_large_or_no_request_is_refused(port: Port, request_: bytes) -> None:
    reader, writer = await port.open()
    writer.write(request_)
    answer = await asyncio.wait_for(reader.read(), 5)
    assert answer.split(b" ")[1] in (b"400", b"404", b"431"), answer[:100]
    assert b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" not in answer
    assert b"\r\nServer: gatewright\r\n" in answer
    writer.close()
    assert b" 200 " in await port.get()


async def test_a_connection_is_used_again_and_again(port: Port) -> None:
    reader, writer = await port.open()
    for _ in range(200):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"ok\n"), 5)
    writer.close()

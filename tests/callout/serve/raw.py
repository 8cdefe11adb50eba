"""A client of frames over a real socket: says what no well-behaved client would."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from callout.grpc.framing import frame as message
from callout.http2 import frames
from callout.http2.hpack import HeaderDecoder, literal_block
from callout.http2.limits import Limits
from callout.serve.address import parse
from tests.callout.http2 import wire

HEADS = {
    b":method": b"POST",
    b":scheme": b"http",
    b":path": b"/raw.Test/Echo",
    b":authority": b"gate",
    b"content-type": b"application/grpc",
    b"te": b"trailers",
}


def head(stream_id: int, end: bool = False, **changes: str) -> bytes:
    """HEADERS of a call; `path="/x"`, `grpc_timeout="1S"` change it, "" leaves a field out."""
    fields = dict(HEADS)
    for name, value in changes.items():
        key = name.replace("_", "-").encode()
        fields[b":" + key if b":" + key in HEADS else key] = value.encode()
    block = literal_block([(name, value) for name, value in fields.items() if value])
    return wire.headers(stream_id, block, frames.END_HEADERS | (frames.END_STREAM if end else 0))


def call(stream_id: int, payload: bytes = b"hello", **changes: str) -> bytes:
    """A whole unary call."""
    return head(stream_id, **changes) + wire.data(stream_id, message(payload), end=True)


class Raw:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._decoder = HeaderDecoder(Limits())

    def send(self, *pieces: bytes) -> None:
        self.writer.write(b"".join(pieces))

    async def frame(self) -> wire.Frame:
        """The next frame that is not SETTINGS, WINDOW_UPDATE or PING; EOFError at the end."""
        quiet = (frames.SETTINGS, frames.WINDOW_UPDATE, frames.PING)
        while True:
            try:
                start = await asyncio.wait_for(self.reader.readexactly(9), 5)
            except ConnectionError as error:
                raise EOFError from error
            word, flags, stream_id = frames.unpack_head(start, 0)
            payload = await asyncio.wait_for(self.reader.readexactly(word >> 8), 5)
            if word & 0xFF not in quiet:
                return wire.Frame(word & 0xFF, flags, stream_id, payload)

    async def ended(self) -> bool:
        """Whether the server ends the connection, within five seconds."""
        with contextlib.suppress(EOFError):
            while True:
                await self.frame()
        return True

    async def answer(self, stream_id: int) -> tuple[dict[bytes, bytes], bytes]:
        """All header fields and the body of the next answer, which must be this stream's."""
        fields: dict[bytes, bytes] = {}
        body: list[bytes] = []
        while True:
            got = await self.frame()
            assert got.stream_id == stream_id, got
            if got.kind == frames.HEADERS:
                fields.update(self._decoder.decode(got.payload)[0])
            elif got.kind == frames.DATA:
                body.append(got.payload)
            else:
                raise AssertionError(got)
            if got.flags & frames.END_STREAM:
                return fields, b"".join(body)

    async def status(self, stream_id: int) -> int:
        """The gRPC status of the next answer, which must be this stream's."""
        fields, _ = await self.answer(stream_id)
        return int(fields[b"grpc-status"])


@contextlib.asynccontextmanager
async def connect(target: str, **options: Any) -> AsyncIterator[Raw]:
    """A connection that has greeted the server."""
    address = parse(target)
    reader, writer = await asyncio.open_connection(address.host, address.port, **options)
    try:
        raw = Raw(reader, writer)
        raw.send(wire.GREETING)
        yield raw
    finally:
        writer.close()
        with contextlib.suppress(Exception):
            await writer.wait_closed()

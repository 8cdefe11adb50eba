"""A client made of bytes: builds frames, and reads those that the server sends."""

from typing import Any, NamedTuple

from callout.http2 import frames
from callout.http2.connection import Connection
from callout.http2.events import Event
from callout.http2.hpack import literal_block
from callout.http2.limits import Limits

DEFAULTS = Limits()
HEADERS_LIST = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/a.B/C"),
    (b":authority", b"gate"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
]
BLOCK = literal_block(HEADERS_LIST)
HEAD = literal_block([(b":status", b"200")])
TRAILERS = literal_block([(b"grpc-status", b"0")])


class Frame(NamedTuple):
    kind: int
    flags: int
    stream_id: int
    payload: bytes


def frame(kind: int, flags: int = 0, stream_id: int = 0, payload: bytes = b"") -> bytes:
    return frames.pack_head(len(payload) << 8 | kind, flags, stream_id) + payload


def headers(stream_id: int, block: bytes = BLOCK, flags: int = 0x4) -> bytes:
    """HEADERS; flags: END_HEADERS unless told."""
    return frame(frames.HEADERS, flags, stream_id, block)


def data(stream_id: int, payload: bytes, end: bool = False) -> bytes:
    return frame(frames.DATA, 1 if end else 0, stream_id, payload)


def settings(*pairs: tuple[int, int]) -> bytes:
    payload = b"".join(k.to_bytes(2, "big") + v.to_bytes(4, "big") for k, v in pairs)
    return frame(frames.SETTINGS, 0, 0, payload)


def update(stream_id: int, increment: int) -> bytes:
    return frame(frames.WINDOW_UPDATE, 0, stream_id, increment.to_bytes(4, "big"))


def reset(stream_id: int, code: int = 8) -> bytes:
    return frame(frames.RST_STREAM, 0, stream_id, code.to_bytes(4, "big"))


ACK = frame(frames.SETTINGS, frames.ACK)
GREETING = frames.PREFACE + settings() + ACK


def read(output: bytes) -> list[Frame]:
    """Cut what the server sent into frames; fails unless it is whole."""
    found = []
    while output:
        word, flags, stream_id = frames.unpack_head(output, 0)
        size = word >> 8
        assert size <= frames.SENT_FRAME_SIZE
        payload = output[9 : 9 + size]
        assert len(payload) == size
        found.append(Frame(word & 0xFF, flags, stream_id, payload))
        output = output[9 + size :]
    return found


class Wire:
    """A connection that has greeted its client."""

    def __init__(self, limits: Limits = DEFAULTS, greeting: bytes = GREETING) -> None:
        self.seen: list[list[tuple[bytes, bytes]]] = []
        self.connection: Connection[tuple[tuple[bytes, bytes], ...]] = Connection(
            self._interpret, limits
        )
        self.connection.start()
        assert self.connection.receive(greeting, 0.0) == []
        self.connection.outgoing()

    def _interpret(self, fields: list[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
        self.seen.append(fields)
        return tuple(fields)

    def send(self, *pieces: bytes, now: float = 0.0) -> list[Event[Any]]:
        return self.connection.receive(b"".join(pieces), now)

    def sent(self) -> list[Frame]:
        return read(self.connection.outgoing())

    def ended_by(self) -> tuple[int, str] | None:
        """Code and reason of the end; asserts that the client is told by a GOAWAY."""
        over = self.connection.terminated
        if over is None:
            return None
        assert self.connection.closed
        last = self.sent()[-1]
        assert last.kind == frames.GOAWAY
        assert int.from_bytes(last.payload[4:8], "big") == over.code
        return over.code, over.reason

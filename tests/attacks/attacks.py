"""What hostile and broken peers send: each attack as the pieces that a connection writes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, repeat
from typing import Final

from callout.http2 import frames
from callout.http2.hpack import literal_block
from tests.load.payloads import CHECK

GREETING: Final = frames.PREFACE + frames.pack_head(frames.SETTINGS, 0, 0)
ACK: Final = frames.SETTINGS_ACK
PIECE: Final = 16 << 10
"""Bytes of a write, about."""


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return frames.pack_head(len(payload) << 8 | kind, flags, stream_id) + payload


def block(path: str = CHECK) -> bytes:
    return literal_block(
        [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", path.encode()),
            (b":authority", b"gate"),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
        ]
    )


BLOCK: Final = block()
INFO: Final = block("/grpc.health.v1.Health/Watch")


def head(stream_id: int, fields: bytes = BLOCK, flags: int = frames.END_HEADERS) -> bytes:
    return frame(frames.HEADERS, flags, stream_id, fields)


def grouped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pieces, joined to writes."""
    held: list[bytes] = []
    size = 0
    for each in pieces:
        held.append(each)
        size += len(each)
        if size >= PIECE:
            yield b"".join(held)
            held, size = [], 0


def ids() -> Iterator[int]:
    return count(1, 2)


def again(*pieces: bytes) -> Callable[[], Iterator[bytes]]:
    """The first once, the last for ever."""

    def made() -> Iterator[bytes]:
        yield GREETING + ACK + b"".join(pieces[:-1])
        yield from grouped(repeat(pieces[-1]))

    return made


def each(make: Callable[[int], bytes], before: bytes = b"") -> Callable[[], Iterator[bytes]]:
    """For every stream."""

    def made() -> Iterator[bytes]:
        yield GREETING + ACK + before
        yield from grouped(make(stream_id) for stream_id in ids())

    return made


def slowly(before: bytes, data: bytes) -> Callable[[], Iterator[bytes]]:
    """A byte at a time."""

    def made() -> Iterator[bytes]:
        yield before
        for at in range(len(data)):
            yield data[at : at + 1]
        yield from repeat(b"")

    return made


def churn(stream_id: int) -> bytes:
    """Sixty entries that are new in the table, of which each throws out others."""
    fields = [b"\x40\x01x\x08%08d" % (stream_id * 60 + number) for number in range(60)]
    return head(stream_id, BLOCK + b"".join(fields), frames.END_HEADERS | frames.END_STREAM)


_END: Final = frames.END_HEADERS | frames.END_STREAM
_BIG: Final = b"\x40\x01x\x7f\xbd\x1d" + b"v" * 3900
_TINY: Final = frame(frames.DATA, frames.END_STREAM, 0, bytes(5))


def tiny(stream_id: int) -> bytes:
    return head(stream_id) + frame(frames.DATA, frames.END_STREAM, stream_id, bytes(5))


@dataclass(frozen=True)
class Attack:
    """One way to be a bad peer."""

    name: str
    pieces: Callable[[], Iterator[bytes]]
    limit: str
    """The setting that stops it."""
    ended: str = ""
    """Why its connections are ended, as the counter says; empty: they are not."""
    refused: str = ""
    """Why its calls are refused."""
    connections: int = 4
    pause: float = 0.0
    """Seconds between two writes."""
    reads: bool = True


ATTACKS: Final = (
    Attack(
        "rapid reset (CVE-2023-44487)",
        each(lambda i: head(i) + frame(frames.RST_STREAM, 0, i, b"\0\0\0\x08")),
        "http2.resets",
        "rapid_reset",
    ),
    Attack(
        "MadeYouReset (CVE-2025-8671)",
        each(lambda i: head(i) + frame(frames.WINDOW_UPDATE, 0, i, bytes(4))),
        "http2.resets",
        "rapid_reset",
    ),
    Attack(
        "CONTINUATION flood",
        again(head(1, BLOCK, 0), frame(frames.CONTINUATION, 0, 1)),
        "http2.continuations",
        "continuation_flood",
    ),
    Attack(
        "empty DATA frames",
        again(head(1), frame(frames.DATA, 0, 1)),
        "http2.empty_frames",
        "empty_frame_flood",
    ),
    Attack(
        "DATA frames of a byte",
        again(head(1), frame(frames.DATA, 0, 1, b"\0")),
        "http2.small_frames",
        "small_frame_flood",
    ),
    Attack(
        "SETTINGS",
        again(frame(frames.SETTINGS, 0, 0, b"\0\x04\0\0\xff\xff")),
        "http2.settings",
        "settings_flood",
    ),
    Attack("PING", again(frame(frames.PING, 0, 0, bytes(8))), "http2.pings", "ping_flood"),
    Attack(
        "WINDOW_UPDATE",
        again(frame(frames.WINDOW_UPDATE, 0, 0, b"\0\0\0\x01")),
        "http2.window_updates",
        "window_update_flood",
    ),
    Attack(
        "header bombs: lists of 2,000 fields",
        each(lambda i: head(i, BLOCK + b"\x8f" * 2000, _END)),
        "http2.header_list",
        "rapid_reset",
        "header_list",
    ),
    Attack(
        "HPACK: one entry of 4 KB, named 20 times",
        each(lambda i: head(i, BLOCK + b"\xbe" * 20, _END), head(1, BLOCK + _BIG, _END)),
        "http2.header_block",
        "header_block",
    ),
    Attack(
        "HPACK: entries that throw out others",
        each(churn),
        "connections.* (turns)",
        "",
        "not_one_message",
    ),
    Attack(
        "HPACK: table size updates",
        each(lambda i: head(i, b"\x20\x3f\xe1\x1f" * 200 + BLOCK, _END)),
        "connections.* (turns)",
        "",
        "not_one_message",
    ),
    Attack("the smallest requests, without end", each(tiny), "connections.* (turns)"),
    Attack(
        "a preface that drips",
        slowly(b"", GREETING),
        "http2.settings_seconds",
        "settings_timeout",
        connections=50,
        pause=0.5,
    ),
    Attack(
        "headers that drip",
        slowly(GREETING + ACK, head(1)),
        "http2.frame_seconds",
        "slow_frame",
        connections=50,
        pause=0.5,
    ),
    Attack(
        "a body that drips",
        slowly(GREETING + ACK + head(1), frame(frames.DATA, 0, 1, b"\0") * 1000),
        "connections.request_seconds",
        "",
        "late",
        connections=50,
        pause=0.5,
    ),
    Attack(
        "connected and silent",
        slowly(b"", b""),
        "http2.settings_seconds",
        "settings_timeout",
        connections=50,
        pause=0.5,
    ),
    Attack(
        "idle connections",
        slowly(GREETING + ACK + frame(frames.PING, 0, 0, bytes(8)), b""),
        "connections.idle",
        "idle",
        connections=50,
        pause=0.5,
    ),
    Attack(
        "streams opened and never used",
        slowly(GREETING + ACK + b"".join(head(i) for i in range(1, 4001, 2)), b""),
        "http2.max_streams, connections.request_seconds",
        "",
        "too_many_streams",
        connections=8,
        pause=0.5,
    ),
    Attack(
        "a client that reads nothing",
        each(lambda i: frame(frames.PING, 0, 0, bytes(8)) * 20 + tiny(i)),
        "connections.stalled, http2.pings",
        "ping_flood",
        reads=False,
    ),
    Attack(
        "messages that never end, on 100 streams",
        slowly(
            GREETING
            + ACK
            + b"".join(
                head(i, INFO) + frame(frames.DATA, 0, i, b"\0\0\x3f\xff\xff" + bytes(16000))
                for i in range(1, 201, 2)
            )
            + b"".join(frame(frames.DATA, 0, i, bytes(16000)) for i in range(1, 201, 2)),
            b"",
        ),
        "connections.max_buffered",
        "",
        "buffered",
        connections=4,
        pause=0.5,
    ),
    Attack(
        "too many connections",
        slowly(GREETING + ACK, b""),
        "connections.max",
        "evicted",
        connections=400,
        pause=0.5,
    ),
)

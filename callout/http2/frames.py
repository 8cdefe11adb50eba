"""Frame types, flags, settings, and the few frames that are built whole (RFC 9113, 4 and 6)."""

from struct import Struct

from callout.http2.errors import ErrorCode
from callout.http2.limits import Limits

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_WINDOW = 2**31 - 1
MAX_STREAM_ID = 2**31 - 1
INITIAL_WINDOW = 65_535

SENT_FRAME_SIZE = 16_384
"""Bytes of payload in a frame of ours: what every peer must take, so no setting is needed."""

SMALL = 64
"""Bytes of payload below which a DATA frame is counted: see `Limits.small_frames`."""

DATA = 0x0
HEADERS = 0x1
PRIORITY = 0x2
RST_STREAM = 0x3
SETTINGS = 0x4
PUSH_PROMISE = 0x5
PING = 0x6
GOAWAY = 0x7
WINDOW_UPDATE = 0x8
CONTINUATION = 0x9

END_STREAM = 0x1
ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY_FLAG = 0x20

HEADER_TABLE_SIZE = 0x1
ENABLE_PUSH = 0x2
MAX_CONCURRENT_STREAMS = 0x3
INITIAL_WINDOW_SIZE = 0x4
MAX_FRAME_SIZE = 0x5
MAX_HEADER_LIST_SIZE = 0x6

# A frame header is 24 bits of length, 8 of type, 8 of flags, 32 of stream: read as three numbers,
# of which the first is length * 256 + type.
pack_head = Struct(">IBI").pack
unpack_head = Struct(">IBI").unpack_from
_pack_word = Struct(">IBII").pack
_pack_goaway = Struct(">IBIII").pack
_pack_setting = Struct(">HI").pack

SETTINGS_ACK = pack_head(SETTINGS, ACK, 0)


def rst_stream(stream_id: int, code: int) -> bytes:
    """End a stream with an error code."""
    return _pack_word(4 << 8 | RST_STREAM, 0, stream_id, code)


def window_update(stream_id: int, increment: int) -> bytes:
    """Let the client send `increment` bytes more; stream 0 is the connection."""
    return _pack_word(4 << 8 | WINDOW_UPDATE, 0, stream_id, increment)


def goaway(last_stream_id: int, code: ErrorCode, debug: bytes) -> bytes:
    """End the connection after `last_stream_id`."""
    return _pack_goaway(8 + len(debug) << 8 | GOAWAY, 0, 0, last_stream_id, code) + debug


def ping(payload: bytes, flags: int = 0) -> bytes:
    """A PING of eight bytes, or the answer to one."""
    return pack_head(8 << 8 | PING, flags, 0) + payload


def settings(limits: Limits) -> bytes:
    """Our SETTINGS. Push is not mentioned: a server cannot receive any (RFC 9113, 6.5.2)."""
    payload = b"".join(
        _pack_setting(key, value)
        for key, value in (
            (HEADER_TABLE_SIZE, limits.header_table),
            (MAX_CONCURRENT_STREAMS, limits.max_streams),
            (INITIAL_WINDOW_SIZE, limits.stream_window),
            (MAX_FRAME_SIZE, limits.frame_size),
            (MAX_HEADER_LIST_SIZE, limits.header_list),
        )
    )
    return pack_head(len(payload) << 8 | SETTINGS, 0, 0) + payload

"""Messages over a stream of bytes: one flag byte, four bytes of length, the message.

Source: gRPC over HTTP/2, "Length-Prefixed-Message". Messages leave here as they were sent;
decompression is a step of its own, taken when a message is wanted, because a few kilobytes that
wait in a queue may stand for megabytes.
"""

import struct
import zlib
from typing import NamedTuple

from callout.grpc.call import Code, Status

PREFIX = 5
"""Bytes before each message."""

_pack = struct.Struct(">BI").pack
_GZIP = 16 + zlib.MAX_WBITS  # zlib's way to say: a gzip header, the largest window

TOO_LARGE = Status(Code.RESOURCE_EXHAUSTED, "message larger than the limit")
BAD_FLAG = Status(Code.INTERNAL, "message with an unknown compression flag")
NOT_ANNOUNCED = Status(Code.INTERNAL, "compressed message without grpc-encoding")
NOT_GZIP = Status(Code.INTERNAL, "message is not valid gzip")
CUT_OFF = Status(Code.INTERNAL, "stream ended inside a message")
NOT_ONE = Status(Code.UNIMPLEMENTED, "a unary call takes exactly one message")


class Message(NamedTuple):
    """One message as it was sent."""

    compressed: bool
    payload: bytes


def frame(message: bytes) -> bytes:
    """Put the prefix of an uncompressed message before it."""
    return _pack(0, len(message)) + message


def whole(data: bytes, limit: int) -> bytes | None:
    """The message, if `data` is exactly one uncompressed message of at most `limit` bytes.

    The fast way for unary calls, whose request nearly always arrives in one piece.
    """
    size = len(data) - PREFIX
    if 0 <= size <= limit and data[0] == 0 and int.from_bytes(data[1:PREFIX], "big") == size:
        return data[PREFIX:]
    return None


def unpack(message: Message, gzip: bool, limit: int) -> bytes | Status:
    """The message's bytes, decompressed if need be.

    Args:
        message: as sent.
        gzip: whether the call announced `grpc-encoding: gzip`.
        limit: bytes; decompression stops there, so that a bomb costs no more than a big message.
    """
    if not message.compressed:
        return message.payload
    if not gzip:
        return NOT_ANNOUNCED
    inflate = zlib.decompressobj(_GZIP)
    try:
        plain = inflate.decompress(message.payload, limit + 1)
    except zlib.error:
        return NOT_GZIP
    if len(plain) > limit:
        return TOO_LARGE
    if not inflate.eof or inflate.unused_data:
        return NOT_GZIP
    return plain


class Deframer:
    """Cuts the bytes of one stream into messages, when they are wanted.

    Not before: a message of no bytes is five on the wire and a hundred as an object, so what waits
    costs what flow control says it does.
    """

    __slots__ = ("_buffer", "_limit")

    def __init__(self, limit: int) -> None:
        """Starts empty.

        Args:
            limit: bytes of one message as sent; a larger one is refused by its prefix, before
                any of it is kept.
        """
        self._buffer = bytearray()
        self._limit = limit

    @property
    def held(self) -> int:
        """Bytes that wait. When the stream has ended and `ready` says no, it was cut off."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._buffer += data

    def ready(self) -> bool:
        """Whether `next` has something to give."""
        buffer = self._buffer
        if len(buffer) < PREFIX:
            return False
        size = int.from_bytes(buffer[1:PREFIX], "big")
        return len(buffer) >= PREFIX + size or size > self._limit or buffer[0] > 1

    def next(self) -> Message | Status | None:
        """The next message; None: it is incomplete. A Status ends the call; ask no more then."""
        buffer = self._buffer
        if len(buffer) < PREFIX:
            return None
        flag = buffer[0]
        if flag > 1:
            return BAD_FLAG
        size = int.from_bytes(buffer[1:PREFIX], "big")
        if size > self._limit:
            return TOO_LARGE
        end = PREFIX + size
        if len(buffer) < end:
            return None
        payload = bytes(buffer[PREFIX:end])
        del buffer[:end]  # a bytearray only moves its beginning
        return Message(flag == 1, payload)

    def clear(self) -> None:
        """Drop what waits."""
        self._buffer.clear()

"""Content codings undone, within caps: what nobody else's rules look into.

Each coding is undone in steps, so that a bomb costs no more than the cap and one step.
"""

import zlib
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import brotli
import zstandard

from callout.http.bodies.limits import DEFAULT, Limits
from callout.http.bodies.oddities import NONE, Oddities, Oddity

_ZSTD_WINDOW: Final = 8 * 1024 * 1024
"""Bytes. RFC 9659: no more in HTTP, or a frame of a few bytes asks for memory of gigabytes."""
_ZSTD_STEP: Final = 128
"""Bytes. A block of four bytes can stand for 128 KiB, and the decoder has no cap of its own: 128
bytes are at most 4 MiB."""


@dataclass(frozen=True, slots=True)
class Inflated:
    """A body without its content codings."""

    body: bytes
    """As much of it as was undone; as it was sent when nothing could be."""
    oddities: Oddities = NONE


def inflate(body: bytes, content_encoding: bytes, limits: Limits = DEFAULT) -> Inflated:
    """Undoes the codings, last one first.

    Args:
        body: as it was sent.
        content_encoding: the header, several fields joined; empty: there was none.
        limits: how large, how many times larger, how many codings.
    """
    codings = [name for one in content_encoding.split(b",") if (name := one.strip().lower())]
    codings = [name for name in codings if name != b"identity"]
    if not codings:
        return Inflated(body)
    if len(codings) > limits.codings:
        return Inflated(body, frozenset({"too_many_codings"}))
    cap = min(limits.inflated, max(limits.inflated_free, len(body) * limits.inflated_ratio))
    oddities: set[Oddity] = set()
    for name in reversed(codings):
        undo = CODINGS.get(name)
        if undo is None:
            oddities.add("coding_unknown")
            break
        output = _Output(cap)
        oddities |= undo(body, output)
        if output.size > cap:
            oddities.add("inflated_too_large" if cap == limits.inflated else "ratio_too_high")
        body = output.taken()
        if oddities & _ENDS:
            break
    return Inflated(body, frozenset(oddities))


_ENDS: Final[Oddities] = frozenset(
    {"inflated_too_large", "ratio_too_high", "coding_broken", "coding_truncated"}
)


class _Output:
    """What came out so far."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.size = 0
        self._pieces: list[bytes] = []

    @property
    def left(self) -> int:
        """Bytes that may still come, and one, by which it is seen that there are more."""
        return self.cap + 1 - self.size

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self._pieces.append(piece)

    def taken(self) -> bytes:
        return b"".join(self._pieces)[: self.cap]


class _Undo(Protocol):
    def __call__(self, body: bytes, output: _Output) -> set[Oddity]: ...


def _gzip(body: bytes, output: _Output) -> set[Oddity]:
    """RFC 1952; several members are one body, as gzip itself has it."""
    at = 0
    while True:
        at, odd = _zlib(zlib.decompressobj(wbits=31), body, at, output)
        if odd or at == len(body) or output.left <= 0:
            return odd
        if body[at : at + 2] != b"\x1f\x8b":
            return {"coding_trailing"}


def _deflate(body: bytes, output: _Output) -> set[Oddity]:
    """As RFC 9110 says in the frame of zlib, or bare deflate as some send and many read."""
    # RFC 1950: the method is 8, and both bytes are a multiple of 31.
    bare = len(body) >= 2 and (body[0] & 15 != 8 or (body[0] << 8 | body[1]) % 31 != 0)
    at, odd = _zlib(zlib.decompressobj(wbits=-15 if bare else 15), body, 0, output)
    if bare:
        odd.add("deflate_raw")
    if not odd & _ENDS and at < len(body) and output.left > 0:
        odd.add("coding_trailing")
    return odd


_ZLIB_STEP: Final = 1024
"""Bytes. What is left of a step at the end of a member is copied, and members can be 20 bytes."""

_Zlib: TypeAlias = "zlib._Decompress"


def _zlib(decoder: _Zlib, body: bytes, at: int, output: _Output) -> tuple[int, set[Oddity]]:
    """Gives where the member or stream ends, and what is odd about it."""
    view = memoryview(body)
    try:
        while at < len(body) and not decoder.eof and output.left > 0:
            output.add(decoder.decompress(view[at : at + _ZLIB_STEP], output.left))
            at += _ZLIB_STEP
    except zlib.error:
        return at, {"coding_broken"}
    at = min(at, len(body)) - len(decoder.unused_data)
    return at, set() if decoder.eof or output.left <= 0 else {"coding_truncated"}


def _brotli(body: bytes, output: _Output) -> set[Oddity]:
    """RFC 7932.

    The decoder calls what follows the end broken: the step where it does is done again, byte by
    byte.
    """
    decoder = brotli.Decompressor()
    at = 0
    try:
        while at < len(body) and not decoder.is_finished() and output.left > 0:
            _brotli_step(decoder, body[at : at + _BROTLI_STEP], output)
            at += _BROTLI_STEP
    except brotli.error:
        decoder = brotli.Decompressor()
        _brotli_step(decoder, body[:at], _Output(output.cap))
        try:
            while not decoder.is_finished():
                _brotli_step(decoder, body[at : at + 1], output)
                at += 1
        except brotli.error:
            return {"coding_broken"}
    if output.left <= 0:
        return set()
    if not decoder.is_finished():
        return {"coding_truncated"}
    return {"coding_trailing"} if at < len(body) else set()


_BROTLI_STEP: Final = 4096
"""Bytes."""


def _brotli_step(decoder: brotli.Decompressor, piece: bytes, output: _Output) -> None:
    output.add(decoder.process(piece, output_buffer_limit=output.left))
    while not decoder.can_accept_more_data() and output.left > 0:
        output.add(decoder.process(b"", output_buffer_limit=output.left))


def _zstd(body: bytes, output: _Output) -> set[Oddity]:
    """RFC 8878; several frames are one body."""
    view = memoryview(body)
    frames = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    at = 0
    while True:
        decoder = frames.decompressobj()
        try:
            while at < len(body) and not decoder.eof and output.left > 0:
                output.add(decoder.decompress(view[at : at + _ZSTD_STEP]))
                at += _ZSTD_STEP
        except zstandard.ZstdError:
            return {"coding_broken"}
        if output.left <= 0:
            return set()
        if not decoder.eof:
            return {"coding_truncated"}
        at = min(at, len(body)) - len(decoder.unused_data)
        if at == len(body):
            return set()
        if body[at : at + 4] != _ZSTD_MAGIC:
            return {"coding_trailing"}


_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"

CODINGS: Final[dict[bytes, _Undo]] = {
    b"gzip": _gzip,
    b"x-gzip": _gzip,
    b"deflate": _deflate,
    b"br": _brotli,
    b"zstd": _zstd,
}
"""By the name in Content-Encoding."""

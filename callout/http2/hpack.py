"""HPACK (RFC 7541): header blocks to lists, over the Rust codec of `jh2`; constant blocks.

`jh2._hazmat` decodes 13 times faster than Python code (1.8 us against 24 us for eight indexed
fields), but trusts its input too much: version 5.0.15 panics on a block that is cut off (and
prints a backtrace), takes a table size update anywhere, and does not look at the padding of
Huffman strings. So a block is walked here before it is decoded, and the padding is checked
afterwards. Blocks of one-byte indexed fields, which is what a gateway sends once it is warm, need
no walk. The tests hold this against the `hpack` package. Nothing else imports `jh2`.
"""

from collections.abc import Iterable
from typing import TypeAlias

from jh2._hazmat import (  # type: ignore[import-untyped]  # it has stubs, but no py.typed
    Decoder,
    HPACKError,
    OversizedHeaderListError,
)

from callout.http2.errors import ConnectionFault, ErrorCode
from callout.http2.events import HeaderList
from callout.http2.limits import Limits

_DEFAULT_TABLE = 4096

_INDEXED = bytes(range(0x81, 0xFF))  # 0x80 is index 0, an error; 0xFF begins a longer integer

# Bits of the code of each byte (RFC 7541, appendix B). A prefix code, so the decoded string tells
# how many bits it took, and with that where its padding begins.
_HUFFMAN_BITS = bytes.fromhex(
    "0d171c1c1c1c1c1c1c181e1c1c1e1c1c1c1c1c1c1c1c1e1c1c1c1c1c1c1c1c1c"
    "060a0a0c0d06080b0a0a080b080606060505050606060606060607080f060c0a"
    "0d06070707070707070707070707070707070707070707070807080d130d0e06"
    "0f05060506050606060507070606060506070605050607070707070f0b0e0d1c"
    "1416141416161617161717171717181718181617181717171715161716171718"
    "1615141616171715171616181516171715151615171617171416161617161617"
    "1a1a1413161716191a1a1a1b1b1a181913151a1b1b1a1b1815151a1a1c1b1b1b"
    "14181415161515171616191918181a171a1b1a1a1b1b1b1b1b1c1b1b1b1b1b1a"
)


_Coded: TypeAlias = list[tuple[int, int, bytes]]  # Huffman strings: field, 0 or 1, as sent


def _fault(reason: str = "hpack") -> ConnectionFault:
    return ConnectionFault(ErrorCode.COMPRESSION_ERROR, reason)


def _integer(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """Read an integer (5.1) of at most 28 bits above its prefix: (value, where it ended)."""
    value = block[at] & mask
    at += 1
    if value < mask:
        return value, at
    for shift in (0, 7, 14, 21):
        if at >= len(block):
            raise _fault()
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _fault()


def _is_padded_well(raw: bytes, plain: bytes) -> bool:
    """Whether the padding is shorter than a byte, and ones (5.2)."""
    padding = 8 * len(raw) - sum(plain.translate(_HUFFMAN_BITS))
    if not 0 <= padding < 8:
        return False
    mask = (1 << padding) - 1
    return not padding or raw[-1] & mask == mask


class HeaderDecoder:
    """The decoding side of one connection."""

    __slots__ = ("_decoder", "_limit", "_must_shrink", "_table")

    def __init__(self, limits: Limits) -> None:
        self._limit = limits.header_block
        self._table = limits.header_table
        self._must_shrink = False
        self._decoder = Decoder(limits.header_block)
        # A smaller table holds only when the client has acknowledged it.
        self._decoder.max_allowed_table_size = max(limits.header_table, _DEFAULT_TABLE)

    def acknowledged(self) -> None:
        """The client has seen our SETTINGS: its next block must begin by shrinking the table."""
        if self._table < _DEFAULT_TABLE:
            self._decoder.max_allowed_table_size = self._table
            self._must_shrink = True

    def decode(self, block: bytes) -> tuple[HeaderList, bool]:
        """Decode one whole block.

        Returns:
            The header list, and whether the block may have changed the dynamic table: then what
            was memoised is void.

        Raises:
            ConnectionFault: the block is invalid (COMPRESSION_ERROR), or its list is larger than
                `Limits.header_block` (ENHANCE_YOUR_CALM). The compression state is lost.
        """
        # Most of most blocks is a run of indexed fields; what follows it is walked.
        rest = block.lstrip(_INDEXED)
        run = len(block) - len(rest)
        if run * 32 > self._limit:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "header_block")
        touched = False
        coded: _Coded = []
        if rest or self._must_shrink:
            touched = self._walk(block, run, coded)
        try:
            fields = self._decoder.decode(block, True)
        except OversizedHeaderListError:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "header_block") from None
        except HPACKError:
            raise _fault() from None
        except BaseException as panic:
            # A panic of Rust code is no Exception. The walk leaves no cause for one that is known.
            if type(panic).__name__ != "PanicException":
                raise
            raise _fault("hpack_panic") from None
        for field, part, raw in coded:
            if not _is_padded_well(raw, fields[field][part]):
                raise _fault()
        return [(name, value) for name, value, _ in fields], touched

    def _walk(self, block: bytes, run: int, coded: _Coded) -> bool:
        """Check the shape of every field from `run` on; collect the Huffman strings in `coded`.

        Args:
            block: the block.
            run: one-byte indexed fields at its beginning.
            coded: is filled.

        Returns:
            Whether the dynamic table is touched.
        """
        if run and self._must_shrink:
            raise _fault()
        at = field = run
        end = len(block)
        touched = False
        while at < end:
            byte = block[at]
            if 0x80 < byte < 0xFF:
                at += 1
            elif byte & 0xE0 == 0x20:  # table size update: only before the first field (4.2)
                if field:
                    raise _fault()
                size, at = _integer(block, at, 0x1F)
                touched = True
                if size <= self._table:
                    self._must_shrink = False
                continue
            elif byte >= 0x80:
                _, at = _integer(block, at, 0x7F)
            else:
                mask = 0x0F
                if byte & 0x40:
                    touched = True
                    mask = 0x3F
                index, at = _integer(block, at, mask)
                for part in (1,) if index else (0, 1):
                    if at >= end:
                        raise _fault()
                    size, start = _integer(block, at, 0x7F)
                    huffman = block[at] & 0x80
                    at = start + size
                    if at > end:
                        raise _fault()
                    if huffman:
                        coded.append((field, part, block[start:at]))
            if self._must_shrink:
                raise _fault()
            field += 1
            if field * 32 > self._limit:
                raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "header_block")
        return touched


def _static_table() -> list[tuple[bytes, bytes]]:
    """The 61 entries of appendix A, which `jh2` knows."""
    fields = Decoder().decode(bytes(range(0x81, 0x81 + 61)), True)
    return [(name, value) for name, value, _ in fields]


_STATIC = _static_table()
_STATIC_FIELDS = {field: index for index, field in reversed(list(enumerate(_STATIC, 1)))}
_STATIC_NAMES = {name: index for index, (name, _) in reversed(list(enumerate(_STATIC, 1)))}


def _encode_integer(first: int, mask: int, value: int) -> bytes:
    if value < mask:
        return bytes((first | value,))
    out = bytearray((first | mask,))
    value -= mask
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _encode_string(text: bytes) -> bytes:
    return _encode_integer(0, 0x7F, len(text)) + text


def literal_block(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Encode a header list without any state, so that the block suits every connection.

    Indexed fields of the static table, else literals without indexing (RFC 7541, 6.2.2), no
    Huffman code. That is all that answers need: they are few, constant and short.

    Args:
        headers: (name, value); names in lower case, pseudo-headers first. Not checked.
    """
    out: list[bytes] = []
    for name, value in headers:
        index = _STATIC_FIELDS.get((name, value))
        if index is not None:
            out.append(bytes((0x80 | index,)))
            continue
        index = _STATIC_NAMES.get(name, 0)
        out.append(_encode_integer(0, 0x0F, index))
        if not index:
            out.append(_encode_string(name))
        out.append(_encode_string(value))
    return b"".join(out)

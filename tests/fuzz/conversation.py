"""What a client sent, read by read: recordings, and inputs that were found to fail."""

import random
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from callout.http2 import frames

HERE = Path(__file__).parent
RECORDINGS = HERE / "recordings"
FOUND = HERE / "found"
ENDING = ".conversation"

_APART = 1 << 60
_FIRST_LINE = b"conversation 1 "


class Frame(NamedTuple):
    """One frame of a client, as it stood in the bytes."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes

    def encode(self) -> bytes:
        word = (len(self.payload) & 0xFFFFFF) << 8 | self.kind & 0xFF
        head: bytes = frames.pack_head(word, self.flags & 0xFF, self.stream_id & 0xFFFFFFFF)
        return head + self.payload


@dataclass(frozen=True, slots=True)
class Conversation:
    """The bytes of one connection from its client, cut as they were read.

    In a file: a line with the target (`-`: any) and the seed of what the target does beside
    them, then each read with four bytes of length before it.
    """

    reads: tuple[bytes, ...]
    target: str = "-"
    seed: int = 0

    @property
    def chance(self) -> random.Random:
        """What the target does beside the bytes; not the numbers that these were made with."""
        return random.Random(self.seed + _APART)

    @property
    def data(self) -> bytes:
        return b"".join(self.reads)

    def encode(self) -> bytes:
        line = _FIRST_LINE + f"{self.target} {self.seed}\n".encode()
        return line + b"".join(struct.pack(">I", len(each)) + each for each in self.reads)


def decode(content: bytes) -> Conversation:
    """Read a file's content. Raises ValueError."""
    line, _, rest = content.partition(b"\n")
    if not line.startswith(_FIRST_LINE):
        raise ValueError("not a conversation")
    target, seed = line[len(_FIRST_LINE) :].decode().split(" ")
    reads = []
    while rest:
        (size,) = struct.unpack_from(">I", rest)
        if len(rest) < 4 + size:
            raise ValueError("cut off")
        reads.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
    return Conversation(tuple(reads), target, int(seed))


def in_folder(folder: Path) -> dict[str, Conversation]:
    """All conversations of a folder by name, in the order of their names."""
    return {each.stem: decode(each.read_bytes()) for each in sorted(folder.glob("*" + ENDING))}


def frames_of(data: bytes) -> list[Frame]:
    """The frames behind the preface; bytes that are no whole frame at the end are left out."""
    found, at = [], len(frames.PREFACE)
    while len(data) - at >= 9:
        word, flags, stream_id = frames.unpack_head(data, at)
        end = at + 9 + (word >> 8)
        if end > len(data):
            break
        found.append(Frame(word & 0xFF, flags, stream_id, data[at + 9 : end]))
        at = end
    return found


def joined(parts: Iterable[Frame]) -> bytes:
    """The frames as bytes."""
    return b"".join([each.encode() for each in parts])

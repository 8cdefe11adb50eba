"""Events become bodies for `POST /logs`: gzip of a JSON array, as large as the service takes."""

import zlib
from collections.abc import Sequence
from typing import Final, NamedTuple

_GROWTH: Final = 2.0
_MOST_FACTOR: Final = 64
"""How many times the limit of a body the events for one may be: gzip gets no more out of them."""
_LEVEL: Final = 2
"""Of events of one gateway, 4.5 us each: 40 % less time than zlib's default of 6, and 30 % more
bytes; level 4 takes nearly as long as 6, and 1 as long as 2."""
_GZIP: Final = 16 + zlib.MAX_WBITS


class Chunk(NamedTuple):
    """One body."""

    body: bytes
    events: int
    """How many of the events are in it, from the first."""
    size: int
    """Bytes of those events."""


class Chunker:
    """Guesses how many bytes of events fit, as OPA does, by how well the last ones did."""

    def __init__(self, limit: int) -> None:
        """Prepares.

        Args:
            limit: bytes of a body, compressed.
        """
        self.limit = limit
        self.wanted = limit
        """Bytes of events that are worth a body."""

    def pack(self, events: Sequence[bytes]) -> Chunk:
        """A body of as many of the events as fit, at least one: see `Chunk.events`.

        A single event may be larger than the limit: then the body is.
        """
        while True:
            body = _gzip(events)
            if len(body) <= self.limit or len(events) == 1:
                break
            self.wanted = max(self.limit, int(self.wanted * 0.9 * self.limit / len(body)))
            events = events[: max(1, int(len(events) * 0.9 * self.limit / len(body)))]
        return Chunk(body, len(events), sum(map(len, events)))

    def took(self, chunk: Chunk) -> None:
        """The service took it: if there was room for more, more is tried next."""
        if len(chunk.body) < 0.9 * self.limit and chunk.size >= 0.9 * self.wanted:
            fitting = min(_GROWTH, 0.95 * self.limit / len(chunk.body))
            self.wanted = min(self.limit * _MOST_FACTOR, int(self.wanted * fitting))

    def halve(self) -> bool:
        """The service finds bodies too large; False: they can get no smaller."""
        if self.limit <= _LEAST:
            return False
        self.limit = max(_LEAST, self.limit // 2)
        self.wanted = min(self.wanted, self.limit)
        return True


_LEAST: Final = 1024


def _gzip(events: Sequence[bytes]) -> bytes:
    # in one call, so that the interpreter's lock is free meanwhile
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return packer.compress(b"[" + b",".join(events) + b"]") + packer.flush()

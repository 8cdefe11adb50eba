"""The memory: made once by the supervising process, mapped by each worker."""

import hashlib
import mmap
import os
from typing import Final, NamedTuple

from ratelimit.algorithms.exact_log import MOST_LOGGED
from ratelimit.stores.shared_memory.layout import Layout

LEAST_BYTES: Final = 16 * 1024 * 1024
"""With less there would be no room for a few of the largest states."""

_MAGIC: Final = b"gatewright-cnt-1"
"""Another layout has another number: who finds one that it does not know makes its own memory."""
_SECRET: Final = 32
_HEADER: Final = 4096
"""Bytes before the tables: the magic, then the secret."""


class Part(NamedTuple):
    """What share of the memory is for what."""

    numbers: int
    """In a slot: of a counter one, of a state as many as it may have."""
    ways: int
    """Slots that a key may be in; see `Table`."""
    sixteenths: int


COUNTERS: Final = Part(1, 64, 8)
"""Of fixed windows, 40 bytes each: a million in 128 MiB when six in ten slots are taken, which is
about when the first sets of 64 are full."""
STATES: Final = (
    Part(4, 64, 4),
    Part(16, 64, 1),
    Part(64, 32, 1),
    Part(256, 32, 1),
    Part(2 * MOST_LOGGED, 16, 1),
)
"""Of algorithms: most have two or three numbers, which is 104 bytes each; sub-buckets up to 62, and
logs grow from one to the next."""


def create(size: int) -> int:
    """New memory without counters; its descriptor, which ends with its last user.

    It is not a file on a disk: a full disk would kill whoever writes to a page that has no place,
    and the kernel would write the counters out every few seconds.

    Raises:
        OSError: The system has no memory to give.
    """
    descriptor = os.memfd_create("gatewright-counters", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, size)
    os.pwrite(descriptor, _MAGIC + os.urandom(_SECRET), 0)
    return descriptor


def usable(descriptor: int, size: int) -> bool:
    """Whether it is memory of this layout and size, with counters that can go on."""
    return os.fstat(descriptor).st_size == size and os.pread(descriptor, len(_MAGIC), 0) == _MAGIC


class SharedMemory:
    """The memory as one process sees it. Use it in one thread: locks are of processes."""

    def __init__(self, descriptor: int) -> None:
        """Map what `create` made.

        The descriptor stays open as long as this is used, and no other of the same memory may be
        closed meanwhile: the kernel would release our locks.
        """
        self.descriptor = descriptor
        self.bytes = mmap.mmap(descriptor, 0)
        self.words = memoryview(self.bytes).cast("q")
        """Each is written by one store: who is killed leaves the old number or the new one."""
        secret = self.bytes[len(_MAGIC) : len(_MAGIC) + _SECRET]
        self._hash = hashlib.blake2b(digest_size=16, key=secret)

    def digest(self, key: bytes) -> bytes:
        """What stands for a key, 16 bytes.

        Two of n keys have the same with a probability of n^2 / 2^129: of 10^9 keys, 10^-21. Its
        secret is of this memory, so nobody can look for keys that have the same one, or that crowd
        into the place of somebody else's counter.
        """
        hashed = self._hash.copy()
        hashed.update(key)
        return hashed.digest()

    def layouts(self, parts: tuple[Part, ...], before: int = 0) -> list[Layout]:
        """Where the tables of these parts are, after so many sixteenths of all."""
        sixteenth = (len(self.bytes) - _HEADER) // 16
        made = []
        for part in parts:
            start = _HEADER + before * sixteenth
            before += part.sixteenths
            made.append(Layout.within(start, part.sixteenths * sixteenth, part.numbers, part.ways))
        return made

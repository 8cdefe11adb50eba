"""Files of counts whose place on the disk is taken before it is written.

prometheus-client maps files that are made longer by `ftruncate`, which takes no place. The place
is taken by the first write to each page, and on a disk that is full by then the kernel answers
that write with SIGBUS: a full `/tmp` would kill worker after worker.
"""

import errno
import os
import struct
import time
from typing import Final

from prometheus_client.mmap_dict import MmapedDict

FIRST: Final = 1 << 16
"""Bytes of a new file, as the library has it."""
TRY_AGAIN: Final = 1.0
"""Seconds between two attempts to take place on a full disk."""
_UNSUPPORTED = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)
_FIXED = struct.calcsize("i") + 8 + struct.calcsize("dd")
"""Bytes of an entry beside its key, padding included, at most."""


class ReservedDict:
    """In place of the library's `MmapedDict`: touches no page that it has no place for.

    It never raises. What finds no place counts on in memory, and goes to the file when there is
    place again.
    """

    def __init__(self, filename: str) -> None:
        self._filename = filename
        self._file: MmapedDict | None = None
        self._reserved = 0
        self._waiting: dict[str, tuple[float, float]] = {}
        self._next_try = 0.0
        self._open()

    def read_value(self, key: str) -> tuple[float, float]:
        """Value and time of a key; a new one is made as 0."""
        if self._has(key):
            assert self._file is not None  # noqa: S101  # `_has` saw to it
            value: tuple[float, float] = self._file.read_value(key)  # type: ignore[no-untyped-call]  # theirs
            return value
        return self._waiting.setdefault(key, (0.0, 0.0))

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Keeps a value."""
        if self._waiting and time.monotonic() >= self._next_try:
            self._place_waiting()
        if self._has(key):
            assert self._file is not None  # noqa: S101  # `_has` saw to it
            self._file.write_value(key, value, timestamp)  # type: ignore[no-untyped-call]  # theirs
        else:
            self._waiting[key] = (value, timestamp)

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()  # type: ignore[no-untyped-call]  # theirs
            self._file = None

    def _place_waiting(self) -> None:
        self._next_try = 0.0
        waiting, self._waiting = self._waiting, {}
        for key, (value, timestamp) in waiting.items():
            if self._has(key):
                assert self._file is not None  # noqa: S101  # `_has` saw to it
                self._file.write_value(key, value, timestamp)  # type: ignore[no-untyped-call]  # theirs
            else:
                self._waiting[key] = (value, timestamp)

    def _has(self, key: str) -> bool:
        """Whether the file has the key, or has place for it."""
        if self._file is not None and key in self._file._positions:
            return True
        if time.monotonic() < self._next_try:
            return False
        if self._file is None and not self._open():
            return False
        assert self._file is not None  # noqa: S101  # `_open` saw to it
        if key in self._file._positions:
            return True
        wanted = self._file._used + len(key.encode()) + _FIXED
        size = self._reserved
        while size < wanted:
            size *= 2
        return size == self._reserved or self._reserve(self._file._f.fileno(), size)

    def _open(self) -> bool:
        try:
            descriptor = os.open(self._filename, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            self._next_try = time.monotonic() + TRY_AGAIN
            return False
        try:
            if not self._reserve(descriptor, max(FIRST, os.fstat(descriptor).st_size)):
                return False
            self._file = MmapedDict(self._filename)  # type: ignore[no-untyped-call]  # theirs
            return True
        except OSError:
            self._next_try = time.monotonic() + TRY_AGAIN
            return False
        finally:
            os.close(descriptor)

    def _reserve(self, descriptor: int, size: int) -> bool:
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                self._next_try = time.monotonic() + TRY_AGAIN
                return False
        self._reserved = size
        return True

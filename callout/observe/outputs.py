"""Where lines go: a descriptor, a file that others rotate, or what several workers write to."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

LOOK_EVERY: Final = 1.0
"""Seconds between two looks whether the file was rotated away."""


class Output(Protocol):
    """Where lines go."""

    def descriptor(self) -> int:
        """What to write to now.

        Raises:
            OSError: there is nothing.
        """
        ...

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """While this holds, no other worker writes there."""
        ...


class FileOutput:
    """A file that others may rotate: opened anew when its name stands for another, or none."""

    def __init__(self, path: Path) -> None:
        """Opens it.

        Raises:
            OSError: it cannot be written to.
        """
        self._path = path
        self._file = -1
        self._looked = 0.0
        self.descriptor()

    def descriptor(self) -> int:
        """See `Output`."""
        now = time.monotonic()
        if self._file >= 0 and now - self._looked < LOOK_EVERY:
            return self._file
        self._looked = now
        if self._file >= 0 and not self._is_there():
            os.close(self._file)
            self._file = -1
        if self._file < 0:
            flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
            self._file = os.open(self._path, flags, 0o640)
        return self._file

    def close(self) -> None:
        """Nothing more is written."""
        os.close(self._file)
        self._file = -1

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """The kernel keeps one write together in a file that is appended to."""
        yield

    def _is_there(self) -> bool:
        try:
            named = self._path.stat()
        except OSError:
            return False
        mine = os.fstat(self._file)
        return (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino)


class OwnOutput:
    """A descriptor that nobody rotates; what is written stays together as far as POSIX keeps it."""

    def __init__(self, descriptor: int) -> None:
        """It is not closed."""
        self._descriptor = descriptor

    def descriptor(self) -> int:
        """See `Output`."""
        return self._descriptor

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody is kept out."""
        yield


class SharedOutput:
    """A descriptor that other workers have, too: standard output."""

    def __init__(self, descriptor: int, lock: Path) -> None:
        """Prepares.

        Args:
            descriptor: where to; it is not closed.
            lock: a file that all workers of this output lock.
        """
        self._descriptor = descriptor
        self._lock = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def descriptor(self) -> int:
        """See `Output`."""
        return self._descriptor

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """By the lock; a worker that dies gives it back."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

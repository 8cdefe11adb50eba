"""Events as lines of a file or of standard output, written by a thread.

Each is what OPA's console log writes for a decision, in one object: `type`, `msg` and `level`
beside the event. What is written at once is whole lines; several workers may write to one file or
pipe (of a pipe, POSIX keeps only 4 KiB together, so they take turns by a lock).
"""

import contextlib
import fcntl
import os
import select
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import structlog

from callout.observe.paced import Paced
from extauthz.decision_logs.buffer import Buffer

_log = structlog.get_logger("gatewright.decision_logs")

PREFIX: Final = b'{"type":"openpolicyagent.org/decision_logs","msg":"Decision Log","level":"info",'
AT_ONCE: Final = 64 << 10
"""Bytes of events that are written at once."""
TRY_AGAIN: Final = 0.5
"""Seconds between two attempts while nothing can be written: a full disk, a reader that is gone."""
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


class Lines:
    """Writes events of a buffer to an output, in order."""

    def __init__(self, output: Output, buffer: Buffer) -> None:
        """Starts the thread."""
        self.sent = 0
        """Events that are written."""
        self._output = output
        self._buffer = buffer
        self._closing = threading.Event()
        self._paced = Paced()
        self._rest = b""
        """Of a line that was written in part: it must end before anything else."""
        self._thread = threading.Thread(target=self._run, name="decision-lines", daemon=True)
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Writes what waits, for at most so many seconds."""
        self._closing.set()
        self._buffer.grew.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            self._buffer.grew.clear()
            closing = self._closing.is_set()  # after that: `close` sets it first
            while events := self._buffer.take(AT_ONCE):
                if not self._write(events):
                    if closing:
                        break
                    self._closing.wait(TRY_AGAIN)
                    closing = self._closing.is_set()
            if closing:
                return
            self._buffer.grew.wait()

    def _write(self, events: Sequence[bytes]) -> bool:
        try:
            with self._output.alone():
                if self._rest and not self._put(b""):
                    return False
                whole = self._put(b"".join([PREFIX + each[1:] + b"\n" for each in events]))
        except OSError as error:
            if (silent := self._paced.due("write", time.monotonic())) is not None:
                why = error.strerror or type(error).__name__
                _log.error("decision logs cannot be written", error=why, silent=silent)
            return False
        # what a disk took before it was full is written; the rest follows it
        self._buffer.done(len(events))
        self.sent += len(events)
        return whole

    def _put(self, data: bytes) -> bool:
        """Writes; False: in part, and the rest is kept.

        Raises:
            OSError: nothing of it was written.
        """
        data = self._rest + data
        begun = len(self._rest) > 0
        descriptor = self._output.descriptor()
        view = memoryview(data)
        while view:
            try:
                written = os.write(descriptor, view)
            except BlockingIOError:
                if self._wait(descriptor):
                    continue
                written = 0
            except OSError:
                if len(view) == len(data) and not begun:
                    raise
                written = 0
            view = view[written:]
            if not written:
                break
        if view and len(view) == len(data) and not begun:
            raise BlockingIOError
        self._rest = bytes(view)
        return not self._rest

    def _wait(self, descriptor: int) -> bool:
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        return bool(poll.poll(TRY_AGAIN * 1000))

"""Events as lines of a file or of standard output, written by a thread.

Each is what OPA's console log writes for a decision, in one object: `type`, `msg` and `level`
beside the event. What is written at once is whole lines; several workers may write to one file or
pipe (of a pipe, POSIX keeps only 4 KiB together, so they take turns by a lock).
"""

import os
import select
import threading
import time
from collections.abc import Sequence
from typing import Final

import structlog

from callout.observe.outputs import Output
from callout.observe.paced import Paced
from extauthz.decision_logs.buffer import Buffer

_log = structlog.get_logger("gatewright.decision_logs")

PREFIX: Final = b'{"type":"openpolicyagent.org/decision_logs","msg":"Decision Log","level":"info",'
AT_ONCE: Final = 64 << 10
"""Bytes of events that are written at once."""
TRY_AGAIN: Final = 0.5
"""Seconds between two attempts while nothing can be written: a full disk, a reader that is gone."""


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

"""Lines written by a thread of their own: who makes them never waits for who reads them."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

PAUSE: Final = 0.02
"""Seconds that lines are gathered for: not noticed by a reader, and one write for many lines."""
ATOMIC: Final = 4096
"""Bytes that are written at once: what POSIX keeps together in a pipe that several write to."""


class LineWriter(Generic[T]):
    """Renders items and writes them to a descriptor, in order.

    A reader that is too slow, or hangs, costs lines and not requests: beyond `backlog` waiting
    items, new ones are dropped and counted, and a line says how many.
    """

    def __init__(
        self,
        descriptor: int,
        render: Callable[[T], str],
        dropped: Callable[[int], str],
        backlog: int = 10_000,
    ) -> None:
        """Starts the thread.

        Args:
            descriptor: where to; it is not closed.
            render: makes the line, without its end; called in the thread.
            dropped: makes the line that stands for so many dropped items.
            backlog: items that may wait.
        """
        self.dropped = 0
        """Items that nobody will see."""
        self._descriptor = descriptor
        self._render = render
        self._render_dropped = dropped
        self._backlog = backlog
        self._waiting: deque[T] = deque()
        self._told = 0
        self._awake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Hands one item over; never waits."""
        if len(self._waiting) >= self._backlog:
            self.dropped += 1
            return
        self._waiting.append(item)
        if not self._awake.is_set():
            self._awake.set()

    def close(self, seconds: float = 1.0) -> None:
        """Writes what waits, for at most so many seconds."""
        self._closing = True
        self._awake.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        closing = False
        while not closing:
            self._awake.wait()
            closing = self._closing
            time.sleep(PAUSE)
            # Before the items are taken: one that comes now is seen in this round or wakes again.
            self._awake.clear()
            try:
                self._write_waiting()
            except OSError:
                # The reader is gone for good.
                self._backlog = 0
                self.dropped += len(self._waiting)
                self._waiting.clear()
                return

    def _write_waiting(self) -> None:
        chunk = bytearray()
        for _ in range(len(self._waiting)):
            line = self._render(self._waiting.popleft()).encode(errors="replace") + b"\n"
            if len(chunk) + len(line) > ATOMIC:
                self._write(chunk)
                chunk = bytearray()
            chunk += line
        if self.dropped > self._told:
            dropped = self.dropped
            chunk += self._render_dropped(dropped - self._told).encode() + b"\n"
            self._told = dropped
        self._write(chunk)

    def _write(self, chunk: bytearray) -> None:
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._descriptor, view) :]

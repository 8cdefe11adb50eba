"""Lines written by a thread of their own: who makes them never waits for who reads them."""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from callout.observe.outputs import Output, OwnOutput

T = TypeVar("T")

PAUSE: Final = 0.02
"""Seconds that lines are gathered for: not noticed by a reader, and one write for many lines."""
ATOMIC: Final = 4096
"""Bytes that are written at once: what POSIX keeps together in a pipe that several write to."""
TRY_AGAIN: Final = 0.5
"""Seconds between two attempts while nothing can be written: a full disk, a reader that is gone."""


class LineWriter(Generic[T]):
    """Renders items and writes them, in order.

    A reader that is slow, hangs or is gone, and a disk that is full, cost lines and not requests:
    beyond `backlog` waiting items, new ones are dropped and counted. Once lines can be written
    again, those that waited come first, none of them cut, and then a line says how many are
    missing.
    """

    def __init__(
        self,
        output: int | Output,
        render: Callable[[T], str],
        dropped: Callable[[int], str],
        backlog: int = 10_000,
    ) -> None:
        """Starts the thread.

        Args:
            output: where to: a descriptor, which is not closed, or what knows more about it.
            render: makes the line, without its end; called in the thread.
            dropped: makes the line that stands for so many dropped items.
            backlog: items that may wait.
        """
        self.dropped = 0
        """Items that nobody will see."""
        self._output = OwnOutput(output) if isinstance(output, int) else output
        self._render = render
        self._render_dropped = dropped
        self._backlog = backlog
        self._waiting: deque[T] = deque()
        self._chunk = bytearray()  # rendered, and not written yet
        self._chunk_items = 0
        self._told = 0
        self._awake = threading.Event()
        self._closing = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Items that are not written yet."""
        return len(self._waiting) + self._chunk_items

    def put(self, item: T) -> None:
        """Hands one item over; never waits."""
        if len(self._waiting) >= self._backlog:
            self.dropped += 1
            return
        self._waiting.append(item)
        if not self._awake.is_set():
            self._awake.set()

    def close(self, seconds: float = 1.0) -> None:
        """Writes what waits, for at most so many seconds; what then still waits is dropped."""
        if self._ended:
            return
        self._ended = True
        self._closing.set()
        self._awake.set()
        self._thread.join(seconds)
        self.dropped += self.waiting

    def _run(self) -> None:
        while True:
            self._awake.wait()
            closing = self._closing.is_set()
            time.sleep(PAUSE)
            # Before the items are taken: one that comes now is seen in this round or wakes again.
            self._awake.clear()
            written = self._write_waiting()
            if closing:
                return
            if not written:
                self._closing.wait(TRY_AGAIN)
                self._awake.set()

    def _write_waiting(self) -> bool:
        """False when the descriptor takes nothing now."""
        if not self._write_chunk():
            return False
        for _ in range(len(self._waiting)):
            line = self._line(self._waiting.popleft())
            if len(self._chunk) + len(line) > ATOMIC and not self._write_chunk():
                # One more than a chunk usually has, so that no item is lost.
                self._chunk += line
                self._chunk_items += 1
                return False
            self._chunk += line
            self._chunk_items += 1
        if self.dropped > self._told:
            dropped = self.dropped
            self._chunk += self._render_dropped(dropped - self._told).encode() + b"\n"
            self._told = dropped
        return self._write_chunk()

    def _line(self, item: T) -> bytes:
        try:
            return self._render(item).encode(errors="replace") + b"\n"
        except Exception as error:
            # A mistake of ours in one line must not end all others.
            return f"a line cannot be rendered: {type(error).__name__}\n".encode()

    def _write_chunk(self) -> bool:
        if self._chunk:
            try:
                with self._output.alone():
                    self._empty_chunk(self._output.descriptor())
            except OSError:
                return False
        if self._chunk:
            return False
        self._chunk_items = 0
        return True

    def _empty_chunk(self, descriptor: int) -> None:
        while self._chunk:
            try:
                written = os.write(descriptor, self._chunk)
            except BlockingIOError:
                # Somebody who has the same pipe made it so that writing does not wait.
                poll = select.poll()
                poll.register(descriptor, select.POLLOUT)
                if poll.poll(TRY_AGAIN * 1000):
                    continue
                return
            # What a disk took before it was full stays; the rest of the line follows it.
            del self._chunk[:written]

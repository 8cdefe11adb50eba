"""The channel between the supervisor and one worker: length-prefixed messages over a socket pair.

Each message is four bytes of length (network order) and that many bytes. The supervisor's end is
trusted, so the only limits are those that keep a broken or frozen peer from costing all memory.
Two lengths that no message has ask whether the other end is alive, and say so: `Control.ask`.
"""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final

MAX_MESSAGE: Final = 1 << 30
"""Bytes. A bundle is read under its own, far smaller limits; this one only stops nonsense."""
MOST_WAITING: Final = 1000
"""Messages that may wait for a peer that reads nothing; then the channel is given up. A worker is
told of something a few times a minute, and a frozen one is killed after seconds."""

_ASK: Final = b"\xff\xff\xff\xff"
_ANSWER: Final = b"\xff\xff\xff\xfe"


class Control:
    """One end of the channel."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: deque[bytes] = deque()
        self._run: Iterator[bytes] = iter(())
        self._writing: asyncio.Task[None] | None = None
        self._unanswered = 0
        self.answered = False
        """Whether the other end ever answered."""

    @classmethod
    async def over(cls, end: socket.socket) -> "Control":
        """Takes the socket over; it is closed with the channel."""
        return cls(*await asyncio.open_unix_connection(sock=end, limit=1 << 20))

    @property
    def waiting(self) -> int:
        """Messages that were sent, and that the peer has not taken yet."""
        return len(self._waiting)

    def send(self, message: bytes) -> None:
        """Queues one message; a peer that is gone is noticed by whoever reads."""
        self._queue(len(message).to_bytes(4, "big") + message)

    def send_run(self, messages: Iterable[bytes]) -> None:
        """Queues many messages that belong together; single ones may come in between.

        What is left of a run that was queued before is dropped: to a peer that reads slowly, or
        is frozen, only the newest is sent.
        """
        self._run = iter(messages)
        self._write()

    def ask(self) -> int:
        """Asks the other end for a sign of life; says how often in a row it gave none.

        The other end answers while it reads `messages`: as long as its event loop turns.
        """
        if not self._unanswered:
            self._queue(_ASK)
        self._unanswered += 1
        return self._unanswered - 1

    async def messages(self) -> AsyncIterator[bytes]:
        """Yields messages until the other end closes or breaks."""
        while True:
            try:
                head = await self._reader.readexactly(4)
                if head == _ASK:
                    self._queue(_ANSWER)
                    continue
                if head == _ANSWER:
                    self._unanswered, self.answered = 0, True
                    continue
                size = int.from_bytes(head, "big")
                if size > MAX_MESSAGE:
                    return
                message = await self._reader.readexactly(size)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            yield message

    def cut(self) -> None:
        """Ends it at once, from here."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Sends what is queued, as far as the peer still takes it, and closes."""
        if self._writing is not None:
            await asyncio.wait((self._writing,), timeout=1.0)
            self._writing.cancel()
        self._writer.close()
        with contextlib.suppress(ConnectionError, TimeoutError):
            await asyncio.wait_for(self._writer.wait_closed(), 1.0)

    def _queue(self, framed: bytes) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self.cut()
            return
        self._waiting.append(framed)
        self._write()

    def _write(self) -> None:
        if self._writer.is_closing():
            return
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                if self._waiting:
                    self._writer.write(self._waiting.popleft())
                elif (message := next(self._run, None)) is not None:
                    self._writer.write(len(message).to_bytes(4, "big") + message)
                else:
                    return
                await self._writer.drain()

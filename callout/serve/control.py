"""The channel between the supervisor and one worker: length-prefixed messages over a socket pair.

Each message is four bytes of length (network order) and that many bytes. The supervisor's end is
trusted, so the only limit is the one that keeps a broken peer from asking for all memory.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

MAX_MESSAGE = 1 << 30
"""Bytes. A bundle is read under its own, far smaller limits; this one only stops nonsense."""


class Control:
    """One end of the channel."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> "Control":
        """Takes the socket over; it is closed with the channel."""
        return cls(*await asyncio.open_unix_connection(sock=end, limit=1 << 20))

    def send(self, message: bytes) -> None:
        """Queues one message; a peer that is gone is noticed by whoever reads."""
        if not self._writer.is_closing():
            self._writer.write(len(message).to_bytes(4, "big") + message)

    async def messages(self) -> AsyncIterator[bytes]:
        """Yields messages until the other end closes or breaks."""
        while True:
            try:
                size = int.from_bytes(await self._reader.readexactly(4), "big")
                if size > MAX_MESSAGE:
                    return
                message = await self._reader.readexactly(size)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            yield message

    async def close(self) -> None:
        """Sends what is queued, as far as the peer still takes it, and closes."""
        self._writer.close()
        with contextlib.suppress(ConnectionError, TimeoutError):
            await asyncio.wait_for(self._writer.wait_closed(), 1.0)

"""Sends counters to a statsd server over UDP (an edge). Nobody says whether they arrive."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping

import structlog

from callout.observe.statsd.datagrams import Deltas, Style, datagrams

_log = structlog.get_logger("callout.statsd")


class StatsdSender:
    """Sends what has grown, again and again. Use it in one event loop."""

    def __init__(
        self,
        host: str,
        port: int,
        read: Callable[[], Iterable[tuple[str, int]]],
        every: float,
        tags: Mapping[str, str],
        style: Style = "dogstatsd",
    ) -> None:
        """Prepares.

        Args:
            host: of the server, resolved at each flush: addresses of Services change.
            port: of the server.
            read: gives the counters, by the names that are sent.
            every: seconds between two flushes.
            tags: of all counters.
            style: how tags are written.
        """
        self._where = (host, port)
        self._read = read
        self._every = every
        self._tags = tags
        self._style = style
        self._deltas = Deltas()
        self._task: asyncio.Task[None] | None = None
        self.failing = False
        """The last flush could not be sent; what it had is lost, as with any datagram."""

    def start(self) -> None:
        """Begins to send."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Sends the rest, and ends."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            await self.flush()

    async def flush(self) -> None:
        """Sends now."""
        grown = self._deltas.since(self._read())
        if not grown:
            return
        try:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=self._where
            )
        except (OSError, UnicodeError) as error:  # the latter: a host that no name can be
            if not self.failing:
                _log.warning("statistics cannot be sent", error=type(error).__name__)
            self.failing = True
            return
        self.failing = False
        # Closing sends what still waits for the socket.
        with contextlib.closing(transport):
            for each in datagrams(grown, self._tags, self._style):
                transport.sendto(each)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            await self.flush()

"""Sends counters to a statsd server over UDP (an edge). Nobody says whether they arrive."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Final

import structlog

from callout.observe.statsd.datagrams import Deltas, Style, Timed, TimedDeltas, datagrams

_log = structlog.get_logger("callout.statsd")

AT_ONCE: Final = 500
"""Counters that are looked at in one turn of the loop: a millisecond, where 70,000 that have all
grown take 0.15 s."""


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
        timed: Callable[[], Iterable[Timed]] = tuple,
    ) -> None:
        """Prepares.

        Args:
            host: of the server, resolved at each flush: addresses of Services change.
            port: of the server.
            read: gives the counters, by the names that are sent; looked at in several turns.
            every: seconds between two flushes.
            tags: of all counters.
            style: how tags are written.
            timed: gives what was timed, always the same names in the same order.
        """
        self._where = (host, port)
        self._read = read
        self._every = every
        self._tags = tags
        self._style = style
        self._deltas = Deltas()
        self._timed = timed
        self._timed_deltas = TimedDeltas()
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self.failing = False
        """The last flush could not be sent; what it had is lost, as with any datagram."""

    def start(self) -> None:
        """Begins to send."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Sends the rest, and ends."""
        # Not cancelled: what a flush under way has taken would be lost.
        self._closing.set()
        if self._task is not None:
            await self._task

    async def flush(self) -> None:
        """Sends now."""
        counters, parts = iter(self._read()), []
        while some := list(islice(counters, AT_ONCE)):
            if part := self._deltas.since(some):
                parts.append(part)
            await asyncio.sleep(0)
        timed = self._timed_deltas.since(self._timed())
        if not parts and not timed:
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
            for part in parts:
                for each in datagrams(part, self._tags, self._style):
                    transport.sendto(each)
                await asyncio.sleep(0)
            for each in datagrams((), self._tags, self._style, timed=timed):
                transport.sendto(each)

    async def _run(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._every)
            await self.flush()

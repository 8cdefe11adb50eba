"""What a connection writes, and how we end it.

What handlers answer in a tick of the loop leaves together with one write.
"""

import asyncio
import time
from typing import TYPE_CHECKING

from callout.grpc.answers import Refusal
from callout.grpc.head import Head
from callout.http2.connection import Connection
from callout.serve.ageing import Ageing
from callout.serve.parting import ALONE_SECONDS, Parting

if TYPE_CHECKING:
    from callout.serve.own import Core


class Channel(asyncio.Protocol):
    """The way out of one connection."""

    def __init__(self, core: "Core", now: float) -> None:
        self.core = core
        self._counters = core.counters
        self._http2: Connection[Head | Refusal] = Connection(core.interpret, core.options.limits)
        self._peer = ""
        self._transport: asyncio.Transport
        self._gone = False
        self._flushing = False
        self._paused = False
        self._writers: list[asyncio.Future[None]] = []
        self._unwritten = 0  # bytes of streams since the last write
        self._crowded = core.options.limits.queued_output // 2
        self._ageing = Ageing(core.options, now, core.jittered(core.options.max_age))
        self._parting: Parting | None = None
        self._parts: asyncio.TimerHandle | None = None

    def flush_soon(self) -> None:
        """Write at the end of this tick, with whatever else it brings."""
        if not self._flushing:
            self._flushing = True
            self.core.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._gone or self._paused:
            return
        self._unwritten = 0
        parting = self._parting
        if parting is None:
            out = self._http2.outgoing()
        else:
            out = parting.outgoing()
            if parting.done:
                self._parting = None
        if out:
            self._transport.write(out)
        if self._writers and self._http2.queued <= self._crowded:
            self._wake_writers()
        if parting is not None and not parting.done:
            return
        if self._http2.closed and not self._ageing.closing:
            if self._http2.terminated is not None:
                self._ended(self._http2.terminated.reason)
            self._ageing.closes(time.monotonic())
            self._transport.close()

    async def writable(self) -> None:
        """Wait while the client reads too slowly."""
        if self._unwritten > self.core.options.write_buffer:
            # The handler has not let the loop come to the write that `flush_soon` has planned.
            self._flush()
            await asyncio.sleep(0)
        # The windows of the client's are one for all streams: were each to queue what it has, they
        # would soon have more than a connection may (`Limits.queued_output`), which ends it.
        while (self._paused or self._http2.queued > self._crowded) and not self._gone:
            writer: asyncio.Future[None] = self.core.loop.create_future()
            self._writers.append(writer)
            await writer

    def _wake_writers(self) -> None:
        writers, self._writers = self._writers, []
        for writer in writers:
            if not writer.done():
                writer.set_result(None)

    # Ends.

    def leave(self, word: str, now: float) -> None:
        """Ask the client to go: no new calls here, those that run may end."""
        if not self._ageing.leaving:
            self._ended(word)
            self._ageing.asked_to_go(now)
            if not self._gone:
                self._parting = Parting(self._http2, now)
                self._transport.write(self._http2.outgoing())
                self._parts = self.core.loop.call_later(ALONE_SECONDS, self._part)
        self._flush()

    def _part(self) -> None:
        if self._parting is not None:
            self._parting.hurry()
            self._flush()

    def abort(self, word: str) -> None:
        """Cut the connection off."""
        self._ended(word)
        self._transport.abort()

    def _ended(self, word: str) -> None:
        self.core.refusals.connection(word, self._peer, time.monotonic())

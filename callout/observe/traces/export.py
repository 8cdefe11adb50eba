"""Spans that wait to be sent, and their sending: a bounded queue, one task, one batch at a time."""

import asyncio
import contextlib
from collections import deque
from typing import Final, NamedTuple, Protocol, TypeAlias

import structlog

from callout.observe.traces.encode import Encoder
from callout.observe.traces.span import Span

_log = structlog.get_logger("callout.traces")

EVERY: Final = 1.0
"""Seconds that a span waits at most for others to be sent with it."""
BATCH: Final = 256
"""Spans of one message: some 50 kilobytes."""
SLICE: Final = 16
"""Spans that are encoded before requests have their turn: 0.3 ms."""
TRIES: Final = 4
"""Of one batch, if the collector can be expected back: 7 seconds of waiting, a quick restart.
Meanwhile the queue fills, and what does not fit is dropped."""
_LOG_EVERY: Final = 60.0
"""Seconds between two log lines: a collector that is away fails every few seconds."""


class Accepted(NamedTuple):
    """The collector took the batch."""

    rejected: int = 0
    """Spans of it that it did not take."""


class NotSent(NamedTuple):
    """The collector did not take the batch."""

    reason: str
    """A word of ours or of the protocol; never what the collector said."""
    again: bool
    """Whether it may be tried again."""


Outcome: TypeAlias = Accepted | NotSent


class Sender(Protocol):
    """The way to a collector. Never raises, and answers within seconds."""

    async def send(self, message: bytes) -> Outcome:
        """Sends one serialized ExportTraceServiceRequest."""
        ...

    async def close(self) -> None:
        """Ends the connection."""
        ...


class Exporter:
    """Takes spans that have ended and sends them, or drops them; nobody ever waits for it.

    Use it in one event loop.
    """

    def __init__(self, sender: Sender, encoder: Encoder, most: int) -> None:
        """Prepares.

        Args:
            sender: owned from now on.
            encoder: makes messages.
            most: spans that may wait.
        """
        self._sender = sender
        self._encoder = encoder
        self._most = most
        self._waiting: deque[Span] = deque()
        self._full = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._sending = 0
        self._closing = asyncio.Event()
        self._log_at = 0.0
        self.dropped_full = 0
        """Spans for which there was no room."""
        self.dropped_failed = 0
        """Spans that the collector did not take, or not before the end."""

    def put(self, span: Span) -> None:
        """Sends it some time, if there is room."""
        waiting = self._waiting
        if len(waiting) >= self._most:
            self.dropped_full += 1
            return
        waiting.append(span)
        if len(waiting) == BATCH:
            self._full.set()

    def start(self) -> None:
        """Begins to send."""
        self._task = asyncio.create_task(self._run())

    async def close(self, seconds: float) -> None:
        """Sends what waits, for so long at most; what is left is dropped."""
        self._closing.set()
        self._full.set()
        if self._task is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._task, seconds)
        self.dropped_failed += len(self._waiting) + self._sending
        self._waiting.clear()
        self._sending = 0
        await self._sender.close()

    async def _run(self) -> None:
        while self._waiting or not self._closing.is_set():
            if not self._closing.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._full.wait(), EVERY)
                self._full.clear()
            while self._waiting:
                await self._send_batch()
                if len(self._waiting) < BATCH and not self._closing.is_set():
                    break

    async def _send_batch(self) -> None:
        waiting = self._waiting
        count = self._sending = min(len(waiting), BATCH)
        batch = [waiting.popleft() for _ in range(count)]
        message = self._encoder.message()
        try:
            for at in range(0, count, SLICE):
                message.add(batch[at : at + SLICE])
                await asyncio.sleep(0)
            outcome = await self._deliver(message.serialized())
        except Exception as error:
            # One batch that cannot be sent must not be the end of all traces.
            outcome = NotSent(type(error).__name__, again=False)
        self._sending = 0
        if isinstance(outcome, Accepted):
            self.dropped_failed += outcome.rejected
        else:
            self.dropped_failed += count
            self._say(outcome.reason)

    async def _deliver(self, message: bytes) -> Outcome:
        wait = EVERY
        outcome = await self._sender.send(message)
        for _ in range(TRIES - 1):
            if isinstance(outcome, Accepted) or not outcome.again or self._closing.is_set():
                break
            # A queue that runs full must not shorten this; the end of the process does.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), wait)
            wait *= 2
            outcome = await self._sender.send(message)
        return outcome

    def _say(self, reason: str) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._log_at:
            self._log_at = now + _LOG_EVERY
            _log.warning(
                "spans cannot be sent",
                reason=reason,
                dropped=self.dropped_failed + self.dropped_full,
            )

"""One timer on the event loop: how late it runs, and the flush of what was counted."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

_log = structlog.get_logger("callout.observe")

EVERY: Final = 0.1
"""Seconds between two looks at the loop."""
FLUSH_EVERY: Final = 5
"""Looks between two flushes: twice a second."""


class LoopMonitor:
    """Measures the lag of the loop that `start` is called in."""

    def __init__(self, lag: Callable[[float], None], flush: Callable[[], None]) -> None:
        """Prepares.

        Args:
            lag: told each time by how many seconds the timer was late.
            flush: called twice a second and at the end.
        """
        self._lag = lag
        self._flush = flush
        self._looks = 0
        self._due = 0.0
        self._failing = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins."""
        self._loop = asyncio.get_running_loop()
        self._wait()

    def stop(self) -> None:
        """Ends, with a last flush."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._flush_safely()

    def _wait(self) -> None:
        # Not the loop's own clock: uvloop's stands still while callbacks run.
        self._due = time.monotonic() + EVERY
        self._timer = self._loop.call_later(EVERY, self._look)

    def _look(self) -> None:
        # libuv's timers are of whole milliseconds and may be one early.
        self._lag(max(0.0, time.monotonic() - self._due))
        self._looks += 1
        if self._looks % FLUSH_EVERY == 0:
            self._flush_safely()
        self._wait()

    def _flush_safely(self) -> None:
        try:
            self._flush()
        except Exception:
            # Metrics must not take decisions down with them; said once, not twice a second.
            if not self._failing:
                _log.exception("metrics cannot be written")
            self._failing = True
        else:
            self._failing = False

"""A worker's statistics, told to the supervising process once a second."""

import asyncio
import contextlib
from typing import Final

from callout.serve.control import Control
from gatewright.run import messages
from ratelimit.er.stats import ErStats
from ratelimit.er.sums import Grown, Growth

EVERY: Final = 1.0
"""Seconds. Whoever scrapes asks every 15 or so; a worker that is killed loses so much."""
AT_ONCE: Final = 500
"""Rules that are looked at in one turn of the loop: 0.06 ms, and 0.3 if all have grown."""


class ErReport:
    """Use it in one event loop."""

    def __init__(self, stats: ErStats, control: Control) -> None:
        self._stats = stats
        self._growth = Growth(stats)
        self._control = control
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to tell."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Tells the rest, and ends."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            await self.tell()

    async def tell(self) -> None:
        """Tells now what has grown."""
        names = list(self._stats.rows)
        for start in range(0, len(names), AT_ONCE):
            self._send(self._growth.of_rules(names[start : start + AT_ONCE]))
            await asyncio.sleep(0)
        self._send(self._growth.of_others())

    def _send(self, grown: Grown) -> None:
        if grown.rules or grown.others:
            self._control.send(messages.encode(messages.Counted(grown)))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            # What nobody reads must not pile up: it is told with what comes later.
            if not self._control.waiting:
                await self.tell()

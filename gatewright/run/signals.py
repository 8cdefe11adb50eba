"""SIGTERM and SIGINT stop, SIGHUP reloads, SIGUSR2 restarts; a second stop does not wait."""

import asyncio
import os
import signal
from collections.abc import Callable

INTERRUPTED = 130
"""Exit status of a stop that did not wait, as shells give it."""


class Signals:
    """Takes the process's signals over, in the running event loop."""

    def __init__(self) -> None:
        self._stop = asyncio.Event()
        self._hurry: Callable[[], None] = lambda: os._exit(INTERRUPTED)
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stopping)

    def on_reload(self, reload: Callable[[], None]) -> None:
        """Calls `reload` at each SIGHUP."""
        self._loop.add_signal_handler(signal.SIGHUP, reload)

    def on_restart(self, restart: Callable[[], None]) -> None:
        """Calls `restart` at each SIGUSR2."""
        self._loop.add_signal_handler(signal.SIGUSR2, restart)

    def on_second(self, hurry: Callable[[], None]) -> None:
        """Calls `hurry` when asked to stop again; by default the process ends there and then."""
        self._hurry = hurry

    async def stop(self) -> None:
        """Returns when the process is asked to stop."""
        await self._stop.wait()

    def _stopping(self) -> None:
        if self._stop.is_set():
            # Whoever asks twice does not want to wait for the drain.
            self._hurry()
        self._stop.set()

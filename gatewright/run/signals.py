"""SIGTERM and SIGINT stop, SIGHUP reloads; a second stop signal does not wait."""

import asyncio
import os
import signal
from collections.abc import Callable


class Signals:
    """Takes the process's signals over, in the running event loop."""

    def __init__(self) -> None:
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stopping)

    def on_reload(self, reload: Callable[[], None]) -> None:
        """Calls `reload` at each SIGHUP."""
        self._loop.add_signal_handler(signal.SIGHUP, reload)

    async def stop(self) -> None:
        """Returns when the process is asked to stop."""
        await self._stop.wait()

    def _stopping(self) -> None:
        if self._stop.is_set():
            # Whoever asks twice does not want to wait for the drain.
            os._exit(130)
        self._stop.set()

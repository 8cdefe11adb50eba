"""Settings that count while the process runs: the log level. The others need a restart."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import structlog

from callout.config.problems import Rejected
from callout.config.settings import Settings

_log = structlog.get_logger("gatewright.settings")

LOOK_EVERY: Final = 2.0
"""Seconds between two looks at the file."""

_State: TypeAlias = tuple[int, int, int, int] | None


class SettingsFile:
    """Reads the settings again when their file changes, or when it is told to."""

    def __init__(
        self,
        path: Path | None,
        settings: Settings,
        read: Callable[[], Settings | Rejected],
        apply: Callable[[Settings], None],
    ) -> None:
        """Prepares.

        Args:
            path: the file; None: there is none, and only `read_again` reads.
            settings: those that the process was started with.
            read: reads them all again, from the file, the environment and the flags.
            apply: takes the log level over.
        """
        self._path = path
        self._settings = settings
        self._read = read
        self._apply = apply
        self._state = self._look()

    async def run(self) -> None:
        """Looks at the file until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if self._look() != self._state:
                self.read_again()

    def read_again(self) -> None:
        """Takes over what may change; settings with a problem change nothing."""
        self._state = self._look()
        found = self._read()
        if isinstance(found, Rejected):
            problems = [str(each) for each in found.problems]
            _log.error("settings rejected; those of before stay", problems=problems)
            return
        if found == self._settings:
            return
        before, self._settings = self._settings, found
        if found.telemetry.level != before.telemetry.level:
            self._apply(found)
            _log.info("log level changed", level=found.telemetry.level)
        as_before = {"telemetry": found.telemetry.model_copy(update={"level": "info"})}
        was = {"telemetry": before.telemetry.model_copy(update={"level": "info"})}
        if found.model_copy(update=as_before) != before.model_copy(update=was):
            _log.warning("settings changed that need a restart")

    def _look(self) -> _State:
        if self._path is None:
            return None
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)

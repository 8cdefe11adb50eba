"""Whether a worker's health is SERVING: a bundle, and what the settings ask for besides."""

import asyncio
from collections.abc import Callable
from typing import Final

from callout.config.settings import Settings
from callout.config.snapshot import Snapshot
from callout.grpc.health import HealthBoard
from gatewright.run.lacking import lacking

LOOK_EVERY: Final = 0.2
"""Seconds. A breaker opens and closes several times a second; probes come less often."""


class Serving:
    """Keeps the board; use it in the worker's event loop."""

    def __init__(
        self, settings: Settings, health: HealthBoard, redis_away: Callable[[], bool]
    ) -> None:
        """Keep `health`, NOT_SERVING until a bundle is loaded.

        Args:
            settings: of the process.
            health: is told.
            redis_away: whether counters in some Redis cannot be asked now.
        """
        self._settings = settings
        self._health = health
        self._redis_away = redis_away
        self._good = False
        """By the bundle alone."""
        self._looking: asyncio.Task[None] | None = None
        self._told: bool | None = None
        self._tell()

    def loaded(self, snapshot: Snapshot | None) -> None:
        """Another bundle decides."""
        self._good = lacking(self._settings, snapshot) is None
        self._tell()

    def start(self) -> None:
        """Looks at Redis from now on, if the settings say so."""
        if self._settings.limits.needs_redis:
            self._looking = asyncio.create_task(self._look())

    def stop(self) -> None:
        """Looks no more."""
        if self._looking is not None:
            self._looking.cancel()

    def _tell(self) -> None:
        away = self._settings.limits.needs_redis and self._redis_away()
        serving = self._good and not away
        if serving is not self._told:
            self._told = serving
            self._health.set("", serving=serving)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self._tell()

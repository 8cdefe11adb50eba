"""Statistics of all workers under envoyproxy/ratelimit's names, in the supervising process."""

import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from aiohttp import web

from callout.config.settings import Settings
from callout.observe import scraped
from callout.observe.statsd.sender import StatsdSender
from callout.serve.address import address_of
from gatewright.run.er.statistics import counts, statsd_sender
from ratelimit.er.prometheus import CONTENT_TYPE, exposition
from ratelimit.er.stats import CONFIG_LOAD
from ratelimit.er.sums import ErSums, Grown

_RESULTS: Final = {"loaded": "success", "rejected": "error"}
"""Of loads, in that service's words."""


class ErFleet:
    """Adds up what workers tell, and shows it. Use it in one event loop."""

    def __init__(self, settings: Settings, loads: Callable[[], Mapping[str, int]]) -> None:
        """Prepares; `loads` gives the loads of the bundle by result."""
        self._loads = loads
        self._sums = ErSums()
        self._prometheus = settings.limits.prometheus
        self._statsd: StatsdSender | None = None
        if counts(settings):
            # Workers send their own; loads are of this process.
            self._statsd = statsd_sender(settings, self._loads_sent)
        self._runner: web.AppRunner | None = None
        self.address = ""
        """Where Prometheus finds them; empty: nowhere."""

    def heard(self, grown: Grown) -> None:
        """What a worker has counted."""
        self._sums.add(grown)

    async def start(self, listening: socket.socket | None) -> None:
        """Begins to send, and to answer Prometheus on a bound socket."""
        if self._statsd is not None:
            self._statsd.start()
        if self._prometheus is not None and listening is not None:
            self.address = str(address_of(listening))
            self._runner = await scraped.serve(
                self._prometheus.path, CONTENT_TYPE, self._exposition, listening
            )

    async def close(self) -> None:
        """Sends the rest, and listens no more."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
        statsd, self._statsd = self._statsd, None
        if statsd is not None:
            await statsd.close()

    def text(self) -> str:
        """`/stats`: a line for each number, in the order of their names."""
        found = [*self._loads_sent(), *self._sums.counters()]
        return "".join(f"{name}: {value}\n" for name, value in sorted(found))

    def _exposition(self) -> bytes:
        return exposition(self._sums, self._by_result())

    def _by_result(self) -> dict[str, int]:
        loads = self._loads()
        return {theirs: loads.get(ours, 0) for ours, theirs in _RESULTS.items()}

    def _loads_sent(self) -> Iterator[tuple[str, int]]:
        for result, times in self._by_result().items():
            yield f"{CONFIG_LOAD}{result}", times

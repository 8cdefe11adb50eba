"""Metrics of the process that loads the bundle and keeps the workers."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, get_args

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

LoadResult = Literal["loaded", "rejected"]
LOAD_RESULTS: Final[tuple[LoadResult, ...]] = get_args(LoadResult)


class FleetMetrics:
    """Loads of the bundle, and which snapshot the workers decide by."""

    def __init__(
        self, digests: Callable[[], Sequence[str]], restarts: Callable[[], int] = lambda: 0
    ) -> None:
        """Prepares.

        Args:
            digests: the snapshot's digest of each worker that has one, asked at each scrape.
            restarts: how often a worker was replaced.
        """
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs
        self.registry = CollectorRegistry()
        self._loads = Counter(
            "gatewright_config_load",
            "Bundles that were read: used (`loaded`), or refused for their problems (`rejected`).",
            ["result"],
            registry=self.registry,
        )
        for result in LOAD_RESULTS:
            # Alerts need the zero: a series that appears with its first failure shows no increase.
            self._loads.labels(result)
        self.registry.register(_Workers(digests, restarts))

        self.loads: Tally[str] = Tally()
        """Loads of the bundle by result."""

    def config_load(self, result: LoadResult, times: int = 1) -> None:
        """Counts one load of the bundle, or those of a process that we take over from."""
        self._loads.labels(result).inc(times)
        self.loads[result] += times


class _Workers(Collector):
    # Made anew at each scrape: a gauge would keep a series for every digest that ever was.

    def __init__(self, digests: Callable[[], Sequence[str]], restarts: Callable[[], int]) -> None:
        self._digests = digests
        self._restarts = restarts

    def collect(self) -> Iterable[Metric]:
        snapshot = GaugeMetricFamily(
            "gatewright_snapshot_info",
            "Workers that decide by the snapshot of this digest.",
            labels=["digest"],
        )
        for digest, workers in sorted(Tally(self._digests()).items()):
            snapshot.add_metric([digest], workers)
        yield snapshot
        yield CounterMetricFamily(
            "gatewright_worker_restarts", "Workers that died and were replaced.", self._restarts()
        )

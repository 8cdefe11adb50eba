"""What a worker counts and shows, put together."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from callout.config.settings import Telemetry as TelemetrySettings
from callout.observe import decision_lines, shared
from callout.observe.debug.slowest import Slowest
from callout.observe.decision import Observer
from callout.observe.decision_lines import DecisionLines
from callout.observe.decision_rules import PRESETS, DecisionRules, Rule
from callout.observe.line_writer import LineWriter
from callout.observe.loop import LoopMonitor
from callout.observe.metrics import Metrics
from callout.observe.observers import MetricsObserver, Tee
from callout.observe.sources import follow_transport
from callout.serve.counters import Counters
from gatewright.run.parts import Parts

if TYPE_CHECKING:
    from gatewright.run.tracing import Tracing


class Telemetry:
    """Metrics, decision lines and the watch on the event loop of one worker.

    Make it before anything else: metrics that are made earlier are not shared.
    """

    def __init__(
        self, settings: TelemetrySettings, metrics_directory: Path, worker: int = 0
    ) -> None:
        """Joins the workers that share `metrics_directory`, as the one of this number."""
        place = shared.join(metrics_directory)
        self.folder = metrics_directory
        """Which all workers share."""
        self.metrics = Metrics()
        self.counters = Counters()
        """Of the transport."""
        follow_transport(self.metrics, self.counters)
        self._monitor = LoopMonitor(self.metrics.lag.observe, self._flush)
        self._lines: LineWriter[decision_lines.Seen] | None = None
        self.slowest = Slowest()
        """The slowest decisions of the last minutes."""
        counting = MetricsObserver(self.metrics.tally, self.slowest)
        self.observer: Observer = counting
        """Told of every decision."""
        if settings.decisions != "off":
            output = sys.stdout.fileno()
            style = (
                decision_lines.json_lines(worker)
                if settings.log == "json"
                else decision_lines.readable(colours=os.isatty(output))
            )
            self._lines = lines = LineWriter(output, style.line, style.dropped)
            self.metrics.follow_counter(
                "gatewright_decision_lines_dropped",
                "Decision lines that were not written: their reader is slow, or their disk full.",
                lambda: lines.dropped,
            )
            self.observer = Tee(counting, DecisionLines(lines.put, _rules(settings)))
        self.parts = Parts()
        """What the faces are made of."""
        self._tracing: Tracing | None = None
        if settings.otlp is not None:
            self.parts = self._tracing = tracing = _tracing(
                settings.otlp, settings, place, self.metrics, metrics_directory
            )
            self.observer = tracing.observer(self.observer)

    def start(self) -> None:
        """Begins to watch the event loop, and to write down what was counted."""
        self._monitor.start()
        if self._tracing is not None:
            self._tracing.start()

    def _flush(self) -> None:
        self.slowest.turn()
        self.metrics.flush()

    async def stop(self) -> None:
        """Writes down the rest, and sends the last spans."""
        if self._tracing is not None:
            await self._tracing.close()
        if self._lines is not None:
            # First: it counts what it could not write.
            self._lines.close()
        self._monitor.stop()


def _rules(settings: TelemetrySettings) -> DecisionRules:
    chosen = settings.decisions
    if isinstance(chosen, str):
        return DecisionRules(PRESETS[chosen])
    return DecisionRules([Rule(**each.model_dump()) for each in chosen])


def _tracing(
    collector: str, settings: TelemetrySettings, place: int, metrics: Metrics, directory: Path
) -> "Tracing":
    # Here: without traces, a worker has no need of their 10 MB.
    from gatewright.run.tracing import Tracing

    return Tracing(collector, settings.traces, place, metrics, directory)

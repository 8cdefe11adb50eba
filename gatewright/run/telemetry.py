"""What a worker counts and shows, put together."""

import os
import sys
from pathlib import Path

from callout.config.settings import Telemetry as TelemetrySettings
from callout.observe import decision_lines, shared
from callout.observe.decision import Observer
from callout.observe.decision_lines import DecisionLines
from callout.observe.decision_rules import PRESETS, DecisionRules, Rule
from callout.observe.line_writer import LineWriter
from callout.observe.loop import LoopMonitor
from callout.observe.metrics import Metrics
from callout.observe.observers import MetricsObserver, Tee
from callout.observe.sources import follow_transport
from callout.serve.counters import Counters


class Telemetry:
    """Metrics, decision lines and the watch on the event loop of one worker.

    Make it before anything else: metrics that are made earlier are not shared.
    """

    def __init__(self, settings: TelemetrySettings, metrics_directory: Path) -> None:
        """Joins the workers that share `metrics_directory`."""
        place = shared.join(metrics_directory)
        self.metrics = Metrics()
        self.counters = Counters()
        """Of the transport."""
        follow_transport(self.metrics, self.counters)
        self._monitor = LoopMonitor(self.metrics.lag.observe, self.metrics.flush)
        self._lines: LineWriter[decision_lines.Seen] | None = None
        counting = MetricsObserver(self.metrics.tally)
        self.observer: Observer = counting
        """Told of every decision."""
        if settings.decisions != "off":
            output = sys.stdout.fileno()
            style = (
                decision_lines.json_lines(place)
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

    def start(self) -> None:
        """Begins to watch the event loop, and to write down what was counted."""
        self._monitor.start()

    def stop(self) -> None:
        """Writes down the rest."""
        self._monitor.stop()
        if self._lines is not None:
            self._lines.close()


def _rules(settings: TelemetrySettings) -> DecisionRules:
    chosen = settings.decisions
    if isinstance(chosen, str):
        return DecisionRules(PRESETS[chosen])
    return DecisionRules([Rule(**each.model_dump()) for each in chosen])

"""What operators see of bundles and status reports: read at each scrape, nothing is kept twice."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from extauthz.opa.reporter import Reporter
from extauthz.opa.status import BundleStatus

MOST_REVISION: Final = 100
"""Characters of a revision, which is the service's own text, in a label."""


class BundleMetrics(Collector):
    """Series of each bundle of the configuration: one of them each, whatever comes."""

    def __init__(self, bundles: Mapping[str, BundleStatus], reporter: Reporter | None) -> None:
        """Prepares.

        Args:
            bundles: by name.
            reporter: None: nothing is reported.
        """
        self._bundles = bundles
        self._reporter = reporter

    def collect(self) -> Iterable[Metric]:
        """Read at each scrape."""
        activations = CounterMetricFamily(
            "gatewright_bundle_activations", "Bundles that are used.", labels=["bundle"]
        )
        failures = CounterMetricFamily(
            "gatewright_bundle_failures",
            "Tries that failed, by stage: nothing came (request), or it is not used (activation).",
            labels=["bundle", "stage"],
        )
        activated = GaugeMetricFamily(
            "gatewright_bundle_last_activation_seconds",
            "Unix time of the last activation; 0: never.",
            labels=["bundle"],
        )
        answered = GaugeMetricFamily(
            "gatewright_bundle_last_success_seconds",
            "Unix time of the last good answer of the service; 0: never.",
            labels=["bundle"],
        )
        info = GaugeMetricFamily(
            "gatewright_bundle_info",
            "1 if it is in use and nothing is wrong with what came last, otherwise 0.",
            labels=["bundle", "revision"],
        )
        for name, each in self._bundles.items():
            activations.add_metric([name], each.activations)
            for stage, times in each.failures.items():
                failures.add_metric([name, stage], times)
            activated.add_metric([name], each.activated)
            answered.add_metric([name], each.succeeded)
            info.add_metric([name, _label(each.revision)], float(each.is_active))
        yield from (activations, failures, activated, answered, info)
        if self._reporter is not None:
            reports = CounterMetricFamily(
                "gatewright_status_reports",
                "Status reports that the service took, and those that it did not.",
                labels=["result"],
            )
            reports.add_metric(["taken"], self._reporter.sent)
            reports.add_metric(["failed"], self._reporter.failed)
            yield reports


def as_reported(families: Iterable[Metric]) -> dict[str, Any]:
    """Counters and gauges as OPA writes its own into a status report: protobuf's JSON."""
    reported = {}
    for each in families:
        name = f"{each.name}_total" if each.type == "counter" else each.name
        series = [
            {
                "label": [{"name": label, "value": text} for label, text in sample.labels.items()],
                each.type: {"value": sample.value},
            }
            for sample in each.samples
        ]
        kind = each.type.upper()
        reported[name] = {"name": name, "help": each.documentation, "type": kind, "metric": series}
    return reported


def _label(revision: str) -> str:
    """Half of a surrogate pair could not be sent to whoever scrapes."""
    return revision[:MOST_REVISION].encode("utf-8", "replace").decode()

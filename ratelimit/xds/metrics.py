"""What operators see of the management server: read at each scrape."""

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector


@dataclass(slots=True)
class XdsCounts:
    """What has happened with one server."""

    connected: bool = False
    """Whether a stream is open on which the server has answered."""
    accepted: int = 0
    refused: int = 0
    foreign: int = 0
    """Responses of another type than the one that was asked for."""
    streams_ended: int = 0
    """Streams that ended, or never came about, whoever's fault."""
    last_accepted: float = 0.0
    """Unix time; 0: never."""


class XdsMetrics(Collector):
    """The series of one server."""

    def __init__(self, counts: XdsCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        """Read at each scrape."""
        counts = self._counts
        connected = GaugeMetricFamily(
            "gatewright_xds_connected",
            "1 while a stream is open on which the management server has answered, otherwise 0.",
            value=float(counts.connected),
        )
        responses = CounterMetricFamily(
            "gatewright_xds_responses",
            "Responses, by what became of them: accepted (ACK), refused (NACK), of a foreign type.",
            labels=["result"],
        )
        responses.add_metric(["accepted"], counts.accepted)
        responses.add_metric(["refused"], counts.refused)
        responses.add_metric(["foreign"], counts.foreign)
        ended = CounterMetricFamily(
            "gatewright_xds_streams_ended",
            "Streams that ended, and attempts that failed.",
            value=counts.streams_ended,
        )
        accepted = GaugeMetricFamily(
            "gatewright_xds_last_accepted_seconds",
            "Unix time of the last response that was accepted; 0: never.",
            value=counts.last_accepted,
        )
        return (connected, responses, ended, accepted)

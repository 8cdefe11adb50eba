"""What operators see of the certificates: two series, and a part of `/config`."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from callout.serve.certificate_keeper import CertificateKeeper
from callout.serve.certificates import fingerprint


class CertificateMetrics(Collector):
    """Reloads of the certificate files, and when the certificates in use end."""

    def __init__(self, keeper: CertificateKeeper) -> None:
        self._keeper = keeper

    def collect(self) -> Iterable[Metric]:
        """Read at each scrape."""
        reloads = CounterMetricFamily(
            "gatewright_certificate_reload",
            "Certificate files that changed: taken (`loaded`), or refused (`rejected`).",
            labels=["result"],
        )
        reloads.add_metric(["loaded"], self._keeper.reloads.loaded)
        reloads.add_metric(["rejected"], self._keeper.reloads.rejected)
        yield reloads
        expiry = GaugeMetricFamily(
            "gatewright_certificate_expiry_seconds",
            "Unix time at which the first certificate in use ends.",
            labels=["which"],
        )
        for which, ends in self._keeper.verdict.expiry.items():
            expiry.add_metric([which], ends)
        yield expiry


def certificates_shown(keeper: CertificateKeeper | None) -> Mapping[str, object] | None:
    """For `/config`; None without TLS."""
    if keeper is None:
        return None
    return {
        "sha256": fingerprint(keeper.current),
        "expiry": {
            which: datetime.fromtimestamp(ends, UTC).isoformat()
            for which, ends in keeper.verdict.expiry.items()
        },
        "warnings": list(keeper.verdict.warnings),
        "problem": keeper.problem,
    }

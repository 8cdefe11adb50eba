"""The face `process`, with what it counts exported."""

from collections.abc import Callable

import structlog

from callout.config.snapshot import Snapshot
from callout.observe.metrics import Metrics
from gatewright.run.telemetry import Telemetry
from waf.audit.log import AuditLog
from waf.matcher import hyperscan
from waf.metrics import follow_waf
from waf.report import Report
from waf.service import InspectionService
from waf.tally import Tally

_log = structlog.get_logger("gatewright.process")


def inspections(
    snapshot: Callable[[], Snapshot | None], telemetry: Telemetry, audit: AuditLog | None
) -> InspectionService:
    """Makes it."""
    if fault := hyperscan.fault():
        _log.warning("patterns are looked for by RE2 alone", reason=fault)
    tally = Tally()
    follow_waf(telemetry.metrics, tally)
    service = InspectionService(snapshot, telemetry.observer, Report(tally, audit))
    follow_inspections(telemetry.metrics, service)
    return service


def follow_inspections(metrics: Metrics, service: InspectionService) -> None:
    """Exports what became of messages, and the memory of their bodies."""
    metrics.follow_counters(
        "gatewright_process_events",
        "Messages that were blocked, failed, or not looked at, by side and what happened.",
        "event",
        lambda: service.events,
    )
    metrics.follow_counters(
        "gatewright_process_unjudged",
        "Exchanges that no policy inspects.",
        "reason",
        lambda: service.unjudged,
    )
    metrics.follow_gauge(
        "gatewright_process_held_bytes",
        "Bytes of bodies that are kept until they are whole.",
        lambda: service.held,
        across="sum",
    )

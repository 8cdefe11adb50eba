"""Exports what rules come to, under these names."""

from collections.abc import Callable, Mapping

from prometheus_client import Counter

from callout.observe.metrics import Metrics, TalliedHistogram
from waf.audit.log import AuditLog
from waf.matcher import hyperscan
from waf.tally import SCORES, Tally


def follow_waf(metrics: Metrics, tally: Tally) -> None:
    """The counts of one worker."""
    _by_rule(
        metrics,
        "gatewright_waf_rule_hits",
        "Matches of rules that say `log`, by the rule's id; 1,000 rules at most, the rest `other`.",
        lambda: tally.hits,
    )
    _by_rule(
        metrics,
        "gatewright_waf_rule_seconds",
        "How long rules took in the transactions that were timed, by the rule's id; `nomination` "
        "is the search for rules that could match at all.",
        lambda: tally.seconds,
    )
    for name, help_text, read in (
        ("timed", "Transactions whose rules were timed.", lambda: tally.timed),
        (
            "nominated",
            "Rules that could have matched, and so were asked about each value.",
            lambda: tally.nominated,
        ),
        ("confirmed", "Rules that were nominated and matched.", lambda: tally.confirmed),
        (
            "out_of_time",
            "Transactions whose budget of time was spent before all rules had run.",
            lambda: tally.out_of_time,
        ),
    ):
        metrics.follow_counter(f"gatewright_waf_{name}", help_text, read)
    metrics.follow_counters(
        "gatewright_waf_uninspected_bodies",
        "Bodies of which some part was not looked at.",
        "side",
        lambda: tally.uninspected_bodies,
    )
    metrics.follow_counters(
        "gatewright_waf_uninspected_bytes",
        "Bytes of bodies that were not looked at, as far as their number was known.",
        "side",
        lambda: tally.uninspected_bytes,
    )
    metrics.follow_gauge(
        "gatewright_waf_re2_only",
        "1 where Hyperscan is not to be trusted and RE2 looks for all patterns, 0 otherwise.",
        lambda: 1 if hyperscan.fault() else 0,
        across="max",
    )
    _scores(metrics, tally)


def follow_audit(metrics: Metrics, log: AuditLog) -> None:
    """What the audit log of one worker has come to."""
    metrics.follow_counter(
        "gatewright_waf_audit_records",
        "Transactions that the audit log wants.",
        lambda: log.records,
    )
    metrics.follow_counter(
        "gatewright_waf_audit_dropped",
        "Records of the audit log that an output will never have: it is slow, full or gone.",
        lambda: log.dropped,
    )
    metrics.follow_gauge(
        "gatewright_waf_audit_waiting",
        "Records that wait for the output that is furthest behind.",
        lambda: log.waiting,
        across="sum",
    )


def _by_rule(
    metrics: Metrics, name: str, help_text: str, read: Callable[[], Mapping[str, float]]
) -> None:
    counter = Counter(name, help_text, ["rule"], registry=metrics.registry)
    last: dict[str, float] = {}

    def flush() -> None:
        for rule, now in read().items():
            before = last.get(rule, 0.0)
            if now != before:
                counter.labels(rule).inc(now - before)
                last[rule] = now

    metrics.also_flush(flush)


def _scores(metrics: Metrics, tally: Tally) -> None:
    histogram = TalliedHistogram(
        "gatewright_waf_score",
        "Anomaly scores of requests and of responses.",
        ["policy", "side"],
        buckets=SCORES,
        registry=metrics.registry,
    )

    def flush() -> None:
        for row in tally.take_scores():
            histogram.labels(row.policy, row.side).add(row.buckets, row.total)

    metrics.also_flush(flush)

"""What is counted of remembered decisions."""

from callout.observe.metrics import Metrics
from extauthz.cache.decisions import DecisionCache
from extauthz.cache.flights import Flights


def follow_cache(metrics: Metrics, decisions: DecisionCache, flights: Flights) -> None:
    """Exports the counters of one worker's service."""
    metrics.follow_counters(
        "gatewright_decision_cache_lookups",
        "Decisions of policies with `cache`, by what was remembered: an allowance, a denial, or "
        "nothing.",
        "found",
        lambda: decisions.looked_up,
    )
    metrics.follow_counters(
        "gatewright_decision_cache_passed_over",
        "Decisions that were not remembered, by reason.",
        "reason",
        lambda: decisions.passed_over,
    )
    metrics.follow_counter(
        "gatewright_decision_cache_shared",
        "Answers of an OPA server that were given to several requests, since they asked the same "
        "at the same time.",
        lambda: flights.shared,
    )
    metrics.follow_gauge(
        "gatewright_decision_cache_bytes",
        "Memory of remembered decisions, as estimated.",
        lambda: decisions.bytes,
        "sum",
    )

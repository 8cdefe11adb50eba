"""Which numbers of which parts are exported, under which names."""

from collections.abc import Callable

from callout.observe.metrics import Metrics
from callout.serve.counters import Counters

BREAKER_STATES = {"closed": 0, "half_open": 1, "open": 2}
"""The states of a circuit breaker as numbers: the higher, the worse."""


def follow_transport(metrics: Metrics, counters: Counters) -> None:
    """Connections and calls, refused ones included."""
    for name, help_text, count in (
        ("connections", "Connections accepted.", lambda: counters.connections),
        ("requests", "Calls that reached a handler.", lambda: counters.requests),
        ("handler_errors", "Calls whose handler failed.", lambda: counters.handler_errors),
        ("deadline_exceeded", "Calls ended by their deadline.", lambda: counters.deadline_exceeded),
        ("cancelled", "Calls that the client gave up.", lambda: counters.cancelled),
    ):
        metrics.follow_counter(f"gatewright_transport_{name}", help_text, count)
    for name, help_text, counts in (
        ("refused", "Calls refused before any handler.", lambda: counters.refused),
        ("terminated", "Connections that we ended.", lambda: counters.closed),
    ):
        metrics.follow_counters(f"gatewright_transport_{name}", help_text, "reason", counts)
    metrics.follow_gauge(
        "gatewright_transport_open_connections",
        "Connections open now.",
        lambda: counters.open_connections,
        across="sum",
    )
    metrics.follow_gauge(
        "gatewright_in_flight",
        "Calls that wait for their handler now.",
        lambda: counters.open_calls,
        across="sum",
    )


def follow_breaker(metrics: Metrics, backend: str, state: Callable[[], str]) -> None:
    """The circuit breaker before a backend: `follow_breaker(metrics, "redis", ...)`."""
    metrics.follow_gauge(
        f"gatewright_{backend}_breaker",
        "Circuit breaker: 0 closed, 1 half open, 2 open; the worst of all workers.",
        lambda: BREAKER_STATES.get(state(), max(BREAKER_STATES.values())),
        across="max",
    )

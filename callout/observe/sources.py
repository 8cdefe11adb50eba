"""Which numbers of which parts are exported, under which names."""

from collections.abc import Callable, Sequence

from callout.grpc.call import Face
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
    metrics.follow_gauge(
        "gatewright_queue_seconds",
        "The longest that a request waited to be read, in the last second, estimated.",
        lambda: counters.queued,
        across="max",
    )


def follow_overload(metrics: Metrics, counters: Counters, faces: Sequence[Face]) -> None:
    """Calls refused because there were too many, as decisions of their faces."""

    def reader(paths: Sequence[str]) -> Callable[[], int]:
        return lambda: sum(counters.overloaded.get(path, 0) for path in paths)

    for face in faces:
        paths = [each.path for each in face.methods]
        metrics.follow_errors(face.name, "overload", reader(paths))


def follow_breaker(metrics: Metrics, backend: str, state: Callable[[], str]) -> None:
    """The circuit breaker before a backend: `follow_breaker(metrics, "redis", ...)`."""
    metrics.follow_gauge(
        f"gatewright_{backend}_breaker",
        "Circuit breaker: 0 closed, 1 half open, 2 open; the worst of all workers.",
        lambda: BREAKER_STATES.get(state(), max(BREAKER_STATES.values())),
        across="max",
    )


def follow_replicas(metrics: Metrics, replicas: Callable[[], int]) -> None:
    """How many workers count in the same Redis."""
    metrics.follow_gauge(
        "gatewright_redis_replicas",
        "Workers that count in the same Redis; 0: not known yet.",
        replicas,
        across="max",
    )

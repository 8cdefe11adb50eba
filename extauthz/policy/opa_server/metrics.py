"""What is counted of OPA servers."""

from callout.observe.metrics import Metrics
from callout.observe.sources import BREAKER_STATES
from extauthz.policy.opa_server.servers import OpaServers


def follow_opa(metrics: Metrics, servers: OpaServers) -> None:
    """Exports the state and the counters of each server, as one worker has them."""
    metrics.follow_gauges(
        "gatewright_opa_breaker",
        "Circuit breaker of an OPA server: 0 closed, 1 half open, 2 open; the worst of all"
        " workers.",
        "server",
        lambda: {each.name: BREAKER_STATES[each.breaker.state] for each in servers.all},
        across="max",
    )
    metrics.follow_counters(
        "gatewright_opa_questions",
        "Questions to an OPA server, those that were asked again included.",
        "server",
        lambda: {each.name: each.questions for each in servers.all},
    )
    metrics.follow_counters(
        "gatewright_opa_failures",
        "Questions that an OPA server did not answer.",
        "server",
        lambda: {each.name: each.failures for each in servers.all},
    )

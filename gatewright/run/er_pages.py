"""What the debug port of envoyproxy/ratelimit has and our admin port has not."""

from collections.abc import Callable, Sequence
from typing import Final

from callout.observe.admin import TextPage

_OURS: Final = (
    TextPage("/config", "print out settings, digests of what decides, and problems"),
    TextPage("/debug/connections", "live connections of each worker"),
    TextPage("/debug/decisions/slowest", "the slowest decisions of the last minutes"),
    TextPage("/debug/limits/hottest", "the counters that are asked for the most"),
    TextPage("/debug/profile", "processor time by stack, for flame graphs"),
    TextPage("/healthz", "whether this process lives"),
    TextPage("/metrics", "statistics for Prometheus"),
    TextPage("/readyz", "whether requests may be sent here"),
    TextPage("/version", "of this program"),
)
"""Those of the admin port, so that the list is whole."""


def er_pages(rules: Callable[[], str], statistics: Callable[[], str]) -> Sequence[TextPage]:
    """In the order of the list; the first two in that service's words."""
    theirs = (
        TextPage("/rlconfig", "print out the currently loaded configuration for debugging", rules),
        TextPage("/stats", "print out stats", statistics),
    )
    return sorted((*_OURS, *theirs), key=lambda page: page.path)

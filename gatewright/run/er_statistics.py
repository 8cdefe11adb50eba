"""Statistics of rules as the settings want them: counted, and sent."""

from callout.config.settings import Settings
from callout.observe.statsd.sender import StatsdSender
from ratelimit.er_stats import ErStats


def statistics(settings: Settings) -> tuple[ErStats | None, StatsdSender | None]:
    """What counts, and what sends it; neither without `telemetry.statsd`, or without limits."""
    statsd = settings.telemetry.statsd
    if statsd is None or "limit" not in settings.faces:
        return None, None
    stats = ErStats(statsd.near_limit_ratio)
    host, port = statsd.host_and_port
    sender = StatsdSender(host, port, stats.counters, statsd.every, statsd.tag_values, statsd.style)
    return stats, sender

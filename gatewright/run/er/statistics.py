"""Statistics of rules as the settings want them: counted, and sent."""

from collections.abc import Callable, Iterable

from callout.config.settings import Settings
from callout.observe.statsd.datagrams import Timed
from callout.observe.statsd.sender import StatsdSender
from ratelimit.er.stats import ErStats


def counts(settings: Settings) -> bool:
    """Whether rules are counted at all."""
    asked = settings.telemetry.statsd is not None or settings.limits.prometheus is not None
    return asked and "limit" in settings.faces


def statistics(settings: Settings) -> tuple[ErStats | None, StatsdSender | None]:
    """What counts in a worker, and what sends it; neither unless somebody is told."""
    if not counts(settings):
        return None, None
    told = settings.telemetry.statsd or settings.limits.prometheus
    stats = ErStats(told.near_limit_ratio) if told is not None else ErStats()
    return stats, statsd_sender(settings, stats.counters, stats.timed)


def statsd_sender(
    settings: Settings,
    read: Callable[[], Iterable[tuple[str, int]]],
    timed: Callable[[], Iterable[Timed]] = tuple,
) -> StatsdSender | None:
    """What sends these; None: nobody asked for it."""
    statsd = settings.telemetry.statsd
    if statsd is None:
        return None
    host, port = statsd.host_and_port
    return StatsdSender(host, port, read, statsd.every, statsd.tag_values, statsd.style, timed)

"""What a good bundle may lack all the same: readiness, and health, wait for it."""

from callout.config.settings import Settings
from callout.config.snapshot import Snapshot
from ratelimit.planner import SECTION


def lacking(settings: Settings, snapshot: Snapshot | None) -> str | None:
    """In words; None: nothing."""
    if snapshot is not None and settings.limits.needs_domain and not snapshot.parts[SECTION]:
        return "no rate limit domain yet"
    return None

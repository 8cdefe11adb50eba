"""Settings that name what a bundle does not have."""

from collections.abc import Mapping
from typing import cast

from callout.config.problems import Problem
from callout.config.settings import Settings
from callout.config.snapshot import Snapshot
from callout.config.validate import suggest
from ratelimit.modes import EVERY
from ratelimit.planner import SECTION
from ratelimit.rules import Tree


def unmatched(settings: Settings, snapshot: Snapshot) -> tuple[Problem, ...]:
    """As warnings: the next bundle may have it.

    A domain of `limits.on_error` that is nowhere is a limit that falls back to an error while the
    counters are away, whatever its author wrote. What a management server will send nobody knows.
    """
    if settings.xds is not None:
        return ()
    domains = cast("Mapping[str, Tree]", snapshot.parts[SECTION])
    return tuple(
        Problem(
            "settings",
            0,
            0,
            f"limits.on_error.{domain}",
            "expected a domain of the folder `ratelimit/`, found one that no file has",
            suggest(domain, domains),
            severity="warning",
        )
        for domain in settings.limits.on_error
        if domain != EVERY and domain not in domains
    )


def unanswered(settings: Settings, snapshot: Snapshot) -> tuple[Problem, ...]:
    """Policies that inspect, where nobody does; as a warning, for another process may."""
    if "process" in settings.faces:
        return ()
    for each in snapshot.policies.sources:
        if isinstance(each.at("inspect").value, dict):
            message = "expected `process` among them: a policy has `inspect`, and nobody here does"
            return (Problem("settings", 0, 0, "faces", message, severity="warning"),)
    return ()

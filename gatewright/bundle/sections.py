"""The blocks that a Policy may have here: one row a service."""

from pathlib import Path

from callout.config.limits_settings import Limits
from callout.config.section import Section
from callout.config.settings import Settings
from extauthz.config import AuthSection
from ratelimit.config import LimitsSection
from ratelimit.keys import ErNames
from waf.config import InspectSection


def sections(limits: Limits, cache: Path | None = None) -> tuple[Section, ...]:
    """All of them, as a process with these settings reads them.

    Args:
        limits: settings.
        cache: where databases of patterns are kept between runs; None: none is made.
    """
    nominating = None
    if cache is not None:
        # Here: who runs no rules has no need of their 2 MB.
        from waf.matcher.cache import Cache
        from waf.matcher.library import Library

        nominating = Library(Cache(cache / "waf")).matcher
    calendar = limits.calendar_month
    return (
        AuthSection(),
        LimitsSection(limits.merge_domains, er_names(limits), calendar),
        InspectSection(nominating),
    )


def sections_of(settings: Settings, cache: Path) -> tuple[Section, ...]:
    """Those that a worker with these settings decides by: loading rules takes a second."""
    inspects = "process" in settings.faces
    every = sections(settings.limits, cache if inspects else None)
    return tuple(each for each in every if (each.key == "inspect") is inspects)


def er_names(limits: Limits) -> ErNames | None:
    """Of counters, with `compat: er`."""
    return ErNames((limits.key_prefix or "").encode()) if limits.compat == "er" else None


SECTIONS = sections(Limits())
"""As a process reads them that was told nothing."""

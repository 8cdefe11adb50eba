"""The blocks that a Policy may have here: one row a service."""

from callout.config.limits_settings import Limits
from callout.config.section import Section
from extauthz.config import AuthSection
from ratelimit.config import LimitsSection
from ratelimit.keys import ErNames


def sections(limits: Limits) -> tuple[Section, ...]:
    """All of them, as a process with these settings reads them."""
    calendar = limits.calendar_month
    return (AuthSection(), LimitsSection(limits.merge_domains, er_names(limits), calendar))


def er_names(limits: Limits) -> ErNames | None:
    """Of counters, with `compat: er`."""
    return ErNames((limits.key_prefix or "").encode()) if limits.compat == "er" else None


SECTIONS = sections(Limits())
"""As a process reads them that was told nothing."""

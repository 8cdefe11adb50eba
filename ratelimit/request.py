"""What is asked, in our own words: no protobuf here."""

from typing import NamedTuple, TypeAlias

from ratelimit.limits import Limit

Entries: TypeAlias = tuple[tuple[str, str], ...]


class Descriptor(NamedTuple):
    """One thing to limit by: an ordered list of keys and values."""

    entries: Entries
    override: Limit | None
    """A limit that the caller brings for this request; only its numbers, never a mode."""
    addend: int
    """Hits to count, already clamped; 0 only looks. Below 0: to give back."""
    refund: bool = False
    """It gives hits back, if only 0 of them: it is never refused."""


class Request(NamedTuple):
    """One call of ShouldRateLimit: a domain, and at least one descriptor."""

    domain: str
    descriptors: tuple[Descriptor, ...]


class BadRequest(NamedTuple):
    """A request that says nothing that could be decided; `reason` is for the caller."""

    reason: str

"""What holds for every limit of a process, whatever its rule says."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from ratelimit.plan import OnError

EVERY: Final = "*"
"""In place of a domain's name: those that are not named."""


class Modes(NamedTuple):
    """As envoyproxy/ratelimit's SHADOW_MODE and QUOTA_MODE. Off, they cost nothing."""

    shadow: bool = False
    """No limit refuses, and none is enforced while the counters are away; what each descriptor
    is told stays as it is."""
    quota: bool = False
    """Every rule of an operator's domain is in quota mode."""
    on_error: Mapping[str, OnError] = MappingProxyType({})
    """What becomes of requests of an operator's domain, by its name, while the counters are away;
    others are answered with an error, as envoyproxy/ratelimit does."""

    def without_store(self, domain: str) -> OnError:
        """For the limits of this domain."""
        return self.on_error.get(domain) or self.on_error.get(EVERY, "deny")


AS_WRITTEN = Modes()
"""Each rule as its file has it."""

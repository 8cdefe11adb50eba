"""What holds for every limit of a process, whatever its rule says."""

from typing import NamedTuple


class Modes(NamedTuple):
    """As envoyproxy/ratelimit's SHADOW_MODE and QUOTA_MODE. Off, they cost nothing."""

    shadow: bool = False
    """No limit refuses, and none is enforced while the counters are away; what each descriptor
    is told stays as it is."""
    quota: bool = False
    """Every rule of an operator's domain is in quota mode."""


AS_WRITTEN = Modes()
"""Each rule as its file has it."""

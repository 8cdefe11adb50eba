"""What a rule decided instead of letting the request go on."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Interruption:
    """The first one ends the transaction; only phase 5 still runs."""

    action: Literal["deny", "drop", "redirect"]
    """drop: the connection is to be closed; whoever cannot refuses with the status."""
    status: int
    rule: int | None
    """Its id; None: no rule, but a limit or the time budget."""
    phase: int
    location: bytes = b""
    """Where a redirect leads."""
    reason: Literal["rule", "body-limit", "time"] = "rule"

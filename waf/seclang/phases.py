"""When a rule runs: `phase:1` to `phase:5`, three of them also by a name."""

from collections.abc import Iterable
from typing import Final

from waf.seclang.syntax import ActionCall

REQUEST_BODY: Final = 2
"""The phase of a rule that names none."""
_PHASES: Final = {"request": 2, "response": 4, "logging": 5} | {str(n): n for n in range(1, 6)}


def phase_of(actions: Iterable[ActionCall]) -> int | None:
    """The phase that the actions name, the last of them; None: none, or what is not a phase."""
    phase = None
    for action in actions:
        if action.name == "phase":
            phase = _PHASES.get((action.argument or "").strip().lower())
    return phase

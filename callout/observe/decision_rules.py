"""Which decisions are shown, and how many of their like: the first rule that fits says it.

Peers choose in the same way: Envoy's access log by filters of duration and by a share, OPA's
decision log by rules that drop.
"""

import random
from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

from callout.observe.decision import Verdict

_REMEMBERED = 8192
"""Combinations of face, verdict, policy and reason whose rules are found at once."""


class Rule(NamedTuple):
    """Decisions that are alike; what is None fits any."""

    face: str | None = None
    policy: str | None = None
    verdict: Verdict | None = None
    reason: str | None = None
    slower: float = 0.0
    """Seconds: decisions that took at least so long."""
    sample: float = 1.0
    """The share of them that is shown, from 0 to 1."""


PRESETS: Final[dict[Literal["off", "denied", "all"], tuple[Rule, ...]]] = {
    "off": (),
    "denied": (Rule(verdict="deny"), Rule(verdict="error")),
    "all": (Rule(),),
}
"""Words for the usual rules."""


class DecisionRules:
    """Chooses decisions.

    Measured, a decision: 0.2 us here; the line of one that is chosen costs 9 us.
    """

    __slots__ = ("_found", "_random", "_rules")

    def __init__(self, rules: Sequence[Rule], uniform: Callable[[], float] = random.random) -> None:
        """Prepares.

        Args:
            rules: in order; what none of them fits is not shown.
            uniform: gives numbers from 0 up to 1.
        """
        self._rules = tuple(rules)
        self._random = uniform
        self._found: dict[tuple[str, str, str, str], tuple[tuple[float, float], ...]] = {}

    def sample(self, face: str, verdict: str, policy: str, reason: str, seconds: float) -> float:
        """The share of such decisions that is shown if this one is, otherwise 0."""
        try:
            steps = self._found[face, verdict, policy, reason]
        except KeyError:
            steps = self._find(face, verdict, policy, reason)
        for slower, share in steps:
            if seconds >= slower:
                return share if share >= 1.0 or self._random() < share else 0.0
        return 0.0

    def _find(
        self, face: str, verdict: str, policy: str, reason: str
    ) -> tuple[tuple[float, float], ...]:
        steps = tuple(
            (rule.slower, rule.sample)
            for rule in self._rules
            if rule.face in (None, face)
            and rule.verdict in (None, verdict)
            and rule.policy in (None, policy)
            and rule.reason in (None, reason)
        )
        if len(self._found) >= _REMEMBERED:
            self._found.clear()
        self._found[face, verdict, policy, reason] = steps
        return steps

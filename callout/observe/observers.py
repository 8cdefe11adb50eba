"""Who is told of decisions."""

from collections.abc import Callable

from callout.observe.debug.slowest import Slowest
from callout.observe.decision import Decision, Observer, Verdict
from callout.observe.tallies import DecisionTally


class MetricsObserver:
    """Counts and times decisions; looks at nothing that a client wrote."""

    def __init__(self, tally: DecisionTally, slowest: Slowest | None = None) -> None:
        """Prepares.

        Args:
            tally: that of a `Metrics`.
            slowest: keeps the slowest decisions; None: nobody does.
        """
        # The method itself: a call through ours would cost a fifth more.
        self.decided = tally.add if slowest is None else _watched(tally, slowest)
        self.wants_text = False

    def sample(self, *_: object) -> float:
        """Shows none."""
        return 0.0


def _watched(tally: DecisionTally, slowest: Slowest) -> Callable[[Decision], None]:
    add = tally.add

    def decided(decision: Decision) -> None:
        add(decision)
        if decision.seconds > slowest.floor:
            slowest.add(decision)

    return decided


class Tee:
    """Tells several observers, in order."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers
        self.wants_text = any(each.wants_text for each in observers)

    def sample(
        self, face: str, verdict: Verdict, policy: str, reason: str, seconds: float
    ) -> float:
        """The largest share that one of them wants."""
        return max(each.sample(face, verdict, policy, reason, seconds) for each in self._observers)

    def decided(self, decision: Decision) -> None:
        """Tells each of them."""
        for each in self._observers:
            each.decided(decision)

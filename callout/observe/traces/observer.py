"""Decisions on their spans."""

from typing import Final, Protocol

from callout.observe.decision import Decision, Observer, Verdict
from callout.observe.text import clean
from callout.observe.traces.tracer import CURRENT

_NAME: Final = 128
"""Characters of the name of a policy or a domain."""


class Exemplified(Protocol):
    """Keeps an example of what a histogram counts."""

    def add(self, face: str, policy: str, seconds: float, trace: str) -> None:
        """A decision of this trace, 32 hexadecimal digits."""
        ...


class TracingObserver:
    """Ends the span of each decision with what was decided, and tells whom it stands before.

    Looks at nothing that a client wrote: neither `who` nor `what` nor `detail`.
    """

    def __init__(self, told: Observer, exemplars: Exemplified) -> None:
        """Prepares.

        Args:
            told: is told of every decision after us, with the id of its trace.
            exemplars: is told of those that are traced.
        """
        self._told = told.decided
        self._exemplars = exemplars
        self._sample = told.sample
        self.wants_text = told.wants_text

    def sample(
        self, face: str, verdict: Verdict, policy: str, reason: str, seconds: float
    ) -> float:
        """As those who are told choose."""
        return self._sample(face, verdict, policy, reason, seconds)

    def decided(self, decision: Decision) -> None:
        """Ends its span, if it has one."""
        span = CURRENT.get()
        if span is not None:
            decision = decision._replace(trace=span.trace.id.hex())
            span.attributes |= {
                "gatewright.policy": clean(decision.policy, _NAME),
                "gatewright.verdict": decision.verdict,
                "gatewright.reason": decision.reason,
                "gatewright.shadow": decision.shadow,
                "gatewright.bundle.digest": decision.digest,
            }
            span.end(decision.reason if decision.verdict == "error" else "")
            self._exemplars.add(decision.face, decision.policy, decision.seconds, decision.trace)
        self._told(decision)

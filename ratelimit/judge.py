"""From what the counters say to the reply."""

from collections.abc import Sequence
from typing import TypeAlias

from callout.grpc.call import Code, Reply, Status
from callout.observe.decision import Verdict
from ratelimit.algorithms.contract import Verdict as Said
from ratelimit.answers import Extras
from ratelimit.decide import Answer, decide, decide_uses, over_known, without_counts
from ratelimit.envoy import DEGRADED, encode
from ratelimit.er.stats import ErStats
from ratelimit.local.denied import Denied
from ratelimit.local.refused import Refused, full
from ratelimit.local.share import LocalShare
from ratelimit.modes import Modes
from ratelimit.plan import Plan
from ratelimit.report import Report
from ratelimit.retries.contract import ToldAgain
from ratelimit.stores.contract import Hit, StoreUnavailable

Counts: TypeAlias = Sequence[int] | StoreUnavailable

OVERLOADED: dict[str, Reply] = {
    "deny": encode(Answer(True, ())),
    "allow": encode(Answer(False, ())),
    "error": Status(Code.UNAVAILABLE, "too many requests to decide in time"),
}
"""By the operator's word for requests that there is no time for."""


class Judge:
    """Judges, tells of it, and remembers who was refused.

    Its methods take what is known of a request one by one: a tuple of it for each costs as much as
    encoding the answer.
    """

    def __init__(
        self,
        extras: Extras,
        modes: Modes,
        denied: Denied | None,
        refused: Refused | None,
        share: LocalShare | None,
        stats: ErStats | None,
        report: Report,
    ) -> None:
        """See `RateLimitService`, whose words these are."""
        self._extras = extras
        self._always = extras.always
        self._shadow = modes.shadow
        self._denied = denied
        self._refused = refused
        self._share = share
        self._stats = stats
        self._report = report
        self._tell = report.tell
        self.overloaded = OVERLOADED["deny"]
        """The reply to what would be answered too late."""

    def counted(
        self,
        message: bytes,
        plan: Plan,
        now: float,
        started: float,
        digest: str,
        hits: Sequence[Hit] | None,
        counts: Counts,
    ) -> Reply:
        """By the counters after `hits`; None: by counters that were known, nothing is counted."""
        try:
            if isinstance(counts, StoreUnavailable):
                return self._without_store(message, plan, counts, now, started, digest)
            answer = decide(plan, counts, now)
            if self._stats is not None and not isinstance(counts, ToldAgain):
                self._stats.count(plan, counts, hits is None)
            if (answer.over or answer.shadow) and self._denied is not None and counts:
                if hits is None:
                    answer = answer._replace(known=True)
                else:
                    self._denied.note(plan, hits, counts, now)
            return self.judged(message, plan, answer, started, digest)
        except Exception as error:
            return self._report.broken(started, digest, error)

    def used(
        self,
        message: bytes,
        plan: Plan,
        said: Sequence[Said] | StoreUnavailable,
        now: float,
        started: float,
        digest: str,
    ) -> Reply:
        """By what was said of the plan's uses of `now`."""
        try:
            if isinstance(said, StoreUnavailable):
                return self._without_store(message, plan, said, now, started, digest)
            answer = decide_uses(plan, said)
            if self._refused is not None:
                self._refused.note(plan.uses(now), said, now)
            if answer.over and self._denied is not None:
                self._denied.note(plan, plan.hits(now), full(plan, said), now)
            return self.judged(message, plan, answer, started, digest)
        except Exception as error:
            return self._report.broken(started, digest, error)

    def judged(
        self, message: bytes, plan: Plan, answer: Answer, started: float, digest: str
    ) -> Reply:
        """The reply with this answer."""
        verdict: Verdict
        if answer.over or answer.shadow:
            verdict, reason = "deny", "over_limit"
            if self._shadow and answer.over:
                answer = self._let_pass(answer)
        elif plan.counted:
            verdict, reason = "allow", "within_limit"
        else:
            verdict, reason = "allow", plan.reason
        reply = encode(answer)
        if answer.limit is not None or self._always:
            reply += self._extras.of(plan, answer)
        self._tell(message, plan, verdict, reason, started, digest, answer)
        return reply

    def _without_store(
        self,
        message: bytes,
        plan: Plan,
        counts: StoreUnavailable,
        now: float,
        started: float,
        digest: str,
    ) -> Reply:
        """What was written of this, because the counters cannot be asked."""
        if self._stats is not None:
            self._stats.unavailable(plan)
        if not self._shadow:
            over = over_known(plan, counts.known, now)
            if over is not None:
                return self._degraded(message, plan, over, started, digest)
        without = without_counts(plan, self._shadow, counts.known)
        if without is None and self._share is not None:
            shared = self._share.answer(plan, now, counts.known)
            if shared is not None:
                return self._degraded(message, plan, shared, started, digest)
        reply: Reply
        late = counts.reason == "late"
        if without is not None:
            reply = encode(without) + DEGRADED
        elif late:
            # Who floods us must not get the error that Envoy may let pass.
            reply = self.overloaded
        else:
            reply = Status(Code.UNAVAILABLE, f"rate limit counters unavailable: {counts.reason}")
        reason = "store_overloaded" if late else "store_unavailable"
        self._tell(message, plan, "error", reason, started, digest, detail=counts.reason)
        return reply

    def _degraded(
        self, message: bytes, plan: Plan, answer: Answer, started: float, digest: str
    ) -> bytes:
        """By this worker's part of the limits, because the store is away."""
        verdict: Verdict = "deny" if answer.over or answer.shadow else "allow"
        reply = encode(answer) + DEGRADED
        if answer.limit is not None or self._always:
            reply += self._extras.of(plan, answer)
        self._tell(message, plan, verdict, "degraded", started, digest, answer)
        return reply

    def _let_pass(self, answer: Answer) -> Answer:
        """All limits are in shadow; what is said of each descriptor stays."""
        if self._stats is not None:
            self._stats.global_shadow += 1
        return answer._replace(over=False, shadow=True)

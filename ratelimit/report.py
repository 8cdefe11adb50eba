"""What is told of each decision: to the observer, and to envoyproxy/ratelimit's statistics."""

import logging
import time

from callout.config import identity
from callout.grpc.call import Code, Status
from callout.observe.decision import Decision, Observer, Verdict
from callout.observe.paced import Paced
from callout.observe.place import place_of
from callout.observe.text import without_query
from ratelimit.decide import Answer
from ratelimit.envoy import parse
from ratelimit.er.stats import ErStats
from ratelimit.plan import Plan
from ratelimit.request import BadRequest

_new = tuple.__new__
"""Makes a named tuple in half the time: its own `__new__` is a function in Python."""

log = logging.getLogger(__name__)

_TEXT = 200
"""Characters of request data in one text of a decision."""


class Report:
    """Tells of decisions, and of those that could not be made."""

    def __init__(self, observer: Observer, stats: ErStats | None) -> None:
        """Tell `observer`, and count in `stats` if there is one."""
        self._observer = observer
        self._stats = stats
        self._failures = Paced()

    def tell(
        self,
        message: bytes,
        plan: Plan,
        verdict: Verdict,
        reason: str,
        started: float,
        digest: str,
        answer: Answer | None = None,
        detail: str = "",
    ) -> None:
        """One request for which there was a plan; `started` is of `time.monotonic`."""
        observer, seconds = self._observer, time.monotonic() - started
        if self._stats is not None:
            self._stats.answered(seconds)
        who = what = ""
        sample = 0.0
        if observer.wants_text:
            sample = observer.sample("limit", verdict, plan.policy, reason, seconds)
        if sample:
            who, what = _texts(message)
            if answer is not None and answer.limit is not None:
                limit = answer.limit
                detail = f"{limit.name} {limit.requests}/{limit.unit.name}".strip()
            if plan.note:
                detail = f"{detail} ({plan.note})".strip()
        else:
            detail = ""
        observer.decided(
            _new(
                Decision,
                (
                    "limit",
                    verdict,
                    plan.policy,
                    reason,
                    who,
                    what,
                    seconds,
                    answer is not None and answer.shadow,
                    detail,
                    "",
                    digest,
                    "",
                    sample,
                ),
            )
        )

    def failed(self, started: float, digest: str, reason: str, status: Status) -> Status:
        """One request for which there was none; `status` is given back."""
        observer, seconds = self._observer, time.monotonic() - started
        if self._stats is not None:
            self._stats.service_errors += 1
            self._stats.answered(seconds)
        sample = 0.0
        if observer.wants_text:
            sample = observer.sample("limit", "error", "", reason, seconds)
        detail = status.message if sample else ""
        observer.decided(
            Decision(
                "limit",
                "error",
                "",
                reason,
                "",
                "",
                seconds,
                detail=detail,
                digest=digest,
                sample=sample,
            )
        )
        return status

    def broken(self, started: float, digest: str, error: Exception) -> Status:
        """A failure of ours; the answer says no more than that."""
        if (silent := self._failures.due("failed", time.monotonic())) is not None:
            what, place = type(error).__name__, place_of(error)
            log.error("a rate limit decision failed: %s at %s (silent: %d)", what, place, silent)
        status = Status(Code.INTERNAL, "internal error")
        return self.failed(started, digest, "internal", status)


def _texts(message: bytes) -> tuple[str, str]:
    """Who and what, for a person: of the first descriptor. Read again, for only a few look."""
    request = parse(message)
    if isinstance(request, BadRequest):
        return "", ""
    entries = request.descriptors[0].entries
    fields = dict(entries)
    who = identity.decode(fields["id"]).get("sub", "") if fields.get("id") else ""
    who = who or fields.get("remote_address", "")
    if "host" in fields and "path" in fields:
        path = without_query(fields["path"])
        what = f"{fields.get('method', '')} {fields['host']}{path}".strip()
    else:
        # Their values may be headers: Envoy's `request_headers` makes descriptors of any.
        what = f"{request.domain}: " + " ".join(key for key, _ in entries[:8])
    return who[:_TEXT], what[:_TEXT]

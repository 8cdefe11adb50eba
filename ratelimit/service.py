"""The service: a message, its plan, the counters, the answer."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from callout.config import identity
from callout.config.snapshot import Snapshot
from callout.grpc.call import Call, Code, Face, Reply, Status, Unary
from callout.grpc.timeout import answer_by
from callout.observe.decision import Decision, Observer
from callout.observe.decision import Verdict as Seen
from callout.observe.paced import Paced
from callout.observe.place import place_of
from callout.observe.text import without_query
from ratelimit.algorithms.contract import Verdict as Said
from ratelimit.answers import NOTHING, Extras
from ratelimit.decide import Answer, decide, decide_uses, over_known, without_counts
from ratelimit.domains import OWN_DOMAIN
from ratelimit.envoy import DEGRADED, METHOD, SERVICE, encode, parse
from ratelimit.er.stats import ErStats
from ratelimit.hottest import Hottest
from ratelimit.local.denied import Denied
from ratelimit.local.refused import Refused, full
from ratelimit.local.share import LocalShare
from ratelimit.modes import AS_WRITTEN, Modes
from ratelimit.plan import Plan, Refusal
from ratelimit.planner import Planned, Planner
from ratelimit.recent import Recent
from ratelimit.request import BadRequest
from ratelimit.retries.contract import Retries
from ratelimit.retries.request_id import NO_RECEIPT, without_id
from ratelimit.retries.request_id import receipt as receipt_of
from ratelimit.rule_metadata import asked
from ratelimit.stores.contract import Hit, Store, StoreUnavailable
from ratelimit.stores.memory import MemoryStore
from ratelimit.stores.memory_states import MemoryStates
from ratelimit.stores.states import StateStore

log = logging.getLogger(__name__)

Counts: TypeAlias = Sequence[int] | StoreUnavailable

_LONGEST_REMEMBERED = 2048
"""Bytes of a message whose plan is kept; with the number of plans this bounds the memory."""
_TEXT = 200
"""Characters of request data in one text of a decision."""


class RateLimitService:
    """Answers ShouldRateLimit: at once with counters in memory, by one future with Redis."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot | None],
        store: Store,
        observer: Observer,
        now: Callable[[], float] = time.time,
        remembered: int = 16_384,
        extras: Extras = NOTHING,
        denied: Denied | None = None,
        share: LocalShare | None = None,
        stats: ErStats | None = None,
        modes: Modes = AS_WRITTEN,
        hottest: Hottest | None = None,
        retries: Retries | None = None,
        states: StateStore | None = None,
        refused: Refused | None = None,
    ) -> None:
        """Serve.

        Args:
            snapshot: what is decided by, asked at each request; None: nothing loaded yet.
            store: the counters.
            observer: is told of each decision.
            now: seconds since the epoch, for windows.
            remembered: plans of recent requests that are kept.
            extras: what answers say beside their verdict.
            denied: counters that need not be asked for again at once; None: each is asked for.
            share: decides for limits with `onError: share` while the store is away.
            stats: counts as envoyproxy/ratelimit does; None: nothing is.
            modes: what holds for every limit.
            hottest: looks at some requests; None: at none.
            retries: how requests that come again are known; None: each is counted.
            states: the counters of all algorithms, those of `store` among them; None: beside a
                `MemoryStore` in memory, beside others there are none.
            refused: as `denied`, for what `states` is asked.
        """
        self._snapshot = snapshot
        self._store = store
        self._observer = observer
        self._failures = Paced()
        self._now = now
        self._extras = extras
        self._always = extras.always
        self._denied = denied
        self._share = share
        self._stats = stats
        self._modes = modes
        self._hottest = hottest
        self._retries = retries
        self._until_look = 1 if hottest is not None else 0
        """Requests until it looks again; without it 0, and less with each."""
        self._states = states if states is not None else _states(store)
        self._refusals = refused
        self._remembered = remembered
        self._current: Snapshot | None = None
        self._planner: Planner | None = None
        self._plans: Recent[bytes, Plan] = Recent(remembered)
        self._overloaded = _OVERLOADED["deny"]

    def face(self, overloaded: Literal["deny", "allow", "error"] = "deny") -> Face:
        """What the transport offers.

        Args:
            overloaded: the operator's verdict on requests that there is no time for. Envoy lets a
                request pass on `error`, unless its `failure_mode_deny` says otherwise.
        """
        self._overloaded = _OVERLOADED[overloaded]
        method = Unary(METHOD, self.should_rate_limit, self._overloaded)
        return Face("limit", SERVICE, (method,))

    def should_rate_limit(self, message: bytes, call: Call) -> "Reply | asyncio.Future[Reply]":
        """One request; never raises, and never answers OK because of a failure of ours."""
        started = time.monotonic()
        try:
            snapshot = self._snapshot()
            if snapshot is not self._current:
                self._renew(snapshot)
            digest = snapshot.digest if snapshot is not None else ""
            # The key is the whole message: most requests of a busy client are equal, and an equal
            # one skips parsing, matching and naming its counters: 7 us of 12, with one descriptor.
            plan = self._plans.get(message)
            receipt = NO_RECEIPT
            if plan is None:
                planned, receipt = self._plan(message)
                if not isinstance(planned, Plan):
                    return self._refused(planned, started)
                plan = planned
            if not plan.counted:
                return self._answer(message, plan, (), 0.0, started, digest)
            now = self._now()
            hits = plan.hits(now)
            self._until_look -= 1
            if not self._until_look and self._hottest is not None:
                self._until_look = self._hottest.look(
                    plan, plan.uses(now) if plan.undivided else hits, now
                )
            if plan.undivided:
                return self._use(message, plan, now, started, digest, call, receipt)
            denied = self._denied
            if denied is not None and now < denied.until and not receipt:
                known = denied.counts(plan, hits, now)
                if known is not None:
                    return self._answer(message, plan, known, now, started, digest)
            if receipt and self._retries is not None:
                return self._retries.once.add(
                    receipt,
                    hits,
                    now,
                    answer_by(call.deadline, started),
                    lambda counts: self._answer(message, plan, counts, now, started, digest, hits),
                )
            return self._store.add(
                hits,
                now,
                answer_by(call.deadline, started),
                lambda counts: self._answer(message, plan, counts, now, started, digest, hits),
            )
        except Exception as error:
            return self._broken(started, error)

    def _renew(self, snapshot: Snapshot | None) -> None:
        # Plans hold compiled rules: none outlives the snapshot that it was made under.
        planner = None
        if snapshot is not None:
            planner = Planner(snapshot, self._remembered, self._modes)
        self._planner = planner
        self._plans = Recent(self._remembered)
        self._current = snapshot

    def _plan(self, message: bytes) -> tuple[Planned, bytes]:
        """The plan, and what the request is known again by, if it may come again."""
        if self._planner is None:
            return Refusal("not_ready", "no configuration yet"), NO_RECEIPT
        request = parse(message)
        if isinstance(request, BadRequest):
            return request, NO_RECEIPT
        known = NO_RECEIPT
        if self._retries is not None:
            request, found = without_id(request, self._retries.by)
            if found:
                known = receipt_of(message)
        planned = self._planner.plan(request)
        # Not of the own domain: its descriptors hold identities.
        if (
            self._extras.rule_metadata
            and isinstance(planned, Plan)
            and request.domain != OWN_DOMAIN
        ):
            planned.asked = asked(message)
        if isinstance(planned, Plan) and not known and len(message) <= _LONGEST_REMEMBERED:
            self._plans.offer(message, planned)
        return planned, known

    def _refused(self, planned: Refusal | BadRequest, started: float) -> Status:
        if isinstance(planned, BadRequest):
            status = Status(Code.INVALID_ARGUMENT, planned.reason)
            return self._failed(started, "bad_request", status)
        return self._failed(started, planned.reason, Status(Code.UNAVAILABLE, planned.message))

    def _answer(
        self,
        message: bytes,
        planned: Plan,
        counts: Counts,
        now: float,
        started: float,
        digest: str,
        hits: Sequence[Hit] | None = None,
    ) -> Reply:
        """By the counters after `hits`; None: by counters that were known, nothing is counted."""
        try:
            verdict: Seen
            if isinstance(counts, StoreUnavailable):
                return self._without_store(message, planned, counts, now, started, digest)
            answer = decide(planned, counts, now)
            if self._stats is not None:
                self._stats.count(planned, counts, hits is None)
            if answer.over or answer.shadow:
                verdict, reason = "deny", "over_limit"
                if self._denied is not None and counts:
                    if hits is None:
                        answer = answer._replace(known=True)
                    else:
                        self._denied.note(planned, hits, counts, now)
                if self._modes.shadow and answer.over:
                    answer = self._let_pass(answer)
            elif planned.counted:
                verdict, reason = "allow", "within_limit"
            else:
                verdict, reason = "allow", planned.reason
            reply = encode(answer)
            if answer.limit is not None or self._always:
                reply += self._extras.of(planned, answer)
            self._tell(message, planned, verdict, reason, started, digest, answer)
            return reply
        except Exception as error:
            return self._broken(started, error)

    def _use(
        self,
        message: bytes,
        plan: Plan,
        now: float,
        started: float,
        digest: str,
        call: Call,
        receipt: bytes,
    ) -> "Reply | asyncio.Future[Reply]":
        """One request that plain counters are not enough for."""
        uses = plan.uses(now)
        refused = self._refusals
        if refused is not None and now < refused.until and not receipt:
            known = refused.said(uses, now)
            if known is not None:
                answer = decide_uses(plan, known)._replace(known=True)
                return self._judged(message, plan, answer, started, digest)

        def then(said: Sequence[Said] | StoreUnavailable) -> Reply:
            try:
                if isinstance(said, StoreUnavailable):
                    return self._without_store(message, plan, said, now, started, digest)
                answer = decide_uses(plan, said)
                if refused is not None:
                    refused.note(uses, said, now)
                if answer.over and self._denied is not None:
                    self._denied.note(plan, plan.hits(now), full(plan, said), now)
                return self._judged(message, plan, answer, started, digest)
            except Exception as error:
                return self._broken(started, error)

        if self._states is None:
            return then(StoreUnavailable("error"))
        deadline = answer_by(call.deadline, started)
        if receipt and self._retries is not None:
            return self._retries.once.use(receipt, uses, True, now, deadline, then)
        return self._states.use(uses, True, now, deadline, then)

    def _judged(
        self, message: bytes, plan: Plan, answer: Answer, started: float, digest: str
    ) -> Reply:
        verdict: Seen = "allow"
        reason = "within_limit"
        if answer.over or answer.shadow:
            verdict, reason = "deny", "over_limit"
            if self._modes.shadow and answer.over:
                answer = self._let_pass(answer)
        reply = encode(answer)
        if answer.limit is not None or self._always:
            reply += self._extras.of(plan, answer)
        self._tell(message, plan, verdict, reason, started, digest, answer)
        return reply

    def _without_store(
        self,
        message: bytes,
        planned: Plan,
        counts: StoreUnavailable,
        now: float,
        started: float,
        digest: str,
    ) -> Reply:
        """What was written of this, because the counters cannot be asked."""
        if self._stats is not None:
            self._stats.unavailable(planned)
        if not self._modes.shadow:
            over = over_known(planned, counts.known, now)
            if over is not None:
                return self._degraded(message, planned, over, started, digest)
        without = without_counts(planned, self._modes.shadow, counts.known)
        if without is None and self._share is not None:
            shared = self._share.answer(planned, now, counts.known)
            if shared is not None:
                return self._degraded(message, planned, shared, started, digest)
        reply: Reply
        late = counts.reason == "late"
        if without is not None:
            reply = encode(without) + DEGRADED
        elif late:
            # Who floods us must not get the error that Envoy may let pass.
            reply = self._overloaded
        else:
            reply = Status(Code.UNAVAILABLE, f"rate limit counters unavailable: {counts.reason}")
        self._tell(
            message,
            planned,
            "error",
            "store_overloaded" if late else "store_unavailable",
            started,
            digest,
            detail=counts.reason,
        )
        return reply

    def _degraded(
        self, message: bytes, planned: Plan, answer: Answer, started: float, digest: str
    ) -> bytes:
        """By this worker's part of the limits, because the store is away."""
        verdict: Seen = "deny" if answer.over or answer.shadow else "allow"
        reply = encode(answer) + DEGRADED
        if answer.limit is not None or self._always:
            reply += self._extras.of(planned, answer)
        self._tell(message, planned, verdict, "degraded", started, digest, answer)
        return reply

    def _let_pass(self, answer: Answer) -> Answer:
        """All limits are in shadow; what is said of each descriptor stays."""
        if self._stats is not None:
            self._stats.global_shadow += 1
        return answer._replace(over=False, shadow=True)

    def _tell(
        self,
        message: bytes,
        planned: Plan,
        verdict: Seen,
        reason: str,
        started: float,
        digest: str,
        answer: Answer | None = None,
        detail: str = "",
    ) -> None:
        observer, seconds = self._observer, time.monotonic() - started
        if self._stats is not None:
            self._stats.answered(seconds)
        who = what = ""
        sample = 0.0
        if observer.wants_text:
            sample = observer.sample("limit", verdict, planned.policy, reason, seconds)
        if sample:
            who, what = _texts(message)
            if answer is not None and answer.limit is not None:
                limit = answer.limit
                detail = f"{limit.name} {limit.requests}/{limit.unit.name}".strip()
            if planned.note:
                detail = f"{detail} ({planned.note})".strip()
        else:
            detail = ""
        observer.decided(
            Decision(
                "limit",
                verdict,
                planned.policy,
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
            )
        )

    def _failed(self, started: float, reason: str, status: Status) -> Status:
        observer, seconds = self._observer, time.monotonic() - started
        if self._stats is not None:
            self._stats.service_errors += 1
            self._stats.answered(seconds)
        sample = 0.0
        if observer.wants_text:
            sample = observer.sample("limit", "error", "", reason, seconds)
        detail = status.message if sample else ""
        digest = self._current.digest if self._current is not None else ""
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

    def _broken(self, started: float, error: Exception) -> Status:
        if (silent := self._failures.due("failed", time.monotonic())) is not None:
            what, place = type(error).__name__, place_of(error)
            log.error("a rate limit decision failed: %s at %s (silent: %d)", what, place, silent)
        return self._failed(started, "internal", Status(Code.INTERNAL, "internal error"))


_OVERLOADED: dict[str, Reply] = {
    "deny": encode(Answer(True, ())),
    "allow": encode(Answer(False, ())),
    "error": Status(Code.UNAVAILABLE, "too many requests to decide in time"),
}


def _states(store: Store) -> StateStore | None:
    return MemoryStates(windows=store) if isinstance(store, MemoryStore) else None


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

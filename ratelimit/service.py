"""The service: a message, its plan, the counters, the answer."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from callout.config.snapshot import Snapshot
from callout.grpc.call import Call, Code, Face, Reply, Status, Unary
from callout.grpc.timeout import answer_by
from callout.observe.decision import Observer
from ratelimit.algorithms.contract import Verdict as Said
from ratelimit.answers import NOTHING, Extras
from ratelimit.decide import decide_uses
from ratelimit.domains import OWN_DOMAIN
from ratelimit.envoy import METHOD, SERVICE, parse
from ratelimit.er.stats import ErStats
from ratelimit.hottest import Hottest
from ratelimit.judge import OVERLOADED, Judge
from ratelimit.local.denied import Denied
from ratelimit.local.refused import Refused
from ratelimit.local.share import LocalShare
from ratelimit.modes import AS_WRITTEN, Modes
from ratelimit.plan import Plan, Refusal
from ratelimit.planner import Planned, Planner
from ratelimit.recent import Recent
from ratelimit.report import Report
from ratelimit.request import BadRequest
from ratelimit.retries.contract import Retries
from ratelimit.retries.request_id import NO_RECEIPT, without_id
from ratelimit.retries.request_id import receipt as receipt_of
from ratelimit.rule_metadata import asked
from ratelimit.stop_when_over import StopWhenOver
from ratelimit.stores.contract import Store, StoreUnavailable
from ratelimit.stores.memory import MemoryStore
from ratelimit.stores.memory_states import MemoryStates
from ratelimit.stores.states import StateStore

_LONGEST_REMEMBERED = 2048
"""Bytes of a message whose plan is kept; with the number of plans this bounds the memory."""


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
        stop: StopWhenOver | None = None,
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
            stop: counts requests of several limits of an operator's domain; None: `store` does.
        """
        self._snapshot = snapshot
        self._store = store
        self._now = now
        self._with_rules = extras.rule_metadata
        self._denied = denied
        self._modes = modes
        self._hottest = hottest
        self._retries = retries
        self._until_look = 1 if hottest is not None else 0
        """Requests until it looks again; without it 0, and less with each."""
        self._states = states if states is not None else _states(store)
        self._refusals = refused
        # In shadow nothing is refused, and each limit counts for itself.
        self._stop = stop if not modes.shadow else None
        self._remembered = remembered
        self._current: Snapshot | None = None
        self._planner: Planner | None = None
        self._plans: Recent[bytes, Plan] = Recent(remembered)
        self._report = Report(observer, stats)
        self._judge = Judge(extras, modes, denied, refused, share, stats, self._report)
        self._answer = self._judge.counted

    def face(self, overloaded: Literal["deny", "allow", "error"] = "deny") -> Face:
        """What the transport offers.

        Args:
            overloaded: the operator's verdict on requests that there is no time for. Envoy lets a
                request pass on `error`, unless its `failure_mode_deny` says otherwise.
        """
        self._judge.overloaded = OVERLOADED[overloaded]
        method = Unary(METHOD, self.should_rate_limit, self._judge.overloaded)
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
            # one skips parsing, matching and naming its counters: 1.7 us of 6.4 with one plain
            # descriptor, 9 of 13 where the rules need more (`direct.py`).
            plan = self._plans.get(message)
            receipt = NO_RECEIPT
            if plan is None:
                planned, receipt = self._plan(message)
                if not isinstance(planned, Plan):
                    return self._refused(planned, started, digest)
                plan = planned
            if not plan.counted:
                return self._answer(message, plan, 0.0, started, digest, None, ())
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
                    return self._answer(message, plan, now, started, digest, None, known)
            if receipt and self._retries is not None:
                return self._retries.once.add(
                    receipt,
                    hits,
                    now,
                    answer_by(call.deadline, started),
                    partial(self._answer, message, plan, now, started, digest, hits),
                )
            if self._stop is not None and len(hits) > 1:
                return self._stop.add(
                    plan,
                    hits,
                    now,
                    answer_by(call.deadline, started),
                    partial(self._answer, message, plan, now, started, digest, hits),
                )
            return self._store.add(
                hits,
                now,
                answer_by(call.deadline, started),
                partial(self._answer, message, plan, now, started, digest, hits),
            )
        except Exception as error:
            digest = self._current.digest if self._current is not None else ""
            return self._report.broken(started, digest, error)

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
        if self._retries is None:
            plan = self._planner.directly(message)
            if plan is not None:
                if self._with_rules:
                    plan.asked = asked(message)
                self._plans.offer(message, plan)
                return plan, NO_RECEIPT
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
        if self._with_rules and isinstance(planned, Plan) and request.domain != OWN_DOMAIN:
            planned.asked = asked(message)
        if isinstance(planned, Plan) and not known and len(message) <= _LONGEST_REMEMBERED:
            self._plans.offer(message, planned)
        return planned, known

    def _refused(self, planned: Refusal | BadRequest, started: float, digest: str) -> Status:
        if isinstance(planned, BadRequest):
            reason, status = "bad_request", Status(Code.INVALID_ARGUMENT, planned.reason)
        else:
            reason, status = planned.reason, Status(Code.UNAVAILABLE, planned.message)
        return self._report.failed(started, digest, reason, status)

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
                return self._judge.judged(message, plan, answer, started, digest)

        def then(said: Sequence[Said] | StoreUnavailable) -> Reply:
            return self._judge.used(message, plan, said, now, started, digest)

        if self._states is None:
            return then(StoreUnavailable("error"))
        deadline = answer_by(call.deadline, started)
        if receipt and self._retries is not None:
            return self._retries.once.use(receipt, uses, True, now, deadline, then)
        return self._states.use(uses, True, now, deadline, then)


def _states(store: Store) -> StateStore | None:
    return MemoryStates(windows=store) if isinstance(store, MemoryStore) else None

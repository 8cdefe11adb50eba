"""`envoy.service.auth.v3.Authorization/Check`: where protobuf, clocks and waiting meet the core.

Whatever happens in here, the caller gets a CheckResponse, and it is a denial unless an `Allow`
came out of the core: a gRPC error would be let through by Envoy's `failure_mode_allow`.
"""

import asyncio
import inspect
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, cast

import structlog

from callout.config.snapshot import Snapshot
from callout.grpc.call import Call, Face, Unary
from callout.grpc.timeout import answer_by
from callout.observe.decision import Decision, Observer, Verdict
from callout.observe.paced import Paced
from callout.observe.place import place_of
from callout.observe.text import without_query
from extauthz import credentials, decide, envoy
from extauthz.answer import respond
from extauthz.cache.decisions import DecisionCache
from extauthz.cache.flights import Flights
from extauthz.cache.rules import CacheRules
from extauthz.check import CheckInput, Malformed, NetworkCheck, TooManyHeaders
from extauthz.compiled import ByOpa, ByRego, Decider
from extauthz.decide import Chosen, Refused
from extauthz.decision_logs.recorder import NOTHING, Recorder
from extauthz.emit import AuthPart
from extauthz.identity.contract import (
    BadCredential,
    Found,
    Identity,
    IdentityFailed,
    KeySource,
    NotPresent,
    UnverifiedToken,
)
from extauthz.identity.token_cache import TokenCache
from extauthz.outcome import Allow, Deny, Failed, Outcome
from extauthz.policy.engine import Answer, Engine, PolicyFailed
from extauthz.policy.rego import RegoEngine
from extauthz.result import outcome_of

_log = structlog.get_logger("gatewright.authz")

WAIT_MOST = 10.0
"""Seconds that a caller without a deadline is kept waiting for keys or an OPA server."""
_AT_ONCE = (Identity, BadCredential, NotPresent, IdentityFailed)
"""What identification gives when nothing has to be waited for."""
_JSON = frozenset({bool, dict})
_WHOLE = (0,)
"""What an answer of an OPA server has read (`rules.of_server`)."""
_WHAT_MOST = 200
"""Characters of `Decision.what`."""


class _Work:
    """One request under way."""

    __slots__ = (
        "check",
        "chosen",
        "deadline",
        "digest",
        "part",
        "peer",
        "result",
        "size",
        "started",
        "token",
    )

    def __init__(
        self,
        started: float,
        call: Call,
        check: CheckInput | NetworkCheck,
        chosen: Chosen,
        part: AuthPart,
        digest: str,
        size: int,
    ) -> None:
        self.started = started
        self.deadline = answer_by(call.deadline, started)
        self.check = check
        self.chosen = chosen
        self.part = part
        self.digest = digest
        self.token: UnverifiedToken | None = None
        self.peer = call.peer
        self.size = size
        self.result: object = NOTHING


class AuthorizationService:
    """Answers Check for the snapshot of the moment; use it in one event loop.

    A request that needs no I/O is answered at once, without a coroutine.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot | None],
        observer: Observer,
        keys: KeySource,
        opa: Callable[[str], Engine] | None = None,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        log: Recorder | None = None,
    ) -> None:
        """Put it together.

        Args:
            snapshot: gives the configuration to decide by; None while there is none.
            observer: is told of each decision.
            keys: key sets that the bundle names by URL.
            opa: gives the engine that asks an OPA server for a document; None: no such server.
            now: seconds since 1970, for tokens.
            clock: seconds, as `Call.deadline` counts them.
            log: keeps decisions for the decision log; None: there is none.
        """
        self._snapshot = snapshot
        self._observer = observer
        self._keys = keys
        self._opa = opa
        self._opa_engines: dict[str, Engine] = {}
        self._now = now
        self._clock = clock
        self._log = log
        self._read = envoy.read
        self._tokens = TokenCache()
        self.decisions = DecisionCache()
        """Those of policies that have it so."""
        self.flights = Flights()
        """Questions to OPA servers for such policies."""
        # Unique across processes without asking the kernel for each request (uuid4: 1.6 us); in
        # the form of a UUID, version 8 of RFC 9562, as OPA's ids have it.
        raw = os.urandom(9).hex()
        self._id_prefix = f"{raw[:8]}-{raw[8:12]}-8{raw[12:15]}-8{raw[15:]}-"
        self._id_count = 0
        self._failures = Paced()

    def face(self, overloaded: Literal["deny", "allow"] = "deny") -> Face:
        """What a transport serves.

        Args:
            overloaded: the operator's verdict on requests that there is no time for. A denial is
                a denied response, never a gRPC error: see the module's text.
        """
        sent = Allow("overload") if overloaded == "allow" else _OVERLOADED
        reply = respond(sent, "", "", self._decision_id())
        method = Unary(f"/{envoy.SERVICE}/Check", self.check, reply)
        return Face("authz", envoy.SERVICE, (method,))

    def check(self, message: bytes, call: Call) -> bytes | Awaitable[bytes]:
        """Decide about one CheckRequest.

        Args:
            message: the serialized CheckRequest.
            call: its deadline counts.

        Returns:
            The serialized CheckResponse, at once when nothing must be waited for.
        """
        started = self._clock()
        if self._log is not None and self._log.full:
            return self._turn_away(started, _LOG_FULL, "", "error", None)
        try:
            check = self._read(message)
            # the usual type first, and no union, which takes 0.2 us
            if not isinstance(check, CheckInput) and not isinstance(check, NetworkCheck):
                return self._turn_away(started, _UNREADABLE[type(check)], "", "deny", None)
            snapshot = self._snapshot()
            if snapshot is None:
                return self._turn_away(started, _NOT_READY, "", "error", check)
            if isinstance(check, CheckInput):
                chosen = decide.choose(check, snapshot.policies)
            else:
                chosen = decide.choose_for_connection(check, snapshot.policies)
            if isinstance(chosen, Refused):
                return self._turn_away(
                    started, chosen.sent, chosen.policy, chosen.verdict, check, snapshot.digest
                )
            part = snapshot.parts["auth"]
            if not isinstance(part, AuthPart):
                raise TypeError("the snapshot has no part for auth")
            work = _Work(started, call, check, chosen, part, snapshot.digest, len(message))
            if chosen.mode == "off":
                return self._conclude(work, None, Allow("off"))
            if work.deadline is not None and started >= work.deadline:
                return self._conclude(work, None, Failed("deadline", unanswered=True))
            found = self._identify(work)
            if isinstance(found, _AT_ONCE):
                return self._identified(work, found)
            return self._identified_later(work, found)
        except Exception as error:
            return self._broken(started, error)

    # --- who ---

    def _identify(self, work: _Work) -> Found | NotPresent | Awaitable[Found]:
        auth = work.chosen.auth
        text = credentials.bearer(work.check.headers) if auth.takes_tokens else None
        if text is None:
            return decide.identify(auth, None, self._keys, 0.0)
        if isinstance(text, BadCredential):
            return text
        now = self._now()
        remembered = self._tokens.get(auth.scope, text, self._keys, now)
        if remembered is not None:
            return remembered
        token = credentials.read_token(text)
        if isinstance(token, BadCredential):
            return token
        work.token = token
        found = decide.identify(auth, token, self._keys, now)
        if not isinstance(found, _AT_ONCE):
            return self._remembering(auth.scope, text, found, now)
        if isinstance(found, Identity):
            self._tokens.put(auth.scope, text, found, now)
        return found

    async def _remembering(
        self, scope: str, text: str, finding: Awaitable[Found], now: float
    ) -> Found:
        found = await finding
        if isinstance(found, Identity):
            self._tokens.put(scope, text, found, now)
        return found

    async def _identified_later(self, work: _Work, finding: Awaitable[Found]) -> bytes:
        try:
            try:
                async with asyncio.timeout(self._left(work)):
                    found = await finding
            except TimeoutError:
                found = decide.overdue(work.chosen.auth, work.token, self._keys, self._now())
            reply = self._identified(work, found)
            return reply if isinstance(reply, bytes) else await reply
        except Exception as error:
            return self._broken(work.started, error)

    # --- may they ---

    def _identified(self, work: _Work, found: Found | NotPresent) -> bytes | Awaitable[bytes]:
        if not isinstance(found, Identity):
            return self._conclude(work, None, decide.refusal(found))
        document = decide.question(work.chosen, work.check, found)
        if isinstance(document, Refused):
            sent, policy, verdict = document
            return self._turn_away(work.started, sent, policy, verdict, work.check, work.digest)
        if not isinstance(document, dict):
            return self._conclude(work, found, document)
        decider = work.chosen.auth.decider
        word = "opa" if isinstance(decider, ByOpa) else "rego"
        engine = self._engine(decider)
        if engine is None:
            return self._conclude(work, found, Failed("opa_not_configured"))
        if work.chosen.auth.cache is not None:
            return self._recalled(work, found, document, engine, work.chosen.auth.cache, word)
        answer = engine.decide(document, work.deadline)
        # the two usual types first: `isawaitable` takes 0.7 us
        if type(answer) not in _JSON and inspect.isawaitable(answer):
            return self._ruled_later(work, found, answer, word)
        work.result = answer
        return self._conclude(work, found, outcome_of(answer, word, work.chosen.auth.compat))

    def _recalled(
        self,
        work: _Work,
        identity: Identity,
        document: dict[str, Any],
        engine: Engine,
        rules: CacheRules,
        word: str,
    ) -> bytes | Awaitable[bytes]:
        """Where the policy's decisions are remembered: that one, or a new one.

        Whoever calls was identified for this request, whatever is remembered.
        """
        kept = self.decisions.get(work.digest, rules, identity.serial, document, self._clock())
        if kept is not None:
            work.result = kept.answer
            return self._conclude(work, identity, kept.outcome)
        if word == "opa":
            asking = self._asked_once(work, identity, document, engine, rules)
            return self._ruled_later(work, identity, asking, word)
        answer, noted = self._told(engine, document)
        work.result = answer
        outcome = outcome_of(answer, word, work.chosen.auth.compat)
        self._keep(work, identity, document, rules, noted, outcome, answer)
        return self._conclude(work, identity, outcome)

    def _told(
        self, engine: Engine, document: dict[str, Any]
    ) -> tuple[Answer | PolicyFailed, Sequence[int]]:
        return cast(RegoEngine, engine).decide_and_tell(document)

    async def _asked_once(
        self,
        work: _Work,
        identity: Identity,
        document: dict[str, Any],
        engine: Engine,
        rules: CacheRules,
    ) -> object:
        async def question() -> Answer | PolicyFailed:
            asked = engine.decide(document, work.deadline)
            return await asked if inspect.isawaitable(asked) else asked

        reads = self.decisions.reads(rules, document, _WHOLE)
        if reads is None:
            return await question()
        key = (rules, identity.serial, *reads.values())
        now = self._clock()
        answer = await self.flights.ask(key, question, now, now + self._left(work))
        outcome = outcome_of(answer, "opa", work.chosen.auth.compat)
        self._keep(work, identity, document, rules, _WHOLE, outcome, answer)
        return answer

    def _keep(
        self,
        work: _Work,
        identity: Identity,
        document: dict[str, Any],
        rules: CacheRules,
        noted: Sequence[int],
        outcome: Outcome,
        answer: object,
    ) -> None:
        forever = identity.expires == float("inf")
        self.decisions.put(
            work.digest,
            rules,
            identity.serial,
            document,
            noted,
            outcome,
            answer,
            self._clock(),
            rules.ttl if forever else identity.expires - self._now(),
        )

    async def _ruled_later(
        self, work: _Work, identity: Identity, asking: Awaitable[object], word: str
    ) -> bytes:
        try:
            outcome: Outcome
            try:
                async with asyncio.timeout(self._left(work)):
                    work.result = await asking
                    outcome = outcome_of(work.result, word, work.chosen.auth.compat)
            except TimeoutError:
                outcome = Failed("deadline", unanswered=True)
            return self._conclude(work, identity, outcome)
        except Exception as error:
            return self._broken(work.started, error)

    def _engine(self, decider: Decider) -> Engine | None:
        if isinstance(decider, ByRego):
            return decider.engine
        if not isinstance(decider, ByOpa) or self._opa is None:
            return None
        engine = self._opa_engines.get(decider.path)
        if engine is None:
            engine = self._opa_engines[decider.path] = self._opa(decider.path)
        return engine

    def _left(self, work: _Work) -> float:
        deadline = work.deadline
        return WAIT_MOST if deadline is None else deadline - self._clock()

    # --- what is answered ---

    def _conclude(self, work: _Work, identity: Identity | None, outcome: Outcome) -> bytes:
        chosen = work.chosen
        answer = decide.conclude(chosen.auth, chosen.mode, work.part, identity, outcome)
        if chosen.path is None:
            answer = decide.without_http(answer)
        decision_id = self._decision_id()
        # the plugin has no such metadata: not sent to who cannot ask for it
        policy = chosen.policy if work.part.trusted or not chosen.auth.compat else ""
        reply = respond(answer.sent, policy, answer.fields, decision_id)
        observer, seconds = self._observer, self._clock() - work.started
        who = what = ""
        sample = 0.0
        if observer.wants_text:
            verdict, reason = answer.verdict, answer.reason
            sample = observer.sample("authz", verdict, chosen.policy, reason, seconds)
            if sample:
                who = identity.subject or "anonymous" if identity is not None else ""
                what = _what(work.check)
        observer.decided(
            Decision(
                "authz",
                answer.verdict,
                chosen.policy,
                answer.reason,
                who,
                what,
                seconds,
                answer.shadow,
                "",
                decision_id,
                work.digest,
                "",
                sample,
            )
        )
        if self._log is not None:
            self._log.record(
                decision_id,
                work.digest,
                seconds,
                work.peer,
                work.size,
                work.check,
                chosen.policy,
                chosen.auth,
                chosen.path,
                identity.claims if identity is not None else None,
                work.result,
                answer.verdict,
                answer.reason,
                answer.shadow,
                0 if type(answer.sent) is Allow else answer.sent.status,
            )
        return reply

    def _turn_away(
        self,
        started: float,
        sent: Deny,
        policy: str,
        verdict: Verdict,
        check: CheckInput | NetworkCheck | None,
        digest: str = "",
    ) -> bytes:
        decision_id = self._decision_id()
        reply = respond(sent, "" if sent.compat else policy, "", decision_id)
        observer, seconds = self._observer, self._clock() - started
        what, sample = "", 0.0
        if observer.wants_text:
            sample = observer.sample("authz", verdict, policy, sent.reason, seconds)
            what = _what(check) if check is not None and sample else ""
        observer.decided(
            Decision(
                "authz",
                verdict,
                policy,
                sent.reason,
                "",
                what,
                seconds,
                id=decision_id,
                digest=digest,
                sample=sample,
            )
        )
        if self._log is not None and sent is not _LOG_FULL:
            self._log.record(
                decision_id,
                digest,
                seconds,
                "",
                0,
                check,
                policy,
                None,
                None,
                None,
                NOTHING,
                verdict,
                sent.reason,
                False,
                sent.status,
            )
        return reply

    def _broken(self, started: float, error: Exception) -> bytes:
        if (silent := self._failures.due("check_failed", self._clock())) is not None:
            place = place_of(error)
            _log.error("check_failed", error=type(error).__name__, place=place, silent=silent)
        try:
            return self._turn_away(started, _BROKEN, "", "error", None)
        except Exception:
            # whoever is told of decisions is what broke: the denial goes out all the same
            return respond(_BROKEN, "", "", self._decision_id())

    def _decision_id(self) -> str:
        self._id_count += 1
        return f"{self._id_prefix}{self._id_count:012x}"


def _what(check: CheckInput | NetworkCheck) -> str:
    if isinstance(check, NetworkCheck):
        return f"connection {check.host}"[:_WHAT_MOST].rstrip()
    return f"{check.method} {check.host}{without_query(check.path)}"[:_WHAT_MOST]


_UNREADABLE: dict[type[Any], Deny] = {
    Malformed: Deny("malformed", 400),
    TooManyHeaders: Deny("too_many_headers", 431),
}
_OVERLOADED = Deny("overload", 503)
_NOT_READY = Deny("not_ready", 503)
_BROKEN = Deny("internal", 503)
_LOG_FULL = Deny("decision_log_full", 503)
"""The operator wants no decision that nobody logs."""

"""Which policy inspects an exchange, and what is told of it afterwards."""

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import structlog

from callout.config.policies import Effective, UnknownPolicy
from callout.config.snapshot import Snapshot
from callout.ext_proc.budget import Budget as Memory
from callout.ext_proc.filter import Block
from callout.ext_proc.plan import WORDS, Plan, Side
from callout.ext_proc.service import Processor
from callout.grpc.call import Face
from callout.http.head import Peer, RequestHead
from callout.http.host import canonical_host
from callout.http.path import RefusedPath
from callout.observe.decision import Decision, Observer, Verdict
from callout.observe.paced import Paced
from callout.observe.place import place_of
from callout.observe.text import without_query
from waf.collections.memory import MemoryStore
from waf.filter import Concluded, WafFilter
from waf.inspection import Inspection, Sizes
from waf.report import Report
from waf.transaction import Budget, Transaction

_log = structlog.get_logger("gatewright.process")

FACE: Final = "process"
POLICY: Final = b"x-gatewright-policy"
"""Initial metadata of the stream: the policy that trusted route configuration names."""
MOST_HELD: Final = 256 << 20
"""Bytes of bodies that one worker keeps for all of its exchanges together."""
MOST_HELD_EACH: Final = 32 << 20
"""Bytes of both bodies of one exchange: each policy's `max` is at most half of it."""

_WHAT_MOST: Final = 200
"""Characters of `Decision.what`."""
_RULES_TOLD: Final = 20
"""Ids of rules in `Decision.detail`."""
_PLAIN: Final = ((b"content-type", b"text/plain"),)


class InspectionService:
    """The face `process`: for the snapshot of the moment. Use it in one event loop."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot | None],
        observer: Observer,
        told: Report,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Serve.

        Args:
            snapshot: what is decided by, asked at each exchange; None: nothing is loaded yet.
            observer: is told of each exchange that a policy inspects.
            told: is told of its transaction.
            now: seconds since 1970.
            clock: seconds, for time limits.
        """
        self._snapshot = snapshot
        self._observer = observer
        self._told = told
        self._now = now
        self._clock = clock
        self._store = MemoryStore()
        self._memory = Memory(MOST_HELD, MOST_HELD_EACH)
        self._failures = Paced()
        # As authz does it: unique across processes, without asking the kernel for each.
        self._id_prefix = os.urandom(8).hex()
        self._id_count = 0
        self.events: Final = {f"{side}_{word}": 0 for side in _SIDES for word in WORDS}
        """What became of messages beside being judged, counted: `request_over`."""
        self.unjudged: Final = {"no_policy": 0, "off": 0}
        """Exchanges that nobody looked at, because no policy says so."""

    @property
    def held(self) -> int:
        """Bytes of bodies that are kept now."""
        return self._memory.held

    def face(self) -> Face:
        """What a transport serves."""
        return Processor(self.choose, self._memory, self._note, self._report).face()

    def choose(
        self, head: RequestHead, peer: Peer, metadata: Mapping[bytes, bytes]
    ) -> Plan | Block | None:
        """The plan of an exchange; see `callout.ext_proc.plan.Choose`."""
        began = self._clock()
        snapshot = self._snapshot()
        what = _what(head)
        if snapshot is None:
            return self._turn_away(503, "not_ready", "", peer, what, began, "")
        host = canonical_host(head.authority.decode("latin-1"))
        named = metadata.get(POLICY)
        effective, path = snapshot.policies.find(
            host,
            head.path.decode("latin-1"),
            head.method.decode("latin-1"),
            None if named is None else named.decode("latin-1"),
        )
        digest = snapshot.digest
        if isinstance(effective, UnknownPolicy):
            return self._turn_away(503, "unknown_policy", "", peer, what, began, digest)
        if effective is None:
            self.unjudged["no_policy"] += 1
            return None
        if effective.invalid:
            return self._turn_away(503, "policy_invalid", effective.name, peer, what, began, digest)
        inspection = effective.block("inspect")
        if not isinstance(inspection, Inspection):
            self.unjudged["no_policy"] += 1
            return None
        mode = effective.mode("inspect")
        if mode == "off":
            self.unjudged["off"] += 1
            return None
        if isinstance(path, RefusedPath) and mode == "enforce":
            # Which policy it belongs to is not known, and the upstream may read it as another's.
            return self._turn_away(400, path.reason, effective.name, peer, what, began, digest)
        return self._plan(inspection, effective, mode == "shadow", peer, what, digest)

    def _plan(
        self,
        inspection: Inspection,
        effective: Effective,
        shadow: bool,
        peer: Peer,
        what: str,
        digest: str,
    ) -> Plan:
        clock = self._clock
        start = clock()
        unique = _id(peer.request_id) or self._own_id()
        transaction = Transaction(
            inspection.rules,
            unique,
            self._now(),
            lambda: clock() - start,
            budget=Budget(inspection.seconds, "pass"),
            store=self._store,
            nominate=inspection.nominate,
            clock=self._told.timing(clock),
        )
        told = partial(self._concluded, effective.name, shadow, peer, what, digest)
        looking = WafFilter(inspection, transaction, shadow, told, clock)
        return Plan(
            filters=(looking,),
            request=_side(inspection.request, shadow),
            response=_side(inspection.response or inspection.request, shadow),
            failed=_answer(None if shadow else inspection.failed, "failed"),
            seconds=inspection.seconds,
        )

    def _concluded(
        self, policy: str, shadow: bool, peer: Peer, what: str, digest: str, found: Concluded
    ) -> None:
        verdict: Verdict = "allow"
        if found.reason == "time":
            verdict = "error"
        elif found.interruption is not None or found.reason in ("coding", "unfinished"):
            verdict = "deny"
        transaction = found.transaction
        self._told.over(transaction, policy)
        for side, size in found.unseen.items():
            self._told.uninspected(side, size)
        ids = [match.labels.id for match in transaction.matched if match.logged]
        decided = found.interruption.rule if found.interruption is not None else None
        self._observer.decided(
            Decision(
                FACE,
                verdict,
                policy,
                found.reason,
                peer.source_address.decode("ascii", "replace"),
                what,
                found.seconds,
                # Whatever rules themselves say of DetectionOnly counts as shadow, too.
                shadow or (verdict == "deny" and not found.blocked),
                _detail(decided, ids),
                id=transaction.state.unique_id.decode("ascii", "replace"),
                digest=digest,
                sample=self._observer.sample(FACE, verdict, policy, found.reason, found.seconds),
            )
        )

    def _turn_away(
        self,
        status: int,
        reason: str,
        policy: str,
        peer: Peer,
        what: str,
        began: float,
        digest: str,
    ) -> Block:
        seconds = self._clock() - began
        verdict: Verdict = "error" if status == 503 else "deny"
        sample = self._observer.sample(FACE, verdict, policy, reason, seconds)
        who = peer.source_address.decode("ascii", "replace")
        self._observer.decided(
            Decision(
                FACE, verdict, policy, reason, who, what, seconds, digest=digest, sample=sample
            )
        )
        return Block(status, f"waf_{reason}", _PLAIN, b"refused\n")

    def _own_id(self) -> bytes:
        self._id_count += 1
        return f"{self._id_prefix}{self._id_count:08x}".encode()

    def _note(self, side: str, word: str) -> None:
        self.events[f"{side}_{word}"] += 1

    def _report(self, error: Exception) -> None:
        # Without its text, which may quote the request.
        if (silent := self._failures.due("failed", self._clock())) is not None:
            _log.error(
                "a filter failed", error=type(error).__name__, at=place_of(error), silent=silent
            )


_SIDES: Final = ("request", "response")
_ID_MOST: Final = 64


def _id(sent: bytes) -> bytes:
    """The gateway's id of the request, if it is one that may be shown; else nothing."""
    plain = sent.replace(b"-", b"")
    return sent if len(sent) <= _ID_MOST and plain.isalnum() else b""


def _what(head: RequestHead) -> str:
    method, host, path = (
        each[: 4 * _WHAT_MOST].decode("utf-8", "replace")
        for each in (head.method, head.authority, head.path)
    )
    return f"{method} {host}{without_query(path)}"[:_WHAT_MOST]


def _detail(decided: int | None, ids: list[int]) -> str:
    others = [str(each) for each in dict.fromkeys(ids) if each and each != decided]
    told = " ".join(others[:_RULES_TOLD])
    return told if decided is None else f"{decided}: {told}" if told else str(decided)


def _side(sizes: Sizes, shadow: bool) -> Side:
    if shadow:
        return Side(most=sizes.most, over=None, endless=None)
    return Side(
        most=sizes.most,
        over=_answer(sizes.over, "over"),
        endless=_answer(sizes.endless, "endless"),
    )


def _answer(status: int | None, why: str) -> Block | None:
    return None if status is None else Block(status, f"waf_{why}", _PLAIN, b"refused\n")

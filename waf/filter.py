"""Rules as a filter of an exchange: asked in the protocol's order, and what they say as verdicts.

Pure but for the clock that the time budget needs. What was sent never stands in what comes out.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from callout.config.written import STATUSES
from callout.ext_proc.filter import Block, Moment, Need, Undecided, Verdict
from callout.http.bodies.inflate import inflate
from callout.http.bodies.limits import Limits
from callout.http.bodies.oddities import GRADES
from callout.http.head import Headers, Peer, RequestHead, ResponseHead
from waf.inspection import Inspection, Sizes
from waf.interruption import Interruption
from waf.tally import Side
from waf.transaction import Transaction

FORBIDDEN: Final = 403
"""Instead of a status that Envoy would not send, and where a rule drops the connection."""
_UNREAD: Final = frozenset({"uninspected", "broken"})
_BODY: Final = b"refused\n"
_PLAIN: Final = ((b"content-type", b"text/plain"),)


class Concluded(NamedTuple):
    """How an exchange ended for the rules."""

    transaction: Transaction
    interruption: Interruption | None
    """What a rule, or a limit of the rules, decided, carried out or not."""
    reason: str
    """`passed`, `rule`, `body_limit`, `coding`, `time`, `unfinished`."""
    blocked: bool
    """Whether the exchange was ended for it."""
    seconds: float
    """That the rules took."""
    unseen: Mapping[Side, int | None]
    """Bytes of bodies that went on without having been looked at; None: so many, nobody knows."""


class WafFilter:
    """An `HttpFilter`."""

    def __init__(
        self,
        inspection: Inspection,
        transaction: Transaction,
        shadow: bool,
        told: Callable[[Concluded], None],
        clock: Callable[[], float],
    ) -> None:
        """Nothing came yet.

        Args:
            inspection: of the policy.
            transaction: made for this exchange.
            shadow: whatever the rules say, the exchange goes on.
            told: told once, at the end.
            clock: seconds.
        """
        self._inspection: Final = inspection
        self._transaction: Final = transaction
        self._shadow: Final = shadow
        self._told: Final = told
        self._clock: Final = clock
        self._reason = "passed"
        self._blocked = False
        self._awaits = False
        """Whether a body was asked for that has not come."""
        self._seconds = 0.0
        self._coding = b""
        self._announced: int | None = None
        self._unread = False
        self._unseen: Final[dict[Side, int | None]] = {}
        if shadow and transaction.state.engine == "on":
            # Rules go on after the first that would have refused: all are counted.
            transaction.state.engine = "detection-only"

    def request_head(self, head: RequestHead, peer: Peer, at: Moment) -> Verdict:  # noqa: ARG002
        """Phase 1; phase 2 as well where the rules want no body."""
        began = self._clock()
        self._body_comes(head.headers)
        found = self._transaction.request_head(head, peer)
        if found is None and not self._transaction.wants_request_body():
            found = self._transaction.request_body(b"")
        return self._verdict(began, found)

    def request_need(self) -> Need:
        """All of the body, if rules want it."""
        self._awaits = self._transaction.wants_request_body()
        return Need.WHOLE if self._awaits else Need.NONE

    def request_body(self, body: bytes, end: bool, at: Moment) -> Verdict:  # noqa: ARG002
        """Phase 2."""
        began = self._clock()
        self._awaits = False
        inflated = self._inflated(body, end, self._inspection.request)
        if isinstance(inflated, Block):
            return inflated
        transaction = self._transaction
        verdict = self._verdict(began, transaction.request_body(inflated, not end))
        if verdict is None:
            seen = 0 if self._unread else len(transaction.state.body)
            self._passes("request", body, end, len(inflated) - seen)
        return verdict

    def request_trailers(self, trailers: Headers, at: Moment) -> Verdict:  # noqa: ARG002
        """No rule has a word for them."""
        return None

    def wants_response(self) -> bool:
        """If the policy says so."""
        return self._inspection.response is not None and self._transaction.interruption is None

    def response_head(self, head: ResponseHead, at: Moment) -> Verdict:  # noqa: ARG002
        """Phase 3; phase 4 as well where the rules want no body."""
        began = self._clock()
        self._body_comes(head.headers)
        found = self._transaction.response_head(head)
        if found is None and not self._transaction.wants_response_body():
            found = self._transaction.response_body(b"")
        return self._verdict(began, found)

    def response_need(self) -> Need:
        """All of the body, if rules want it."""
        self._awaits = self._transaction.wants_response_body()
        return Need.WHOLE if self._awaits else Need.NONE

    def response_body(self, body: bytes, end: bool, at: Moment) -> Verdict:  # noqa: ARG002
        """Phase 4."""
        began = self._clock()
        self._awaits = False
        inflated = self._inflated(body, end, self._inspection.response)
        if isinstance(inflated, Block):
            return inflated
        transaction = self._transaction
        verdict = self._verdict(began, transaction.response_body(inflated, not end))
        if verdict is None:
            seen = 0 if self._unread else len(transaction.state.response_body)
            self._passes("response", body, end, len(inflated) - seen)
        return verdict

    def response_trailers(self, trailers: Headers, at: Moment) -> Verdict:  # noqa: ARG002
        """No rule has a word for them."""
        return None

    def done(self) -> None:
        """Phase 5, and the end."""
        began = self._clock()
        transaction = self._transaction
        transaction.logging()
        self._seconds += self._clock() - began
        found = transaction.interruption or transaction.shadow
        reason = self._reason
        if reason == "passed" and found is not None:
            reason = _REASONS[found.reason]
        if reason == "passed" and self._awaits:
            # Too long, without an end, cut off: the session refused it, or its sender gave up.
            reason, self._blocked = "unfinished", True
        self._told(
            Concluded(transaction, found, reason, self._blocked, self._seconds, self._unseen)
        )

    def _body_comes(self, headers: Headers) -> None:
        self._coding = headers.joined(b"content-encoding") or b""
        self._unread = False
        length = headers.get(b"content-length") or b""
        self._announced = int(length) if length.isdigit() and len(length) <= _DIGITS else None

    def _passes(self, side: Side, body: bytes, end: bool, unseen: int) -> None:
        """Notes what of a body goes on although nobody looked at it."""
        if not end:
            rest = None if self._announced is None else max(0, self._announced - len(body))
            self._unseen[side] = None if rest is None else rest + unseen
        elif unseen:
            self._unseen[side] = unseen

    def _inflated(self, body: bytes, end: bool, sizes: Sizes | None) -> bytes | Block:
        coding = self._coding
        if not coding or not body:
            return body
        done = inflate(body, coding, _LIMITS)
        grades = {GRADES[word][0] for word in done.oddities}
        if not end:
            # Of a beginning, the end is always missing.
            grades -= {"broken"}
        if not grades & _UNREAD:
            return done.body
        self._unread = True
        if sizes is None or sizes.coding is None:
            return body
        self._reason = "coding"
        if self._shadow:
            return body
        self._blocked = True
        return self._refusal(sizes.coding, "coding")

    def _verdict(self, began: float, found: Interruption | None) -> Verdict:
        transaction = self._transaction
        self._seconds += self._clock() - began
        if transaction.out_of_time and self._reason != "time":
            self._reason = "time"
            return Undecided("time")
        if found is None or self._shadow:
            return None
        self._reason = _REASONS[found.reason]
        self._blocked = True
        status = found.status if found.status in STATUSES else FORBIDDEN
        if found.action == "redirect":
            where = found.location.translate(None, b"\r\n\0")
            block = self._refusal(status, str(found.rule))
            return block._replace(headers=((b"location", where), *_PLAIN))
        if found.action == "drop" or status < 400:
            status = FORBIDDEN
        return self._refusal(status, _REASONS[found.reason] if not found.rule else str(found.rule))

    def _refusal(self, status: int, why: str) -> Block:
        unique = self._transaction.state.unique_id.decode("ascii", "replace")
        return Block(status, f"waf_{why}_{unique}", _PLAIN, _BODY)


_REASONS: Final = {"rule": "rule", "body-limit": "body_limit", "time": "time"}
_LIMITS: Final = Limits()
_DIGITS: Final = 18
"""Of a length: no body has more, and reading them takes time that grows with the square."""

"""A session, driven by hand: when this arrives, that goes out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from callout.ext_proc.budget import Budget
from callout.ext_proc.filter import Block, Change, Edits, Moment, Need, Verdict
from callout.ext_proc.messages import (
    BodyCame,
    BodyMode,
    BodyReply,
    Configured,
    Message,
    Piece,
    RequestCame,
    ResponseCame,
    TrailersCame,
)
from callout.ext_proc.plan import Plan, Side
from callout.ext_proc.session import MODE_OVERRIDE, Session
from callout.http.head import Headers, Peer, RequestHead, ResponseHead

FAILED = Block(500, "failed")
OVER = Block(413, "over")
ENDLESS = Block(501, "endless")
DENIED = Block(403, "denied")


@dataclass
class Watcher:
    """A filter that does as it is told, and remembers what it was asked."""

    need: Need = Need.NONE
    response_needs: Need | None = None
    wanted: bool = True
    answers: dict[str, Any] = field(default_factory=dict)
    """By method: a verdict, an exception, or a function of the arguments that gives one."""
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    at: Moment | None = None

    def request_head(self, head: RequestHead, peer: Peer, at: Moment) -> Verdict:
        self.at = at
        return self._say("request_head", head)

    def request_need(self) -> Need:
        return self.need

    def request_body(self, body: bytes, end: bool, at: Moment) -> Verdict:
        return self._say("request_body", body, end)

    def request_trailers(self, trailers: Headers, at: Moment) -> Verdict:
        return self._say("request_trailers", trailers)

    def wants_response(self) -> bool:
        return self.wanted

    def response_head(self, head: ResponseHead, at: Moment) -> Verdict:
        return self._say("response_head", head)

    def response_need(self) -> Need:
        return self.need if self.response_needs is None else self.response_needs

    def response_body(self, body: bytes, end: bool, at: Moment) -> Verdict:
        return self._say("response_body", body, end)

    def response_trailers(self, trailers: Headers, at: Moment) -> Verdict:
        return self._say("response_trailers", trailers)

    def done(self) -> None:
        self._say("done")

    @property
    def bodies(self) -> list[tuple[Any, ...]]:
        return [each for each in self.asked if each[0].endswith("_body")]

    def _say(self, name: str, *what: Any) -> Verdict:
        self.asked.append((name, *what))
        answer = self.answers.get(name)
        if isinstance(answer, Exception):
            raise answer
        verdict: Verdict = answer(*what) if callable(answer) else answer
        return verdict


class Script:
    """One exchange."""

    def __init__(
        self,
        *filters: Watcher,
        request: BodyMode = BodyMode.NONE,
        response: BodyMode = BodyMode.NONE,
        override: bool = False,
        eager: bool = False,
        most: int = 100,
        over: Block | None = OVER,
        endless: Block | None = ENDLESS,
        failed: Block | None = FAILED,
        budget: Budget | None = None,
        plan: Callable[[RequestHead], Plan | Block | None] | None = None,
    ) -> None:
        side = Side(most=most, over=over, endless=endless)
        made = Plan(filters=filters, request=side, response=side, failed=failed)
        self.configured = Configured(request, response, eager)
        self.notes: list[tuple[str, str]] = []
        self.errors: list[Exception] = []
        self.budget = budget or Budget(10_000, 1000)
        metadata: Mapping[bytes, bytes] = {MODE_OVERRIDE: b"true"} if override else {}
        self.session = Session(
            lambda head, peer, sent: made if plan is None else plan(head),
            self.budget,
            metadata,
            lambda side, word: self.notes.append((side, word)),
            self.errors.append,
        )
        self.now = 1000.0
        self.sent = {True: b"", False: b""}
        """What left, of the request's body and of the response's."""

    def head(
        self, *fields: tuple[bytes, bytes], method: bytes = b"POST", end: bool = False
    ) -> list[Message]:
        head = RequestHead(method, b"https", b"a", b"/", b"HTTP/2", Headers(fields))
        return self._receive(RequestCame(head, Peer(), end, self.configured))

    def body(self, data: bytes, end: bool = False) -> list[Message]:
        return self._receive(BodyCame(True, data, end))

    def trailers(self, *fields: tuple[bytes, bytes]) -> list[Message]:
        return self._receive(TrailersCame(True, Headers(fields)))

    def answer(
        self, *fields: tuple[bytes, bytes], status: int = 200, end: bool = False
    ) -> list[Message]:
        head = ResponseHead(status, Headers(fields))
        return self._receive(ResponseCame(head, end, None))

    def answer_body(self, data: bytes, end: bool = False) -> list[Message]:
        return self._receive(BodyCame(False, data, end))

    def answer_trailers(self, *fields: tuple[bytes, bytes]) -> list[Message]:
        return self._receive(TrailersCame(False, Headers(fields)))

    def later(self, seconds: float) -> list[Message]:
        self.now += seconds
        out = self.session.expire(self.now)
        self._count(out, b"")
        return out

    def _receive(self, event: Any) -> list[Message]:
        assert not self.session.over, "nothing is asked of a session that is over"
        out = self.session.receive(event, self.now)
        came = event.data if isinstance(event, BodyCame) else b""
        self._count(out, came)
        return out

    def _count(self, out: list[Message], came: bytes) -> None:
        for each in out:
            if isinstance(each, Piece):
                self.sent[each.request] += each.data
            elif isinstance(each, BodyReply):
                self.sent[each.request] += came if each.body is None else each.body


def put(*fields: tuple[bytes, bytes]) -> Change:
    return Change(Edits(fields))

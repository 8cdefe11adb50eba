"""The filters of one exchange, asked one after the other, and what they say as one verdict."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, TypeVar

from callout.ext_proc.edits import allowed, edited, then
from callout.ext_proc.filter import (
    NO_EDITS,
    Block,
    Change,
    HttpFilter,
    Moment,
    Need,
    Undecided,
    Verdict,
)
from callout.ext_proc.plan import Note, Plan, Side
from callout.http.head import Headers, Peer, RequestHead, ResponseHead

Report: TypeAlias = Callable[[Exception], None]
"""Told of what a filter raised; must not tell the world what the exception says."""

UNCHANGED: Final = Change()

_T = TypeVar("_T")


class Exchange:
    """Asks; keeps nothing of the messages."""

    __slots__ = ("_made", "_note", "_report", "_responders", "abandoned", "filters", "plan")

    def __init__(self, plan: Plan, note: Note, report: Report) -> None:
        self.plan = plan
        self.filters = self._made = plan.filters
        """Who is asked; nobody any more when we failed and the plan lets that pass."""
        self._responders = plan.filters
        self.abandoned = False
        """Whether we failed so: then nobody looks at what was kept, either."""
        self._note = note
        self._report = report

    def side(self, request: bool) -> Side:
        """The sizes and verdicts of a direction."""
        return self.plan.request if request else self.plan.response

    def moment(self, now: float) -> Moment:
        """What begins now must end in time."""
        return Moment(now, now + self.plan.seconds)

    def request_head(self, head: RequestHead, peer: Peer, at: Moment) -> Change | Block:
        """All filters about the head of the request."""

        def ask(whom: HttpFilter, change: Change) -> Verdict:
            if change.edits is NO_EDITS:
                return whom.request_head(head, peer, at)
            headers = edited(head.headers, change.edits)
            return whom.request_head(head._replace(headers=headers), peer, at)

        return self._each(True, self.filters, ask)

    def response_head(self, head: ResponseHead, at: Moment) -> Change | Block:
        """All filters about the head of the response, the last one first."""

        def ask(whom: HttpFilter, change: Change) -> Verdict:
            if change.edits is NO_EDITS:
                return whom.response_head(head, at)
            headers = edited(head.headers, change.edits)
            return whom.response_head(head._replace(headers=headers), at)

        return self._each(False, self._responders[::-1], ask)

    def needs(self, request: bool) -> Sequence[tuple[HttpFilter, Need]] | Block:
        """Who needs the body, in the order in which they are asked about it."""
        found = []
        for each in self.filters if request else self._responders[::-1]:
            need = self._answer(lambda f: f.request_need() if request else f.response_need(), each)
            if need is None:
                return self.fail(request, "undecided") or ()
            if need is not Need.NONE:
                found.append((each, need))
        return found

    def wants_response(self) -> bool:
        """Whether any filter does; those that do not are asked nothing about it."""
        # A filter that cannot tell is asked: then it can say so, and there is a verdict for that.
        wants = [
            each
            for each in self.filters
            if self._answer(lambda f: f.wants_response(), each) is not False
        ]
        self._responders = tuple(wants)
        return bool(wants)

    def body(
        self, request: bool, lookers: Sequence[HttpFilter], data: bytes, end: bool, at: Moment
    ) -> Change | Block:
        """These filters about a body; each is given what the one before made of it."""

        def ask(whom: HttpFilter, change: Change) -> Verdict:
            given = data if change.body is None else change.body
            about = whom.request_body if request else whom.response_body
            return about(given, end, at)

        return self._each(request, lookers, ask)

    def trailers(self, request: bool, trailers: Headers, at: Moment) -> Change | Block:
        """All filters about trailers."""

        def ask(whom: HttpFilter, change: Change) -> Verdict:
            about = whom.request_trailers if request else whom.response_trailers
            return about(edited(trailers, change.edits), at)

        return self._each(request, self.filters if request else self._responders[::-1], ask)

    def fail(self, request: bool, word: str) -> Block | None:
        """We failed: the plan's verdict. None: nobody is asked any more, all of it passes."""
        self.note(request, word)
        self.filters = self._responders = ()
        self.abandoned = True
        return self.plan.failed

    def note(self, request: bool, word: str) -> None:
        """Count."""
        self._note("request" if request else "response", word)

    def close(self) -> None:
        """The exchange is over."""
        for each in self._made:
            self._answer(lambda f: f.done(), each)
        self._made = ()

    def _each(
        self,
        request: bool,
        filters: Sequence[HttpFilter],
        ask: Callable[[HttpFilter, Change], Verdict],
    ) -> Change | Block:
        """Ask in turn; each is told what those before it changed."""
        change = UNCHANGED
        for each in filters:
            try:
                verdict = ask(each, change)
            except Exception as error:
                self._report(error)
                return self.fail(request, "undecided") or change
            if isinstance(verdict, Block):
                self.note(request, "blocked")
                return verdict
            if isinstance(verdict, Undecided):
                return self.fail(request, "undecided") or change
            if verdict is not None:
                change = merged(change, verdict)
        return change

    def _answer(self, ask: Callable[[HttpFilter], _T], whom: HttpFilter) -> _T | None:
        try:
            return ask(whom)
        except Exception as error:
            self._report(error)
            return None


def merged(before: Change, verdict: Change) -> Change:
    """What both say, one after the other."""
    if verdict is UNCHANGED:
        return before
    if before is UNCHANGED and verdict.edits is NO_EDITS:
        return verdict
    edits = before.edits
    if verdict.edits is not NO_EDITS:
        edits = then(edits, allowed(verdict.edits))
    metadata = before.metadata
    if verdict.metadata:
        metadata = {name: dict(values) for name, values in (metadata or {}).items()}
        for name, values in verdict.metadata.items():
            metadata.setdefault(name, {}).update(values)
    return Change(edits, before.body if verdict.body is None else verdict.body, metadata)

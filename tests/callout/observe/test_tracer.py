"""Spans of calls, without a transport and without a collector."""

import asyncio
import math

import pytest

from callout.grpc.call import Call, Code, Face, Metadata, Reply, Status, Unary, UnaryHandler
from callout.observe.decision import Decision
from callout.observe.exemplars import MOST, Exemplars, file_of
from callout.observe.observers import MetricsObserver
from callout.observe.tallies import DecisionTally
from callout.observe.traces.observer import TracingObserver
from callout.observe.traces.sampler import Sampler
from callout.observe.traces.span import Span
from callout.observe.traces.tracer import CURRENT, Tracer

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ASKED = (b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())


class World:
    def __init__(self, sample: float = 0.0) -> None:
        self.ended: list[Span] = []
        self.tracer = Tracer(Sampler(sample, 1000), self.ended.append)

    def handler(self, inner: UnaryHandler, *, reads_context: bool = False) -> UnaryHandler:
        face = Face("limit", "a.B", (Unary("/a.B/C", inner),))
        (method,) = self.tracer.face(face, reads_context=reads_context).methods
        assert isinstance(method, Unary)
        return method.handler

    def errors(self) -> dict[str, str]:
        return {each.name: each.error for each in self.ended}


def call(*metadata: tuple[bytes, bytes], deadline: float | None = None) -> Call:
    fields: Metadata = [(b":path", b"/a.B/C"), *metadata]
    return Call(fields, deadline, "unix:")


def test_a_call_with_two_contexts_has_none() -> None:
    world = World()
    world.handler(lambda *_: b"")(b"", call(ASKED, ASKED))
    assert not world.ended
    world.handler(lambda *_: b"")(b"", call(ASKED))
    assert {each.trace.id.hex() for each in world.ended} == {TRACE}


def test_a_call_leaves_nothing_to_the_next() -> None:
    world = World()
    seen: list[Span | None] = []

    def inner(_: bytes, __: Call) -> bytes:
        seen.append(CURRENT.get())
        return b""

    handler = world.handler(inner)
    handler(b"", call(ASKED))
    handler(b"", call())
    assert CURRENT.get() is None
    assert [each is None for each in seen] == [False, True]


def test_a_handler_that_raises_ends_its_spans_as_failed() -> None:
    world = World()

    def inner(_: bytes, __: Call) -> bytes:
        raise RuntimeError("planted")

    with pytest.raises(RuntimeError):
        world.handler(inner)(b"", call(ASKED))
    assert world.errors() == {"limit decision": "no decision", "a.B/C": "INTERNAL"}
    assert CURRENT.get() is None


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"", ""),
        (Status(Code.INVALID_ARGUMENT), ""),
        (Status(Code.UNAVAILABLE), "UNAVAILABLE"),
    ],
)
async def test_an_answer_that_comes_later_ends_the_spans_then(reply: Reply, error: str) -> None:
    world = World()
    go_on = asyncio.Event()

    async def later(_: bytes, __: Call) -> Reply:
        assert CURRENT.get() is not None
        await go_on.wait()
        assert CURRENT.get() is not None
        return reply

    answer = world.handler(later)(b"", call(ASKED))
    await asyncio.sleep(0)
    assert CURRENT.get() is None
    assert not world.ended
    go_on.set()
    assert not isinstance(answer, bytes | Status)
    assert await answer == reply
    await asyncio.sleep(0)
    assert world.errors()["a.B/C"] == error


@pytest.mark.parametrize(
    ("deadline", "error"),
    [(0.0, "DEADLINE_EXCEEDED"), (math.inf, "")],
)
async def test_a_call_that_is_given_up_ends_its_spans(deadline: float, error: str) -> None:
    world = World()

    async def never(_: bytes, __: Call) -> bytes:
        await asyncio.Event().wait()
        return b""

    answer = world.handler(never)(b"", call(ASKED, deadline=deadline))
    assert isinstance(answer, asyncio.Future)
    await asyncio.sleep(0)
    answer.cancel()
    await asyncio.wait([answer])
    await asyncio.sleep(0)
    assert world.errors() == {"limit decision": "no decision", "a.B/C": error}


class Told(MetricsObserver):
    def __init__(self) -> None:
        super().__init__(DecisionTally())
        self.decisions: list[Decision] = []
        self.decided = self.decisions.append


def test_a_decision_says_which_trace_it_belongs_to_and_no_text_of_it_is_on_the_span(
    tmp_path,
) -> None:
    world, told = World(), Told()
    observer = TracingObserver(told, Exemplars(file_of(tmp_path, 0)))

    def inner(_: bytes, __: Call) -> bytes:
        made = Decision("limit", "deny", "p" * 500, "over", "who", "what", 0.1, detail="detail")
        observer.decided(made)
        return b""

    handler = world.handler(inner)
    handler(b"", call(ASKED))
    handler(b"", call())
    assert [each.trace for each in told.decisions] == [TRACE, ""]
    decided = next(each for each in world.ended if each.name == "limit decision")
    assert decided.attributes["gatewright.verdict"] == "deny"
    assert not {"who", "what", "detail"} & set(map(str, decided.attributes.values()))
    assert len(str(decided.attributes["gatewright.policy"])) <= 130


def test_exemplars_are_bounded_and_the_oldest_goes(tmp_path) -> None:
    exemplars = Exemplars(file_of(tmp_path, 0))
    for number in range(MOST + 10):
        exemplars.add("authz", f"policy-{number}", 0.001, TRACE)
    exemplars.flush()
    text = file_of(tmp_path, 0).read_text()
    assert text.count(TRACE) == MOST
    assert '"policy-9"' not in text
    assert f'"policy-{MOST + 9}"' in text

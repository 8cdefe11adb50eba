"""The RESP2 parser against an encoder, and the pipeline over a transport that is a list."""

import asyncio
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.redis.outcome import Unavailable
from callout.redis.pipeline import EARLY, ErrorReply, Parser, Pipeline, ProtocolError, pack

LINE = st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=12)
REPLIES = st.recursive(
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.binary(max_size=20)
    | LINE.map(ErrorReply)
    | st.just(b"\r\n:12\r\n"),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


def encoded(reply: Any) -> bytes:
    match reply:
        case None:
            return b"$-1\r\n"
        case int():
            return b":%d\r\n" % reply
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(reply), reply)
        case ErrorReply():
            return b"-%b\r\n" % reply.message.encode()
        case list():
            return b"*%d\r\n" % len(reply) + b"".join(encoded(item) for item in reply)
    raise AssertionError(reply)


@given(st.lists(REPLIES, max_size=8), st.data())
def test_replies_cut_anywhere_are_the_same_replies(replies: list[Any], data: st.DataObject) -> None:
    stream = b"".join(encoded(reply) for reply in replies)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parser, got = Parser(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += parser.feed(stream[start:end])
    assert got == replies


def test_one_byte_at_a_time_is_enough() -> None:
    stream = b"+OK\r\n*2\r\n:1\r\n*-1\r\n$0\r\n\r\n:7\r\n"
    parser, got = Parser(), []
    for byte in stream:
        got += parser.feed(bytes([byte]))
    assert got == [b"OK", [1, None], b"", 7]


GARBAGE = [
    b"HTTP/1.1 400 Bad Request\r\n",
    b":12a\r\n",
    b":\r\n",
    b"$-2\r\n",
    b"$3\r\nabcd\r\n",
    b"$99999999999\r\n",
    b"*1000000000\r\n",
    b"*1\r\n" * 17,
    b"+" + b"x" * (Parser.LONGEST + 2),
    b"%1\r\n+key\r\n+value\r\n",
]


@pytest.mark.parametrize("stream", GARBAGE, ids=range(len(GARBAGE)))
def test_what_is_not_resp2_is_a_protocol_error(stream: bytes) -> None:
    with pytest.raises(ProtocolError):
        Parser().feed(stream)


def test_a_command_is_an_array_of_bulk_strings() -> None:
    assert pack(b"SET", b"k\r\n", b"") == b"*3\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$0\r\n\r\n"


class Wire:
    """A transport: what was written, and whether it was aborted."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def abort(self) -> None:
        self.aborted = True


def connected() -> tuple[Pipeline, Wire, list[str]]:
    wire, closed = Wire(), []
    pipeline = Pipeline(asyncio.get_running_loop(), wire, closed.append)  # type: ignore[arg-type]
    return pipeline, wire, closed


def ask(pipeline: Pipeline, *commands: bytes) -> "asyncio.Future[Any]":
    return pipeline.push(commands, 1.0, lambda outcome: outcome, 0.0)


async def test_all_commands_of_a_tick_leave_as_one_write() -> None:
    pipeline, wire, _ = connected()
    ask(pipeline, b"A")
    ask(pipeline, b"B", b"C")
    assert wire.writes == []
    await asyncio.sleep(0)
    ask(pipeline, b"D")
    await asyncio.sleep(0)
    assert wire.writes == [b"ABC", b"D"]


async def test_each_request_gets_its_own_replies_however_they_arrive() -> None:
    pipeline, _, _ = connected()
    one, three, last = ask(pipeline, b"A"), ask(pipeline, b"B", b"C", b"D"), ask(pipeline, b"E")
    pipeline.data_received(b":1\r\n:2\r\n")
    assert one.done()
    assert not three.done()
    pipeline.data_received(b"-ERR no\r\n$2\r\n")
    pipeline.data_received(b"ok\r\n:5\r\n")
    assert await one == [1]
    assert await three == [2, ErrorReply("ERR no"), b"ok"]
    assert await last == [5]


async def test_replies_for_a_caller_that_gave_up_do_not_reach_another() -> None:
    pipeline, _, _ = connected()
    gone, there = ask(pipeline, b"A"), ask(pipeline, b"B")
    gone.cancel()
    pipeline.data_received(b":1\r\n:2\r\n")
    assert await there == [2]


async def test_a_failure_of_the_callers_function_is_its_own() -> None:
    pipeline, _, closed = connected()

    def fail(outcome: Any) -> None:
        raise KeyError("mine")

    broken = pipeline.push([b"A"], 1.0, fail, 0.0)
    fine = ask(pipeline, b"B")
    pipeline.data_received(b":1\r\n:2\r\n")
    with pytest.raises(KeyError):
        await broken
    assert await fine == [2]
    assert closed == []


@pytest.mark.parametrize("stream", [b"junk\r\n", b":1\r\n:2\r\n:3\r\n"], ids=["junk", "too many"])
async def test_a_peer_that_breaks_the_protocol_is_dropped(stream: bytes) -> None:
    pipeline, wire, closed = connected()
    ask(pipeline, b"A")
    ask(pipeline, b"B")
    pipeline.data_received(stream)
    assert wire.aborted
    assert len(closed) == 1


async def test_a_lost_connection_settles_everyone_once() -> None:
    pipeline, _, closed = connected()
    first, second = ask(pipeline, b"A"), ask(pipeline, b"B")
    pipeline.connection_lost(ConnectionResetError("reset"))
    pipeline.connection_lost(None)
    assert await first == await second == Unavailable("disconnected", "reset")
    assert closed == ["reset"]


async def test_what_waits_in_a_long_tick_leaves_before_its_end() -> None:
    pipeline, wire, _ = connected()
    for moment in (0.0, EARLY / 2, 2 * EARLY, 2.5 * EARLY):
        pipeline.push([b"A"], 1.0, lambda outcome: outcome, moment)
    assert wire.writes == [b"AA"]
    await asyncio.sleep(0)
    assert wire.writes == [b"AA", b"AA"]
    pipeline.data_received(b":1\r\n:2\r\n:3\r\n:4\r\n")
    assert not pipeline.waiting


async def test_a_request_is_late_when_the_last_answers_took_longer_than_it_has() -> None:
    pipeline, _, _ = connected()
    began = time.monotonic() - 0.5
    assert not pipeline.late(began, began)  # nobody was asked yet
    pipeline.push([b"A"], began + 9, lambda outcome: outcome, began)
    await asyncio.sleep(0)
    pipeline.data_received(b":1\r\n")
    now = time.monotonic()
    assert not pipeline.late(now + 0.1, now)  # nothing waits: the next one tells
    ask(pipeline, b"B")
    assert pipeline.late(now + 0.1, now)
    assert not pipeline.late(now + 2.0, now)
    assert not pipeline.late(now + 1.5, now + 1.4)  # it is too long ago
    pipeline.push([b"C"], now + 9, lambda outcome: outcome, now)
    await asyncio.sleep(0)
    pipeline.data_received(b":2\r\n:3\r\n")
    quick = time.monotonic()
    pipeline.push([b"D"], quick + 9, lambda outcome: outcome, quick)
    await asyncio.sleep(0)
    pipeline.data_received(b":4\r\n")
    ask(pipeline, b"E")
    assert not pipeline.late(quick + 0.4, quick)  # the last answer was quick again

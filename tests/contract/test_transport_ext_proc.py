"""External processing over both transports: above all, how its streams end.

A stream that ends with OK before its time lets the rest of the exchange pass as it is, whatever
`failure_mode_allow` says (measured with Envoy 1.40). So no failure may look like that.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal, TypeAlias

import grpc
import pytest
from envoy.service.ext_proc.v3 import external_processor_pb2

from callout.ext_proc import service, session
from callout.ext_proc.budget import Budget
from callout.ext_proc.filter import Block, Need
from callout.ext_proc.plan import Plan, Side
from callout.ext_proc.service import Processor
from callout.serve.options import ServeOptions
from callout.serve.server import Server, serve
from tests.callout.ext_proc.scripts import Watcher
from tests.contract.conftest import LOOPBACK

Request = external_processor_pb2.ProcessingRequest
Response = external_processor_pb2.ProcessingResponse
METHOD = "/envoy.service.ext_proc.v3.ExternalProcessor/Process"
DUPLEX = {"request_body_mode": 4, "response_body_mode": 4}


def _head(**more: Any) -> bytes:
    fields = [{"key": ":method", "raw_value": b"POST"}, {"key": ":path", "raw_value": b"/"}]
    return _bytes(request_headers={"headers": {"headers": fields}, **more}, protocol_config=DUPLEX)


def _bytes(**fields: Any) -> bytes:
    message: bytes = Request(**fields).SerializeToString()
    return message


BODY = _bytes(request_body={"body": b"hello"})
REST = _bytes(request_body={"end_of_stream": True})
ANSWER = _bytes(
    response_headers={"headers": {"headers": [{"key": ":status", "raw_value": b"200"}]}}
)
ANSWER_BODY = _bytes(response_body={"body": b"world"})
ANSWER_TRAILERS = _bytes(response_trailers={})
EXCHANGE = [_head(), BODY, REST, ANSWER, ANSWER_BODY, ANSWER_TRAILERS]


class Processing:
    """A server and a client of it."""

    def __init__(self, server: Server, channel: grpc.aio.Channel, budget: Budget) -> None:
        self.server = server
        self.call = channel.stream_stream(METHOD)
        self.budget = budget

    async def ask(
        self, messages: list[bytes], half_close: bool = True
    ) -> tuple[list[str], grpc.StatusCode]:
        """Which parts were answered, and how the stream ended."""
        call = self.call(timeout=20)
        # The latter: it is over already.
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            for each in messages:
                await call.write(each)
            if half_close:
                await call.done_writing()
        parts = []
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for message in call:
                parts.append(str(Response.FromString(message).WhichOneof("response")))
        return parts, await call.code()


async def _until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to be")


Start: TypeAlias = Callable[..., Awaitable[Processing]]


@pytest.fixture
async def start(transport: Literal["own", "grpcio"]) -> AsyncIterator[Start]:
    async with contextlib.AsyncExitStack() as stack:

        async def begin(
            watcher: Watcher | None = None,
            *,
            choose: Callable[..., Plan | Block | None] | None = None,
            failed: Block | None = None,
        ) -> Processing:
            side = Side(most=1000, over=None, endless=None)
            filters = () if watcher is None else (watcher,)
            plan = Plan(filters=filters, request=side, response=side, failed=failed)
            budget = Budget(1 << 20, 1 << 20)
            processor = Processor(
                choose or (lambda head, peer, metadata: plan),
                budget,
                lambda side, word: None,
                lambda error: None,
            )
            server = await serve([processor.face()], [LOOPBACK], ServeOptions(transport=transport))
            stack.push_async_callback(server.close)
            channel = grpc.aio.insecure_channel(
                server.addresses[0], options=[("grpc.use_local_subchannel_pool", 1)]
            )
            stack.push_async_callback(channel.close)
            return Processing(server, channel, budget)

        yield begin


async def test_an_exchange_is_answered_part_by_part_and_ends_well(start: Start) -> None:
    watcher = Watcher(Need.WHOLE)
    processing = await start(watcher)

    parts, code = await processing.ask(EXCHANGE)

    assert parts == [
        "request_headers",
        "request_body",
        "response_headers",
        "response_body",
        "response_trailers",
    ]
    assert code is grpc.StatusCode.OK
    assert watcher.asked[-1] == ("done",)


async def test_an_exchange_that_we_end_ends_well(start: Start) -> None:
    processing = await start(Watcher(Need.WHOLE, answers={"request_body": Block(403, "no")}))

    parts, code = await processing.ask([_head(), BODY, REST], half_close=False)

    assert parts == ["immediate_response"]
    assert code is grpc.StatusCode.OK


@pytest.mark.parametrize("sent", range(1, 3))
async def test_a_gateway_that_leaves_while_it_is_owed_something_is_told_no_ok(
    start: Start, sent: int
) -> None:
    processing = await start(Watcher(Need.WHOLE))

    _, code = await processing.ask(EXCHANGE[:sent])

    assert code is grpc.StatusCode.ABORTED
    assert processing.budget.held == 0


@pytest.mark.parametrize(
    "messages",
    [
        [b"\xff"],
        [b""],
        [BODY],
        [REST],
        [ANSWER_TRAILERS],
        [_head(), _head()],
        [_head(end_of_stream=True), BODY],
        [*EXCHANGE, ANSWER_BODY],
    ],
)
@pytest.mark.parametrize("half_close", [True, False])
async def test_what_makes_no_sense_never_ends_well(
    start: Start, messages: list[bytes], half_close: bool
) -> None:
    processing = await start(Watcher(Need.WHOLE))

    _, code = await processing.ask(messages, half_close)

    assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)


@pytest.mark.parametrize(
    "kind", [ValueError, RuntimeError, StopAsyncIteration, TimeoutError, KeyError]
)
async def test_no_exception_outside_of_filters_ends_a_stream_well(
    start: Start, kind: type[Exception]
) -> None:
    def choose(*_: object) -> Plan:
        raise kind("secret")

    processing = await start(choose=choose)

    for half_close in (True, False):
        parts, code = await processing.ask([_head()], half_close)
        assert parts == []
        assert code is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize("step", range(len(EXCHANGE)))
@pytest.mark.parametrize("where", ["read", "write"])
@pytest.mark.parametrize("kind", [ValueError, StopAsyncIteration, TimeoutError])
async def test_no_exception_at_any_step_ends_a_stream_well(
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    where: str,
    kind: type[Exception],
) -> None:
    calls = 0
    real = getattr(service, where)

    def fail(what: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == step + 1:
            raise kind("secret")
        return real(what)

    monkeypatch.setattr(service, where, fail)
    processing = await start(Watcher(Need.STREAM))

    _, code = await processing.ask(EXCHANGE)

    assert calls == step + 1
    assert code is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize(
    "method", ["request_head", "request_body", "response_head", "response_body"]
)
async def test_a_filter_that_raises_gets_the_written_answer(start: Start, method: str) -> None:
    watcher = Watcher(Need.WHOLE, answers={method: ValueError("secret")})
    processing = await start(watcher, failed=Block(500, "failed"))

    parts, code = await processing.ask(EXCHANGE)

    assert parts[-1] == "immediate_response"
    assert code is grpc.StatusCode.OK
    assert watcher.asked[-1] == ("done",)


async def test_a_body_that_does_not_come_is_waited_for_only_so_long(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PATIENCE", 0.05)
    processing = await start(Watcher(Need.WHOLE), failed=Block(408, "slow"))

    parts, code = await processing.ask([_head(), BODY], half_close=False)

    assert parts == ["immediate_response"]
    assert code is grpc.StatusCode.OK


async def test_an_exchange_goes_on_after_a_slow_body_where_that_may_pass(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PATIENCE", 0.05)
    watcher = Watcher(Need.WHOLE)
    processing = await start(watcher)
    call = processing.call(timeout=20)

    async def answer() -> str:
        return str(Response.FromString(await call.read()).WhichOneof("response"))

    await call.write(_head())
    await call.write(BODY)
    assert [await answer(), await answer()] == ["request_headers", "request_body"]
    await call.write(REST)
    assert await answer() == "request_body"
    await call.write(ANSWER)
    assert await answer() == "response_headers"
    await call.done_writing()

    assert await call.code() is grpc.StatusCode.OK
    assert watcher.bodies == []


async def test_a_cancelled_stream_keeps_nothing(start: Start) -> None:
    watcher = Watcher(Need.WHOLE)
    processing = await start(watcher)
    call = processing.call(timeout=20)
    await call.write(_head())
    await call.write(BODY)
    await _until(lambda: processing.budget.held == 5)
    call.cancel()
    await _until(lambda: watcher.asked[-1] == ("done",))

    assert processing.budget.held == 0


@pytest.mark.parametrize("how", ["close", "drain"])
async def test_a_server_that_stops_ends_no_exchange_well(start: Start, how: str) -> None:
    watcher = Watcher(Need.WHOLE)
    processing = await start(watcher)
    call = processing.call(timeout=20)
    await call.write(_head())
    await call.write(BODY)
    await _until(lambda: processing.budget.held == 5)
    if how == "close":
        await processing.server.close()
    else:
        await processing.server.drain(0.1)

    assert await call.code() is not grpc.StatusCode.OK
    await _until(lambda: watcher.asked[-1] == ("done",))
    assert processing.budget.held == 0

"""Unary calls, over both transports, by grpcio's clients."""

import asyncio
import base64
import itertools

import grpc
import pytest

from callout.serve.address import Address
from tests.contract.conftest import Running, Start, unary
from tests.contract.faces import NO_TIME, SERVICE


async def failure(call: "grpc.aio.UnaryUnaryCall[bytes, bytes]") -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


@pytest.mark.parametrize("method", ["Echo", "Coroutine", "Future", "DoneFuture", "Awaitable"])
async def test_bytes_are_answered_however_the_handler_brings_them(
    running: Running, method: str
) -> None:
    async with running.channel() as channel:
        assert await unary(channel, method)(b"hello", timeout=5) == b"hello"
        assert await unary(channel, method)(b"", timeout=5) == b""

    assert running.counters.requests == 2
    assert running.counters.open_calls == 0
    assert running.counters.handler_errors == 0


async def test_a_blocking_client_is_answered_too(running: Running) -> None:
    def call() -> bytes:
        with grpc.insecure_channel(running.target) as channel:
            answer: bytes = unary(channel, "Echo")(b"hello", timeout=5)
            return answer

    assert await asyncio.to_thread(call) == b"hello"


async def test_a_status_reaches_the_client_with_its_message(running: Running) -> None:
    async with running.channel() as channel:
        error = await failure(unary(channel, "Refuse")(b"", timeout=5))
        later = await failure(unary(channel, "RefuseLater")(b"", timeout=5))

    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert error.details() == "not 100% \u00fcber\nhere"
    assert later.code() is grpc.StatusCode.UNAVAILABLE
    assert later.details() == "later"
    assert running.counters.handler_errors == 0


@pytest.mark.parametrize("method", ["Raise", "RaiseLater", "CancelItself", "Nonsense", "OkStatus"])
async def test_a_handler_that_fails_is_an_internal_error_that_tells_nothing(
    running: Running, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running.channel() as channel:
        error = await failure(unary(channel, method)(b"", timeout=5))

    assert error.code() is grpc.StatusCode.INTERNAL
    assert error.details() == "the handler failed"
    assert running.counters.handler_errors == 1
    assert running.counters.open_calls == 0
    logged = capsys.readouterr()
    assert f"/contract.Behaviour/{method}" in logged.out + logged.err
    assert "secret" not in logged.out + logged.err


async def test_the_handler_sees_the_metadata_as_sent_and_the_peer(running: Running) -> None:
    async with running.channel() as channel:
        metadata = (("x-policy", "shop"), ("x-raw-bin", b"\x00\xff"), ("x-policy", "again"))
        await unary(channel, "Echo")(b"", timeout=5, metadata=metadata)

    call = running.behaviour.calls[0]
    fields = [(name, value) for name, value in call.metadata if name.startswith(b"x-")]
    assert sorted(fields) == sorted(
        [
            (b"x-policy", b"shop"),
            (b"x-raw-bin", base64.b64encode(b"\x00\xff").rstrip(b"=")),
            (b"x-policy", b"again"),
        ]
    ) or sorted(fields) == sorted(
        [(b"x-policy", b"shop,again"), (b"x-raw-bin", base64.b64encode(b"\x00\xff").rstrip(b"="))]
    )
    assert (b":path", b"/contract.Behaviour/Echo") in call.metadata
    assert call.peer.startswith("127.0.0.1:")


@pytest.mark.parametrize("path", ["/contract.Behaviour/Other", "/other.Service/Echo", "/x"])
async def test_an_unknown_method_is_unimplemented(running: Running, path: str) -> None:
    async with running.channel() as channel:
        error = await failure(channel.unary_unary(path)(b"", timeout=5))

    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert sum(running.counters.refused.values()) == 1
    assert running.counters.requests == 0


async def test_the_deadline_reaches_the_handler(running: Running) -> None:
    async with running.channel() as channel:
        assert (
            8 < float(await unary(channel, "Remaining")(b"", timeout=10)) <= 10.2
        )  # grpcio rounds up
        assert float(await unary(channel, "Remaining")(b"")) == -1


async def test_work_past_its_deadline_is_stopped_and_counted(running: Running) -> None:
    async with running.channel() as channel:
        error = await failure(unary(channel, "Wait")(b"", timeout=0.05))
        await asyncio.wait_for(running.behaviour.cancelled.wait(), 5)

        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert await unary(channel, "Echo")(b"still here", timeout=5) == b"still here"
    assert running.counters.deadline_exceeded + running.counters.cancelled == 1
    assert running.counters.open_calls == 0


async def test_a_cancelled_call_stops_the_work(running: Running) -> None:
    async with running.channel() as channel:
        call = unary(channel, "Wait")(b"", timeout=10)
        await asyncio.wait_for(running.behaviour.started.wait(), 5)
        call.cancel()
        await asyncio.wait_for(running.behaviour.cancelled.wait(), 5)

        assert await unary(channel, "Echo")(b"still here", timeout=5) == b"still here"
    assert running.counters.cancelled == 1
    assert running.counters.open_calls == 0


async def test_a_lost_connection_stops_the_work(running: Running) -> None:
    channel = running.channel()
    call = asyncio.ensure_future(unary(channel, "Wait")(b"", timeout=10))
    await asyncio.wait_for(running.behaviour.started.wait(), 5)
    await channel.close()
    await asyncio.wait_for(running.behaviour.cancelled.wait(), 5)
    await asyncio.wait([call])

    assert running.counters.open_calls == 0


async def test_many_calls_at_a_time_each_get_their_own_answer(running: Running) -> None:
    async with running.channel() as channel:
        methods = ["Echo", "Coroutine", "Future"]
        sent = [str(number).encode() for number in range(300)]
        calls = [
            unary(channel, methods[number % 3])(each, timeout=20)
            for number, each in enumerate(sent)
        ]

        assert await asyncio.gather(*calls) == sent


async def test_messages_of_megabytes_go_both_ways(running: Running) -> None:
    size = 3 << 20
    async with running.channel(max_receive_message_length=-1) as channel:
        message = bytes(range(256)) * (size // 256)

        assert await unary(channel, "Echo")(message, timeout=20) == message
        assert len(await unary(channel, "Big")(str(size).encode(), timeout=20)) == size


async def test_a_message_over_the_limit_is_refused(start: Start) -> None:
    running = await start(max_message=1000)
    async with running.channel() as channel:
        assert await unary(channel, "Echo")(bytes(1000), timeout=5) == bytes(1000)
        error = await failure(unary(channel, "Echo")(bytes(1001), timeout=5))

        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await unary(channel, "Echo")(b"still here", timeout=5) == b"still here"


async def test_gzip_requests_are_understood(running: Running) -> None:
    async with running.channel() as channel:
        message = b"as good as nothing " * 10_000
        answer = await unary(channel, "Echo")(message, timeout=5, compression=grpc.Compression.Gzip)

        assert answer == message


async def test_a_bomb_is_refused(start: Start) -> None:
    running = await start(max_message=100_000)
    async with running.channel() as channel:
        error = await failure(
            unary(channel, "Echo")(bytes(10 << 20), timeout=5, compression=grpc.Compression.Gzip)
        )

        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await unary(channel, "Echo")(b"still here", timeout=5) == b"still here"


async def test_another_encoding_is_unimplemented_unless_the_transport_has_it(
    running: Running,
) -> None:
    async with running.channel() as channel:
        call = unary(channel, "Echo")(bytes(5000), timeout=5, compression=grpc.Compression.Deflate)
        if running.options.transport == "grpcio":
            assert await call == bytes(5000)
        else:
            assert (await failure(call)).code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_unix_socket_works_as_well(start: Start, tmp_path) -> None:  # type: ignore[no-untyped-def]
    running = await start(listen=Address(path=str(tmp_path / "gate.sock")))
    async with running.channel() as channel:
        assert running.target == f"unix:{tmp_path}/gate.sock"
        assert await unary(channel, "Echo")(b"hello", timeout=5) == b"hello"
    assert running.behaviour.calls[0].peer == "unix:"

    await running.server.close()

    assert not (tmp_path / "gate.sock").exists()


async def test_beyond_the_bound_of_calls_in_progress_the_operators_verdict_is_given(
    start: Start,
) -> None:
    running = await start(max_calls=10)
    async with running.channel() as channel:
        calls = [unary(channel, "Bounded")(b"decided", timeout=20) for _ in range(50)]
        refused = [asyncio.ensure_future(each) for each in calls]
        early = [await each for each in itertools.islice(asyncio.as_completed(refused), 40)]
        assert early == [NO_TIME] * 40
        error = await failure(unary(channel, "BoundedStatus")(b"", timeout=5))
        assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "no time")
        assert running.counters.overloaded == {
            f"/{SERVICE}/Bounded": 40,
            f"/{SERVICE}/BoundedStatus": 1,
        }
        assert running.counters.refused == {"too_many_calls": 41}
        assert running.counters.open_calls == 10

        running.behaviour.release.set()
        answers = await asyncio.gather(*refused)

    assert sorted(answers) == [b"decided"] * 10 + [NO_TIME] * 40
    assert running.counters.open_calls == 0

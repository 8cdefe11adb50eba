"""Streaming calls, over both transports."""

import asyncio

import grpc
import pytest

from tests.contract.conftest import Running, Start, stream


async def test_messages_go_back_and_forth_on_an_open_stream(running: Running) -> None:
    async with running.channel() as channel:
        call = stream(channel, "Chat")(timeout=10)
        for word in (b"one", b"two", b"", b"three"):
            await call.write(word)
            assert await call.read() == word.upper()
        await call.done_writing()

        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
    assert running.counters.requests == 1
    assert running.counters.open_calls == 0


async def test_a_stream_without_messages_ends_with_ok(running: Running) -> None:
    async with running.channel() as channel:
        call = stream(channel, "Chat")(timeout=10)
        await call.done_writing()

        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK


async def test_many_streams_at_a_time_do_not_mix(running: Running) -> None:
    async def talk(channel: grpc.aio.Channel, name: str) -> list[bytes]:
        call = stream(channel, "Chat")(timeout=20)
        heard = []
        for turn in range(10):
            await call.write(f"{name}{turn}".encode())
            heard.append(await call.read())
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.OK
        return heard

    async with running.channel() as channel:
        names = [chr(97 + number) for number in range(20)]
        heard = await asyncio.gather(*(talk(channel, name) for name in names))

    assert heard == [[f"{name.upper()}{turn}".encode() for turn in range(10)] for name in names]


async def test_a_status_ends_the_stream(running: Running) -> None:
    async with running.channel() as channel:
        call = stream(channel, "RefuseStream")(timeout=10)
        await call.write(b"hello")

        assert await call.read() == b"hello"
        assert await call.code() is grpc.StatusCode.PERMISSION_DENIED
        assert await call.details() == "enough"


async def test_a_handler_that_fails_is_an_internal_error_that_tells_nothing(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running.channel() as channel:
        call = stream(channel, "RaiseStream")(timeout=10)
        await call.write(b"hello")

        assert await call.read() == b"hello"
        assert await call.code() is grpc.StatusCode.INTERNAL
        assert await call.details() == "the handler failed"
    assert running.counters.handler_errors == 1
    logged = capsys.readouterr()
    assert "/contract.Behaviour/RaiseStream" in logged.out + logged.err
    assert "secret" not in logged.out + logged.err


async def test_megabytes_flow_both_ways(running: Running) -> None:
    async with running.channel() as channel:
        call = stream(channel, "Collect")(timeout=20)
        for _ in range(40):
            await call.write(bytes(100_000))
        await call.done_writing()
        assert await call.read() == b"40 4000000"

        call = stream(channel, "Count")(timeout=20)
        await call.write(b"40x100000")
        await call.done_writing()
        sizes = [len(message) async for message in call]
        assert sizes == [100_000] * 40


async def test_a_message_larger_than_any_window_arrives(running: Running) -> None:
    async with running.channel(max_receive_message_length=-1) as channel:
        call = stream(channel, "Chat")(timeout=20)
        await call.write(b"x" * (3 << 20))

        assert await call.read() == b"X" * (3 << 20)


async def test_a_client_that_does_not_read_holds_the_handler(running: Running) -> None:
    async with running.channel() as channel:
        call = stream(channel, "Count")(timeout=30)
        await call.write(b"500x100000")
        await call.done_writing()
        await asyncio.sleep(0.2)
        # 50 MB are wanted; what the transport and the client's window took is far less, and the
        # rest comes when the client reads.
        sizes = [len(message) async for message in call]

        assert sizes == [100_000] * 500


async def test_gzip_messages_are_understood(running: Running) -> None:
    async with running.channel() as channel:
        call = stream(channel, "Chat")(timeout=10, compression=grpc.Compression.Gzip)
        await call.write(b"a" * 10_000)

        assert await call.read() == b"A" * 10_000


async def test_a_message_over_the_limit_ends_the_stream(start: Start) -> None:
    running = await start(max_message=1000)
    async with running.channel() as channel:
        call = stream(channel, "Chat")(timeout=10)
        await call.write(bytes(1001))

        assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_bomb_ends_the_stream(start: Start) -> None:
    running = await start(max_message=100_000)
    async with running.channel() as channel:
        call = stream(channel, "Chat")(timeout=10, compression=grpc.Compression.Gzip)
        await call.write(bytes(10 << 20))

        assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("timeout", [None, 10])
async def test_a_cancelled_stream_stops_the_handler(
    running: Running, timeout: float | None
) -> None:
    async with running.channel() as channel:
        call = stream(channel, "WaitStream")(timeout=timeout)
        await call.write(b"hello")
        assert await call.read() == b"hello"
        await asyncio.wait_for(running.behaviour.started.wait(), 5)
        call.cancel()

        await asyncio.wait_for(running.behaviour.cancelled.wait(), 5)
    assert running.counters.open_calls == 0
    # It had an answer, and it may have had no end: so Envoy ends what is over.
    assert running.counters.cancelled == (timeout is not None)


async def test_a_stream_past_its_deadline_is_stopped(running: Running) -> None:
    async with running.channel() as channel:
        call = stream(channel, "WaitStream")(timeout=0.1)
        await call.write(b"hello")

        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await asyncio.wait_for(running.behaviour.cancelled.wait(), 5)
    assert running.counters.deadline_exceeded + running.counters.cancelled == 1
    assert running.counters.open_calls == 0


async def test_a_message_larger_than_all_that_may_be_queued_arrives(running: Running) -> None:
    size = 3 * running.options.limits.queued_output
    async with running.channel(max_receive_message_length=-1) as channel:
        call = stream(channel, "Count")(timeout=30)
        await call.write(b"1x%d" % size)

        assert len(await call.read()) == size

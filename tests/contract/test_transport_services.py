"""Health, reflection and drain, over both transports."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from callout.grpc.health import HealthBoard
from callout.serve.address import Address, bind, parse
from callout.serve.options import ServeOptions
from callout.serve.server import serve
from tests.contract.conftest import Running, Start, unary
from tests.contract.faces import SERVICE, Behaviour

SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3


async def test_health_is_answered_for_the_whole_the_service_and_the_face(start: Start) -> None:
    board = HealthBoard()
    running = await start(health=board)
    async with running.channel() as channel:
        stub = health_pb2_grpc.HealthStub(channel)

        async def check(name: str) -> int:
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
            status: int = answer.status
            return status

        for name in ("", SERVICE, "behaviour"):
            assert await check(name) == SERVING
        board.set("behaviour", False)
        for name in ("", SERVICE, "behaviour"):
            assert await check(name) == NOT_SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await check("other")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_health_watch_hears_of_changes(start: Start) -> None:
    board = HealthBoard()
    running = await start(health=board)
    async with running.channel() as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(service="behaviour"), timeout=10
        )
        assert (await watch.read()).status == SERVING
        board.set("behaviour", False)
        assert (await watch.read()).status == NOT_SERVING
        board.set("behaviour", True)
        assert (await watch.read()).status == SERVING
        watch.cancel()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_lists_and_describes_what_is_served(start: Start, version: str) -> None:
    running = await start(reflection=True)
    async with running.channel() as channel:
        call = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )(timeout=10)

        async def ask(**question: Any) -> Any:
            await call.write(reflection_pb2.ServerReflectionRequest(**question))
            return await call.read()

        listed = await ask(list_services="")
        names = [each.name for each in listed.list_services_response.service]
        assert "grpc.health.v1.Health" in names
        assert SERVICE not in names  # nobody described it

        for name in names:
            described = await ask(file_containing_symbol=name)
            files = [
                descriptor_pb2.FileDescriptorProto.FromString(each)
                for each in described.file_descriptor_response.file_descriptor_proto
            ]
            assert name in [
                f"{file.package}.{each.name}" for file in files for each in file.service
            ]
        unknown = await ask(file_by_filename="no/such.proto")
        assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
        empty = await ask()
        assert empty.error_response.error_code == grpc.StatusCode.INVALID_ARGUMENT.value[0]


async def test_there_is_no_reflection_unless_it_is_wanted(running: Running) -> None:
    async with running.channel() as channel:
        path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        call = channel.stream_stream(path)(timeout=5)
        assert await call.code() is grpc.StatusCode.UNIMPLEMENTED


# Drain.


async def test_calls_that_run_end_well_while_the_server_drains(running: Running) -> None:
    async with running.channel() as channel:
        call = asyncio.ensure_future(unary(channel, "Wait")(b"hello", timeout=10))
        await asyncio.wait_for(running.behaviour.started.wait(), 5)
        draining = asyncio.ensure_future(running.server.drain(10))
        await asyncio.sleep(0.2)
        assert not draining.done()
        running.behaviour.release.set()

        assert await call == b"hello"
        await asyncio.wait_for(draining, 10)


async def test_a_drain_ends_when_its_time_is_over(running: Running) -> None:
    async with running.channel() as channel:
        call = asyncio.ensure_future(unary(channel, "Wait")(b"hello", timeout=30))
        await asyncio.wait_for(running.behaviour.started.wait(), 5)
        await asyncio.wait_for(running.server.drain(0.2), 5)

        with pytest.raises(grpc.aio.AioRpcError):
            await call
        await asyncio.wait_for(running.behaviour.cancelled.wait(), 5)


async def test_a_health_watch_hears_of_the_drain_and_does_not_hold_it(running: Running) -> None:
    async with running.channel() as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(), timeout=20
        )
        assert (await watch.read()).status == SERVING
        draining = asyncio.ensure_future(running.server.drain(15))

        assert (await watch.read()).status == NOT_SERVING
        assert await watch.code() is grpc.StatusCode.UNAVAILABLE
        await asyncio.wait_for(draining, 10)


@contextlib.asynccontextmanager
async def _load(
    target: str, answered: list[bytes], failed: list[grpc.StatusCode]
) -> AsyncIterator[None]:
    """Four clients that call all the time."""
    over = asyncio.Event()

    async def client() -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(target, options=options) as channel:
            methods = [unary(channel, "Echo"), unary(channel, "Coroutine")]
            while not over.is_set():
                for method in methods:
                    try:
                        answered.append(await method(b"hello", timeout=10))
                    except grpc.aio.AioRpcError as error:
                        failed.append(error.code())

    clients = [asyncio.ensure_future(client()) for _ in range(4)]
    try:
        yield
    finally:
        over.set()
        await asyncio.gather(*clients)


async def _until(reached: Callable[[], bool]) -> None:
    for _ in range(1000):
        if reached():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not reached in ten seconds")


async def test_no_call_fails_while_one_server_takes_over_from_another(
    transport: Literal["own", "grpcio"],
) -> None:
    behaviour = Behaviour()
    options = ServeOptions(transport=transport, reuse_port=True)
    again = ServeOptions(transport=transport, reuse_port=True)
    answered: list[bytes] = []
    failed: list[grpc.StatusCode] = []
    async with contextlib.AsyncExitStack() as stack:
        first = await serve([behaviour.face()], [Address("127.0.0.1", 0)], options)
        stack.push_async_callback(first.close)
        address = parse(first.addresses[0])
        async with _load(str(address), answered, failed):
            await _until(lambda: len(answered) >= 100)
            second = await serve([behaviour.face()], [address], again)
            stack.push_async_callback(second.close)
            await asyncio.sleep(0.05)
            await asyncio.wait_for(first.drain(10), 15)
            before = len(answered)
            await _until(lambda: len(answered) >= before + 100)

    assert set(answered) == {b"hello"}
    if transport == "own":
        assert failed == []
        assert again.counters.requests > 0
    else:
        # grpcio forgets a call that arrives in the moment of its shutdown: one a connection.
        assert set(failed) <= {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}
        assert len(failed) <= 4


async def test_a_socket_that_was_bound_elsewhere_is_served(
    start: Start, transport: Literal["own", "grpcio"]
) -> None:
    given = bind(Address("127.0.0.1", 0), reuse_port=transport == "grpcio")
    running = await start(listen=given)
    async with running.channel() as channel:
        assert await unary(channel, "Echo")(b"hello", timeout=5) == b"hello"

    if transport == "grpcio":
        listening = socket.create_server(("127.0.0.1", 0))
        with pytest.raises(ValueError, match="cannot take a listening socket"):
            await start(listen=listening)


async def test_an_address_in_use_is_an_os_error(start: Start) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match="in use"),
    ):
        await start(listen=Address("127.0.0.1", taken.getsockname()[1]))

"""One server of each transport for each test."""

import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal, TypeAlias

import grpc
import pytest

from callout.serve.address import Address
from callout.serve.options import ServeOptions
from callout.serve.server import Server, serve
from tests.contract.faces import SERVICE, Behaviour

LOOPBACK = Address("127.0.0.1", 0)
Start: TypeAlias = Callable[..., Awaitable["Running"]]


class Running:
    """A server and what its handlers noticed."""

    def __init__(self, server: Server, behaviour: Behaviour, options: ServeOptions) -> None:
        self.server = server
        self.behaviour = behaviour
        self.options = options
        self.counters = options.counters

    @property
    def target(self) -> str:
        return self.server.addresses[0]

    def channel(self, **options: int) -> grpc.aio.Channel:
        """A connection of its own: grpcio shares them between channels otherwise."""
        given = [(f"grpc.{name}", value) for name, value in options.items()]
        return grpc.aio.insecure_channel(
            self.target, options=[("grpc.use_local_subchannel_pool", 1), *given]
        )


def unary(channel: Any, name: str) -> Any:
    """A method of the contract's face, bytes in and bytes out; for sync channels too."""
    return channel.unary_unary(f"/{SERVICE}/{name}")


def stream(channel: Any, name: str) -> Any:
    """The same for a streaming method."""
    return channel.stream_stream(f"/{SERVICE}/{name}")


@pytest.fixture(params=["own", "grpcio"])
def transport(request: pytest.FixtureRequest) -> Literal["own", "grpcio"]:
    kind: Literal["own", "grpcio"] = request.param
    return kind


@pytest.fixture
async def start(transport: Literal["own", "grpcio"]) -> AsyncIterator[Start]:
    """Starts servers: `await start(max_message=100)`; the first arguments say where."""
    async with contextlib.AsyncExitStack() as stack:

        async def begin(
            listen: Address | socket.socket = LOOPBACK,
            *more: Address | socket.socket,
            **options: Any,
        ) -> Running:
            behaviour = Behaviour()
            chosen = ServeOptions(transport=transport, **options)
            server = await serve([behaviour.face()], [listen, *more], chosen)
            stack.push_async_callback(server.close)
            return Running(server, behaviour, chosen)

        yield begin


@pytest.fixture
async def running(start: Start) -> Running:
    """A server with the options that everyone has."""
    return await start()

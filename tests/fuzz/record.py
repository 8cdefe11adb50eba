"""`python -m tests.fuzz.record`: what real clients send to our server, kept as files.

grpcio, Envoy and h2load talk to a real server through a tap that keeps each connection's bytes,
cut as they came out of the socket. The files hold nothing of the machine: names are given by us,
addresses are loopback ones, and there are no credentials.
"""

import asyncio
import contextlib
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from callout.grpc.framing import frame as message
from callout.serve.address import parse
from callout.serve.options import ServeOptions
from callout.serve.server import serve
from callout.testing.envoy import Envoy
from callout.testing.requests import BROWSER_HEADERS, check_request, rate_limit_request
from callout.testing.tools import require
from gatewright.envoy import render
from gatewright.envoy.gateway import FailureModes, Gateway, Upstream
from tests.fuzz.conversation import ENDING, RECORDINGS, Conversation
from tests.fuzz.services import CHECK, HOST, LIMIT, USER, Services, snapshot

WATCH = "/grpc.health.v1.Health/Watch"
HEALTH = "/grpc.health.v1.Health/Check"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
SETTLES = 0.3
"""Seconds in which what a client still sends after its last answer arrives."""
LONGEST = 48 << 10
"""Bytes of one recording: the beginning of a longer connection says as much."""


class Tap:
    """Passes bytes to and fro, and keeps the client's."""

    def __init__(self, target: str) -> None:
        address = parse(target)
        self._target = address.host, address.port
        self.connections: list[list[bytes]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._target)
        reads: list[bytes] = []
        self.connections.append(reads)

        async def answers() -> None:
            while data := await there.read(1 << 16):
                writer.write(data)
                await writer.drain()

        task = asyncio.create_task(answers())
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                reads.append(data)
                back.write(data)
                await back.drain()
        task.cancel()
        back.close()
        writer.close()


@contextlib.asynccontextmanager
async def tapped() -> AsyncIterator[tuple[Tap, str]]:
    """A server and its tap; gives the tap and the address that clients use."""
    options = ServeOptions(reflection=True)
    server = await serve(Services(snapshot()).faces, [parse("127.0.0.1:0")], options)
    tap = Tap(server.addresses[0])
    listener = await asyncio.start_server(tap, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    try:
        yield tap, f"{host}:{port}"
    finally:
        listener.close()
        await server.close()


def check(user: str, **changes: Any) -> bytes:
    """A browser's request as Envoy asks about it."""
    headers = {**BROWSER_HEADERS, "x-user": user}
    asked: bytes = check_request(host=HOST, headers=headers, **changes).SerializeToString()
    return asked


def limit(address: str) -> bytes:
    """A request about one address."""
    asked: bytes = rate_limit_request("shop", {"remote_address": address}).SerializeToString()
    return asked


def grpcio_checks(channel: grpc.Channel) -> None:
    """Allowed and denied in turn, with and without a deadline, small and large."""
    call = channel.unary_unary(CHECK)
    for number in range(4):
        call(check(USER, path=f"/orders/{number}"), timeout=5)
        call(check("guest"))
        call(check(USER, method="POST", body="x" * 300), timeout=5)


def grpcio_limits(channel: grpc.Channel) -> None:
    """Within and over the limit, some in parallel, two that are no request."""
    call = channel.unary_unary(LIMIT)
    for number in range(6):
        asked = [call.future(limit(each), timeout=5) for each in (f"192.0.2.{number}", "banned")]
        for each in asked:
            each.result()
    for path, nonsense in ((LIMIT, b"\xff\xff"), ("/no.Such/Method", b"")):
        with contextlib.suppress(grpc.RpcError):
            channel.unary_unary(path)(nonsense, timeout=5)


def grpcio_streams(channel: grpc.Channel) -> None:
    """Health, a stream of questions and answers, and one that is cancelled after its first."""
    channel.unary_unary(HEALTH)(b"", timeout=5)
    questions = [b"\x3a\x00", b"\x22\x15grpc.health.v1.Health", b""] * 2
    for _ in channel.stream_stream(REFLECTION)(iter(questions), timeout=5):
        pass
    asked = health_pb2.HealthCheckRequest(service="authz").SerializeToString()
    watching = channel.unary_stream(WATCH)(asked)
    next(watching)
    watching.cancel()
    channel.unary_unary(HEALTH)(asked, timeout=5)


def grpcio_cancels(channel: grpc.Channel) -> None:
    """Streams that are opened and left: by cancel, by deadline, with a message on its way."""
    leave = threading.Event()

    def endless() -> Any:
        yield b"\x3a\x00"
        leave.wait(5)

    for number in range(4):
        watching = channel.unary_stream(WATCH)(b"", timeout=5)
        next(watching)
        watching.cancel()
        with contextlib.suppress(grpc.RpcError):
            for _ in channel.unary_stream(WATCH)(b"", timeout=0.02):
                pass
        asking = channel.stream_stream(REFLECTION)(endless())
        next(asking)
        asking.cancel()
        channel.unary_unary(CHECK)(check("guest", path=f"/{number}"), timeout=5)
    leave.set()


def _grpcio(calls: Callable[[grpc.Channel], None], address: str, **options: Any) -> None:
    settings = [
        ("grpc.default_authority", HOST),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_http_proxy", 0),
    ]
    with grpc.insecure_channel(address, settings, **options) as channel:
        calls(channel)


def envoy(address: str) -> None:
    """Through a gateway with both filters: allowed, denied, another host."""
    gateway = Gateway(
        host="127.0.0.1",
        port=0,
        callout=address,
        upstream=Upstream("127.0.0.1", 9, tls=False),
        failure=FailureModes(auth_allows=False, limits_allow=False),
    )
    with tempfile.TemporaryDirectory() as folder:
        running = Envoy(Path(folder), render.static(gateway))
        try:
            for number in range(4):
                for host, user in ((HOST, USER), (HOST, "guest"), ("other.example", USER)):
                    _get(f"{running.url}/orders/{number}", {"host": host, "x-user": user})
        finally:
            running.close()


def _get(url: str, headers: dict[str, str]) -> None:
    with (
        contextlib.suppress(urllib.error.HTTPError),
        urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10),
    ):
        pass


def h2load(path: str, asked: bytes, requests: int, address: str) -> None:
    """Many requests in flight on one connection, whose reads hold several frames."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(message(asked))
        body.flush()
        command: list[str | Path] = [require("h2load"), "-c", "1", "-m", "8", "-n", str(requests)]
        fields = ("content-type: application/grpc", "te: trailers", f":authority: {HOST}")
        for each in fields:
            command += ["-H", each]
        command += ["-d", body.name, f"http://{address}{path}"]
        subprocess.run(command, check=True, capture_output=True, timeout=30)


CLIENTS: dict[str, Callable[[str], None]] = {
    "grpcio-check": lambda address: _grpcio(grpcio_checks, address),
    "grpcio-check-gzip": lambda address: _grpcio(
        grpcio_checks, address, compression=grpc.Compression.Gzip
    ),
    "grpcio-limit": lambda address: _grpcio(grpcio_limits, address),
    "grpcio-streams": lambda address: _grpcio(grpcio_streams, address),
    "grpcio-cancels": lambda address: _grpcio(grpcio_cancels, address),
    "envoy": envoy,
    "h2load-check": lambda address: h2load(CHECK, check(USER), 12, address),
    "h2load-denied": lambda address: h2load(CHECK, check("guest"), 12, address),
    "h2load-limit": lambda address: h2load(LIMIT, limit("192.0.2.1"), 24, address),
}
"""Each client by the name of its recordings."""


async def record(name: str) -> list[Conversation]:
    """What one client sent, a conversation for each of its connections."""
    async with tapped() as (tap, address):
        await asyncio.to_thread(CLIENTS[name], address)
        await asyncio.sleep(SETTLES)
    return [Conversation(_beginning(reads)) for reads in tap.connections if reads]


def _beginning(reads: list[bytes]) -> tuple[bytes, ...]:
    kept, size = [], 0
    for each in reads:
        size += len(each)
        if size > LONGEST:
            break
        kept.append(each)
    return tuple(kept)


def main() -> None:
    """Writes all of them anew."""
    for old in RECORDINGS.glob("*" + ENDING):
        old.unlink()
    for name in CLIENTS:
        for number, each in enumerate(asyncio.run(record(name))):
            file = RECORDINGS / f"{name}{f'-{number}' if number else ''}{ENDING}"
            file.write_bytes(each.encode())
            print(f"{file.name}: {len(each.reads)} reads, {len(each.data)} bytes")


if __name__ == "__main__":
    main()

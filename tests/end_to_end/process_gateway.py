"""A real Envoy with a door for each way of sending bodies, our processor, and an upstream."""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from callout.ext_proc.budget import Budget
from callout.ext_proc.filter import Block, Change, Moment, Need, Verdict
from callout.ext_proc.plan import Plan, Side
from callout.ext_proc.service import Processor
from callout.ext_proc.session import MODE_OVERRIDE
from callout.grpc.call import Call, Face, Reply, Streaming
from callout.http.head import Headers, Peer, RequestHead, ResponseHead
from callout.http2.limits import Limits
from callout.serve.address import Address
from callout.serve.options import ServeOptions
from callout.serve.server import Server, serve
from callout.testing.envoy import Envoy

MIB = 1 << 20
FAILED = Block(500, "failed")
OVER = Block(413, "over")
ENDLESS = Block(501, "endless")


@dataclass
class Looking:
    """A filter that a test describes."""

    need: Need = Need.WHOLE
    change: Callable[[bytes], bytes] | None = None
    block: bytes | None = None
    """Bytes whose presence in what it is given ends the exchange."""
    response: bool = True
    raises: str = ""
    seen: dict[str, list[bytes]] = field(default_factory=dict)
    heads: list[Any] = field(default_factory=list)
    finished: int = 0

    def request_head(self, head: RequestHead, peer: Peer, at: Moment) -> Verdict:
        return self._head("request_head", head, peer)

    def request_need(self) -> Need:
        return self.need

    def request_body(self, body: bytes, end: bool, at: Moment) -> Verdict:
        return self._body("request_body", body, end)

    def request_trailers(self, trailers: Headers, at: Moment) -> Verdict:
        return self._head("request_trailers", trailers)

    def wants_response(self) -> bool:
        return self.response

    def response_head(self, head: ResponseHead, at: Moment) -> Verdict:
        return self._head("response_head", head)

    def response_need(self) -> Need:
        return self.need if self.response else Need.NONE

    def response_body(self, body: bytes, end: bool, at: Moment) -> Verdict:
        return self._body("response_body", body, end)

    def response_trailers(self, trailers: Headers, at: Moment) -> Verdict:
        return self._head("response_trailers", trailers)

    def done(self) -> None:
        self.finished += 1

    def _head(self, name: str, *what: Any) -> Verdict:
        self.heads.append((name, *what))
        if self.raises == name:
            raise RuntimeError("a bug of the filter")
        return None

    def _body(self, name: str, body: bytes, end: bool) -> Verdict:
        self.seen.setdefault(name, []).append(body)
        if self.raises == name:
            raise RuntimeError("a bug of the filter")
        if self.block is not None and self.block in body:
            return Block(403, "blocked", (), b"blocked by the filter\n")
        return None if self.change is None else Change(body=self.change(body))


def side(most: int = 4 * MIB, over: Block | None = OVER) -> Side:
    return Side(most=most, over=over, endless=ENDLESS)


def plan(*filters: Looking, most: int = 4 * MIB, over: Block | None = OVER) -> Plan:
    wanted = side(most, over)
    return Plan(filters=filters, request=wanted, response=wanted, failed=FAILED, seconds=10)


class Seen(NamedTuple):
    """A request as the upstream took it."""

    head: list[bytes]
    body: bytes
    trailers: list[bytes]

    def header(self, name: bytes) -> bytes | None:
        for line in self.head[1:]:
            key, _, value = line.partition(b":")
            if key.lower() == name:
                return value.strip()
        return None


class Gateway:
    """All of it; the processor and the upstream run in a thread of their own."""

    def __init__(self, folder: Path, doors: Mapping[str, Mapping[str, Any]]) -> None:
        self.plans: dict[bytes, Callable[[], Plan | Block | None]] = {}
        """What the header `x-plan` names; made for each request."""
        self.notes: deque[tuple[str, str]] = deque(maxlen=10_000)
        self.errors: deque[Exception] = deque(maxlen=1000)
        self.seen: deque[Seen] = deque(maxlen=10_000)
        self.budget = Budget(64 * MIB, 32 * MIB)
        self.raise_at: str = ""
        """Where the handler itself fails: `begin`, or the n-th message."""
        self.streams = 0
        self.open = 0
        # Envoy resets each stream when its exchange is over: thousands in a few seconds here.
        self.options = ServeOptions(limits=Limits(resets=50, empty_frames=50))
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._paces = asyncio.Semaphore(0)
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(20)
        self.envoy = Envoy(folder, self._bootstrap(doors))

    def door(self, name: str) -> tuple[str, int]:
        host, _, port = self.envoy.addresses[name].rpartition(":")
        return host, int(port)

    def close(self) -> None:
        self.envoy.close()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(started))
        self._loop.close()

    async def _serve(self, started: threading.Event) -> None:
        processor = Processor(
            self._choose,
            self.budget,
            lambda side, word: self.notes.append((side, word)),
            self.errors.append,
        )

        async def process(messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[Reply]:
            self.streams += 1
            self.open += 1
            try:
                number = 0
                async for reply in processor.process(messages, call):
                    number += 1
                    if self.raise_at == str(number):
                        raise RuntimeError("a bug of the handler")
                    yield reply
            finally:
                self.open -= 1

        [method] = processor.face().methods
        face = Face("process", processor.face().service, (Streaming(method.path, process),))
        self._server: Server = await serve([face], [Address("127.0.0.1", 0)], self.options)
        upstream = await asyncio.start_server(self._answer, "127.0.0.1", 0, limit=64 << 20)
        self.upstream_port = upstream.sockets[0].getsockname()[1]
        self.processor_port = int(self._server.addresses[0].rpartition(":")[2])
        started.set()
        await self._stop.wait()
        upstream.close()
        await self._server.close()

    def _choose(
        self, head: RequestHead, peer: Peer, metadata: Mapping[bytes, bytes]
    ) -> Plan | Block | None:
        name = head.headers.get(b"x-plan")
        return None if name is None else self.plans[name]()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """HTTP/1.1 by hand: what a library would tidy up must be seen."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
                fields = {
                    key.lower(): value.strip()
                    for key, _, value in (line.partition(b":") for line in head[1:])
                }
                path = head[0].split(b" ")[1]
                if path.startswith(b"/drop-at-head"):
                    break
                body, trailers = b"", []
                if b"upgrade" in fields:
                    writer.write(
                        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n"
                        b"upgrade: websocket\r\n\r\n"
                    )
                    while data := await reader.read(65536):
                        writer.write(data.upper())
                    break
                if fields.get(b"transfer-encoding") == b"chunked":
                    pieces = []
                    while size := int(await reader.readline(), 16):
                        pieces.append(await reader.readexactly(size))
                        await reader.readline()
                    body = b"".join(pieces)
                    while (line := await reader.readline()) != b"\r\n":
                        trailers.append(line.strip())
                elif b"content-length" in fields:
                    body = await reader.readexactly(int(fields[b"content-length"]))
                self.seen.append(Seen(head, body, trailers))
                if path == b"/paced":
                    await self._paced(writer)
                    continue
                await _respond(writer, path, head[0], body)
                if path.startswith(b"/drop"):
                    break
        writer.close()

    async def _paced(self, writer: asyncio.StreamWriter) -> None:
        """Three events, each when the test says so."""
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        for number in range(3):
            await self._paces.acquire()
            writer.write(b"9\r\ndata: %d\n\n\r\n" % number)
        writer.write(b"0\r\n\r\n")

    def pace(self) -> None:
        """Let the upstream go on with `/paced`."""
        self._loop.call_soon_threadsafe(self._paces.release)

    def _bootstrap(self, doors: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        return {
            "static_resources": {
                "listeners": [_listener(name, config) for name, config in doors.items()],
                "clusters": [
                    _cluster("upstream", self.upstream_port, {"http_protocol_options": _TRAILERS}),
                    _cluster("processor", self.processor_port, {"http2_protocol_options": {}}),
                ],
            }
        }


async def _respond(writer: asyncio.StreamWriter, path: bytes, line: bytes, body: bytes) -> None:
    """`/echo`, `/chunked/SIZE`, `/trailers/SIZE`, `/status/N`, `/drop-before-head`,
    `/drop-in-body`; `Gateway` itself has `/drop-at-head` and `/paced`.
    """
    parts = path.split(b"?")[0].split(b"/")
    what = parts[1]
    if what == b"drop-in-body":
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + bytes(1000))
        await writer.drain()
        return
    if what == b"drop-before-head":
        return
    if what == b"status":
        writer.write(
            b"HTTP/1.1 %s X\r\n%s\r\n"
            % (parts[2], b"" if parts[2] in (b"204", b"304") else b"content-length: 0\r\n")
        )
    elif what in (b"chunked", b"trailers"):
        size = int(parts[2])
        extra = b"trailer: x-sum\r\n" if what == b"trailers" else b""
        writer.write(b"HTTP/1.1 200 OK\r\n%stransfer-encoding: chunked\r\n\r\n" % extra)
        for at in range(0, len(body), size):
            piece = body[at : at + size]
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        writer.write(b"0\r\n%s\r\n" % (b"x-sum: 42\r\n" if what == b"trailers" else b""))
    else:
        writer.write(b'HTTP/1.1 200 OK\r\netag: "1"\r\ncontent-length: %d\r\n\r\n' % len(body))
        if not line.startswith(b"HEAD"):
            writer.write(body)
    await writer.drain()


_TRAILERS = {"enable_trailers": True}


def _cluster(name: str, port: int, protocol: Mapping[str, Any]) -> dict[str, Any]:
    options = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": dict(protocol),
    }
    return {
        "name": name,
        "connect_timeout": "5s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options
        },
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": 5000,
                    "max_pending_requests": 5000,
                    "max_requests": 5000,
                }
            ]
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}],
        },
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def door(
    request: str = "NONE", response: str = "NONE", *, override: bool = False, **more: Any
) -> dict[str, Any]:
    """The ext_proc filter's configuration; `trailers` for both directions."""
    trailers = more.pop("trailers", "SKIP")
    grpc: dict[str, Any] = {"envoy_grpc": {"cluster_name": "processor"}, "timeout": "60s"}
    if override:
        grpc["initial_metadata"] = [{"key": MODE_OVERRIDE.decode(), "value": "true"}]
    return {
        "grpc_service": grpc,
        "message_timeout": "20s",
        "allow_mode_override": override,
        "metadata_options": {"receiving_namespaces": {"untyped": ["waf"]}},
        "request_attributes": [
            "source.address",
            "source.port",
            "destination.address",
            "request.protocol",
            "request.id",
            "xds.route_name",
        ],
        "processing_mode": {
            "request_header_mode": "SEND",
            "response_header_mode": "SEND",
            "request_body_mode": request,
            "response_body_mode": response,
            "request_trailer_mode": "SEND" if request == "FULL_DUPLEX_STREAMED" else trailers,
            "response_trailer_mode": "SEND" if response == "FULL_DUPLEX_STREAMED" else trailers,
        },
        **more,
    }


def _value(number: int) -> dict[str, Any]:
    return {"default_value": number, "runtime_key": "none"}


def _added(name: str, value: str) -> dict[str, Any]:
    return {"header": {"key": name, "value": value}}


def _listener(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    config = dict(config)
    config["@type"] = (
        "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor"
    )
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network."
        "http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        # What an access log would say, without waiting for Envoy to write it.
        "local_reply_config": {
            "mappers": [
                {
                    "filter": {
                        "status_code_filter": {
                            "comparison": {"op": "GE", "value": _value(400)},
                        }
                    },
                    "headers_to_add": [
                        _added("x-details", "%RESPONSE_CODE_DETAILS%"),
                        _added("x-score", "%DYNAMIC_METADATA(waf:score)%"),
                    ],
                }
            ]
        },
        "http_protocol_options": _TRAILERS,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        {
                            "name": "everything",
                            "match": {"prefix": "/"},
                            "route": {"cluster": "upstream", "timeout": "60s"},
                        }
                    ],
                }
            ]
        },
        "http_filters": [
            {"name": "envoy.filters.http.ext_proc", "typed_config": config},
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            },
        ],
    }
    return {
        "name": name,
        "address": _address(0),
        "per_connection_buffer_limit_bytes": 1 << 20,
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }
                ]
            }
        ],
    }

"""The second transport: grpcio's own server, behind the same faces.

It exists as an oracle and as a way out, and costs about ten times the CPU of our own transport.
Where it differs: a client whose name is not in `client_san` is refused with UNAUTHENTICATED, a call
at a time, not with the connection; client certificates cannot be optional, nor TLS 1.2 refused;
connections stay until their age when the client authorities are replaced; a resumed session is not
verified again, even when the client's certificate has ended since; a compressed message is measured
after grpcio has expanded it; and a call that arrives in the very moment of a drain may be cancelled
(grpc.aio drops what it has accepted but not yet dispatched). It has no admission control: how long
calls wait in its threads is hidden. But the bound of calls in progress (`max_calls`) is the same,
and beyond it the operator's verdict is given.
"""

import asyncio
import base64
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import unquote

import grpc

from callout.grpc.call import Call, Code, Status, Streaming, Unary
from callout.grpc.methods import Methods
from callout.serve.address import address_of, remove_socket
from callout.serve.certificates import Certificates, load, names_in
from callout.serve.failures import Failures
from callout.serve.handshakes import context
from callout.serve.options import ServeOptions
from callout.serve.tls import ServerTls

SETTLE = 0.05
"""Seconds that handshakes wait for when there are new certificates. gRPC frees the former without
regard to a thread that begins a handshake with them at that moment (grpc/grpc#36693; about one
process in 15,000 replacements under constant handshakes died of it). While it waits for us no
thread gets there, and one that is there already is done in a tenth of a millisecond."""
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_TOO_MANY = Status(Code.RESOURCE_EXHAUSTED, "too many calls in progress")
_NOT_ADMITTED = Status(Code.UNAUTHENTICATED, "the client certificate is not admitted")


class GrpcioServer:
    """Serves gRPC with `grpc.aio`."""

    def __init__(self, methods: Methods, options: ServeOptions) -> None:
        self._options = options
        handlers = _Handlers(methods, options)
        self._server = grpc.aio.server(handlers=[handlers], options=_channel_options(options))
        self._certificates: Certificates | None = None
        self._sockets: list[socket.socket] = []
        self._paths: tuple[str, ...] = ()
        self.addresses: tuple[str, ...] = ()
        """Where it listens, as `callout.serve.address.parse` reads it."""

    async def start(self, sockets: Sequence[socket.socket], paths: Sequence[str]) -> None:
        """Listen at the addresses of `sockets`, which only reserve them.

        Args:
            sockets: bound with SO_REUSEPORT, and not listening: what a listening one were given
                nobody would take. Owned from now on.
            paths: Unix sockets to remove at the end.

        Raises:
            ValueError: a socket is not as it must be, or TLS is asked for what grpcio has not.
            OSError: an address cannot be bound, or the certificates cannot be used.
        """
        tls = self._options.tls
        if tls is not None:
            self._certificates = self._first_certificates(tls)
        try:
            for each in sockets:
                # Each has credentials of its own: who shares them is told of new certificates only
                # if it asks before the others do.
                self._add(each, None if tls is None else self._credentials(tls))
            await self._server.start()
        except BaseException:
            await self._server.stop(None)
            raise
        self._sockets, self._paths = list(sockets), tuple(paths)
        self.addresses = tuple(str(address_of(each)) for each in sockets)

    def _add(self, reserved: socket.socket, credentials: grpc.ServerCredentials | None) -> None:
        address = address_of(reserved)
        if reserved.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise ValueError(f"{address}: grpcio cannot take a listening socket over")
        try:
            if credentials is None or address.path:
                self._server.add_insecure_port(str(address))
            else:
                self._server.add_secure_port(str(address), credentials)
        except RuntimeError as error:
            raise OSError(f"{address}: {error}") from error

    def _first_certificates(self, tls: ServerTls) -> Certificates:
        if tls.client != "required" or tls.min_version != "1.2":
            raise ValueError("grpcio knows neither optional client certificates nor min_version")
        given = self._options.certificates or load(tls)
        context(tls, given)  # says what is wrong; grpcio would only fail handshakes
        return given

    def _credentials(self, tls: ServerTls) -> grpc.ServerCredentials:
        given = self._certificates
        assert given is not None  # noqa: S101  # `start` has them

        def fetch() -> "grpc.ServerCertificateConfiguration | None":
            """Asked for each handshake, in a thread of grpcio's; None: as before."""
            nonlocal given
            now = self._certificates
            if now is None or now is given:
                return None
            time.sleep(SETTLE)
            given = now
            return _configuration(now)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(given),
            fetch,  # type: ignore[arg-type]  # the stubs do not know None
            require_client_authentication=tls.client_ca is not None,
        )

    def renew(self, certificates: Certificates) -> None:
        """Use these for connections that come from now on.

        Raises:
            OSError: they cannot be used; the former stay in use.
        """
        if self._options.tls is not None:
            context(self._options.tls, certificates)
            self._certificates = certificates

    async def live(self, most: int) -> None:
        """None: grpcio keeps its connections to itself."""

    async def drain(self, seconds: float, succeeded: bool = False) -> None:
        """Say NOT_SERVING, send GOAWAY, let calls end for at most `seconds`, and close."""
        self._options.health.drain(succeeded)
        await asyncio.sleep(0)
        await self._stop(seconds)

    async def close(self) -> None:
        """Stop at once; calls that run fail."""
        await self._stop(None)

    async def _stop(self, grace: float | None) -> None:
        await self._server.stop(grace)
        for each in self._sockets:
            each.close()
        for path in self._paths:
            remove_socket(path)
        self._sockets, self._paths = [], ()


def _channel_options(options: ServeOptions) -> list[tuple[str, int]]:
    limits = options.limits
    return [
        # Our own reservation of the address shares the port, too; see `start`.
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", options.max_message),
        ("grpc.max_concurrent_streams", limits.max_streams),
        ("grpc.max_metadata_size", limits.header_list),
        ("grpc.absolute_max_metadata_size", max(limits.header_block, limits.header_list)),
        ("grpc.http2.hpack_table_size.decoder", limits.header_table),
        ("grpc.http2.max_frame_size", limits.frame_size),
        ("grpc.http2.lookahead_bytes", limits.stream_window),
        ("grpc.max_allowed_incoming_connections", options.max_connections),
        ("grpc.keepalive_time_ms", round(options.vanished * 500)),
        ("grpc.keepalive_timeout_ms", round(options.vanished * 500)),
        ("grpc.max_connection_age_ms", round(options.max_age * 1000)),
        ("grpc.max_connection_age_grace_ms", round(options.max_age_grace * 1000)),
        ("grpc.max_connection_idle_ms", round(options.idle * 1000)),
        ("grpc.server_handshake_timeout_ms", round(options.handshake * 1000)),
    ]


class _Handlers(grpc.GenericRpcHandler):
    """Finds a face's method for a call; messages stay bytes, because no serializer is given."""

    def __init__(self, methods: Methods, options: ServeOptions) -> None:
        self._methods = methods
        self._options = options
        self._counters = options.counters
        self._failures = Failures(options.counters)

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """The handler of a call; None lets grpcio answer UNIMPLEMENTED."""
        method = self._methods.find(details.method.encode())
        if isinstance(method, Unary):
            return grpc.unary_unary_rpc_method_handler(self._unary(method))
        if isinstance(method, Streaming):
            return grpc.stream_stream_rpc_method_handler(self._streaming(method))
        self._counters.refuse(method.word)
        return None

    def _unary(self, method: Unary) -> Callable[[bytes, Any], Awaitable[bytes]]:
        async def answer(message: bytes, context: Any) -> bytes:
            if method.overloaded is not None and self._full():
                # Not `maximum_concurrent_rpcs`: Envoy may let pass what a gRPC error answers.
                self._counters.overload(method.path)
                if isinstance(method.overloaded, bytes):
                    return method.overloaded
                return await _abort(context, method.overloaded)
            call = await self._begin(method.path, context)
            try:
                reply: Any = method.handler(message, call)
                if not isinstance(reply, bytes | Status):
                    reply = await reply
            except asyncio.CancelledError as error:
                reply = self._cancelled(method.path, call, error)
            except Exception as error:
                reply = self._failures.raised(method.path, error, time.monotonic())
            finally:
                self._counters.open_calls -= 1
            if isinstance(reply, bytes):
                return reply
            if not isinstance(reply, Status) or reply.code is Code.OK:
                reply = self._failures.no_reply(method.path, reply, time.monotonic())
            return await _abort(context, reply)

        return answer

    def _streaming(
        self, method: Streaming
    ) -> Callable[[AsyncIterator[bytes], Any], AsyncIterator[bytes]]:
        async def answer(messages: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            if self._full():
                await _abort(context, _TOO_MANY)
            call = await self._begin(method.path, context)
            status = Status(Code.OK)
            answered = False
            try:
                async for reply in method.handler(messages, call):
                    if isinstance(reply, Status):
                        status = reply
                        break
                    answered = True
                    yield reply
            except asyncio.CancelledError as error:
                status = self._cancelled(method.path, call, error, answered)
            except Exception as error:
                status = self._failures.raised(method.path, error, time.monotonic())
            finally:
                self._counters.open_calls -= 1
            if status.code is not Code.OK:
                await _abort(context, status)

        return answer

    def _full(self) -> bool:
        """Whether there are too many calls for one more; counts it then."""
        full = self._counters.open_calls >= self._options.max_calls
        if full:
            self._counters.refuse("too_many_calls")
        return full

    async def _begin(self, path: str, context: Any) -> Call:
        tls = self._options.tls
        if tls is not None and tls.client_san and not context.peer().startswith("unix:"):
            # Not `peer_uri` and `peer_dns`: grpcio for Python cuts those at a NUL, and a name
            # `spiffe://mesh/gateway\0.evil` would pass for another one.
            (certificate,) = context.auth_context().get("x509_pem_cert") or (b"",)
            if not tls.admits(names_in(certificate)):
                self._counters.refuse("client_san")
                await _abort(context, _NOT_ADMITTED)
        self._counters.requests += 1
        self._counters.open_calls += 1
        remaining: float | None = context.time_remaining()
        deadline = None if remaining is None else time.monotonic() + remaining
        return Call(_metadata(path, context.invocation_metadata()), deadline, _peer(context.peer()))

    def _cancelled(
        self, path: str, call: Call, error: asyncio.CancelledError, answered: bool = False
    ) -> Status:
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            # The handler's own work was cancelled by someone else: a failure like any other.
            return self._failures.raised(path, error, time.monotonic())
        if call.deadline is not None and time.monotonic() >= call.deadline:
            self._counters.deadline_exceeded += 1
        else:
            # See `callout.serve.streaming.Stream.may_be_over`.
            self._counters.cancelled += not answered or call.deadline is not None
        raise error


async def _abort(context: Any, status: Status) -> bytes:
    await context.abort(_CODES[int(status.code)], status.message)
    raise AssertionError("abort raises")


def _metadata(path: str, fields: Any) -> list[tuple[bytes, bytes]]:
    """What was sent, as far as grpcio tells: of the pseudo-headers `:method` and `:path` only."""
    metadata = [(b":method", b"POST"), (b":path", path.encode())]
    for name, value in fields:
        if isinstance(value, bytes):
            # grpcio has decoded a `-bin` header; handlers see headers as they were sent.
            value = base64.b64encode(value).rstrip(b"=")
        else:
            value = value.encode()
        metadata.append((name.encode(), value))
    return metadata


def _peer(text: str) -> str:
    """From `ipv4:127.0.0.1:40312` and `ipv6:%5B::1%5D:40312` to what our own transport says."""
    kind, _, rest = text.partition(":")
    return "unix:" if kind == "unix" else unquote(rest)


def _configuration(certificates: Certificates) -> grpc.ServerCertificateConfiguration:
    pair = (certificates.key, certificates.cert)
    return grpc.ssl_server_certificate_configuration([pair], certificates.client_ca)

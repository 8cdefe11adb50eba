"""An aiohttp application on a socket that anybody may reach: few connections, none for long.

aiohttp bounds sizes, and leaves a client that sends its headers byte by byte, or does not read its
answer, alone.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final, cast

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp.web_protocol import RequestHandler

from callout.observe.place import place_of

_log = structlog.get_logger("callout.admin")

MOST: Final = 64
"""Connections at a time: Prometheus, the kubelet and a few people need one each. One more takes
the place of the one that has waited longest without a request."""
REQUEST_SECONDS: Final = 10.0
"""Until the first request's headers must have come."""
NEXT_SECONDS: Final = 75.0
"""Until an answer is read and the next request has come: more than a scrape's usual interval."""
LINE: Final = 4096
"""Bytes of a request's first line, and of one header."""
HEADERS: Final = 64
"""Headers of a request."""
SERVER: Final = "gatewright"
"""What answers call us: aiohttp would tell its version, and Python's."""
LOG_EVERY: Final = 1.0
"""Seconds between two log lines of pages that failed."""


class Guard:
    """Counts the connections of one socket."""

    def __init__(self, most: int = MOST) -> None:
        """`most` connections may be there at a time."""
        self._most = most
        self._connections: dict[asyncio.BaseTransport, _Guarded] = {}

    def came(self, connection: "_Guarded", transport: asyncio.Transport) -> bool:
        """Whether a new connection may stay."""
        if len(self._connections) >= self._most:
            # In the order in which they began to wait, so the first idle one has waited longest.
            idle = next((each for each in self._connections.values() if not each.busy), None)
            if idle is None:
                return False
            idle.abort()
        self._connections[transport] = connection
        return True

    def left(self, transport: asyncio.BaseTransport) -> None:
        """A connection ended."""
        self._connections.pop(transport, None)

    @contextlib.contextmanager
    def receiving(self, request: web.Request) -> Iterator[None]:
        """While a body is to come: its connection may have to make room, as an idle one.

        Else as many clients as there is room for, each slow with its body, would lock out others.
        """
        transport = request.transport
        connection = self._connections.pop(transport, None) if transport is not None else None
        if transport is None or connection is None:
            yield
            return
        self._connections[transport] = connection  # it waits since now
        connection.busy = False
        try:
            yield
        finally:
            connection.busy = True

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Tells a connection at work from one that waits."""
        transport = request.transport
        connection = self._connections.get(transport) if transport is not None else None
        if transport is None or connection is None:
            return await handler(request)
        connection.work()
        try:
            return await handler(request)
        finally:
            if self._connections.pop(transport, None) is not None:
                self._connections[transport] = connection
                connection.wait(NEXT_SECONDS)


class GuardedSite(web.BaseSite):
    """Where a runner listens."""

    def __init__(self, runner: web.AppRunner, listening: socket.socket, guard: Guard) -> None:
        """`listening` is bound; closed with the runner."""
        super().__init__(runner)
        self._listening = listening
        self._guard = guard

    @property
    def name(self) -> str:
        """For aiohttp's own messages."""
        return str(self._listening.getsockname())

    async def start(self) -> None:
        """Listens."""
        await super().start()
        loop = asyncio.get_running_loop()
        server = self._runner.server
        assert server is not None  # noqa: S101  # the runner is set up
        self._server = await loop.create_server(
            lambda: _Guarded(_Handler(server, loop), self._guard),
            sock=self._listening,
            backlog=128,
        )


class _Handler(RequestHandler):
    """aiohttp's own, that neither logs nor answers what it was sent.

    aiohttp quotes a header that is too long, in an error line for each.
    """

    def __init__(self, server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # None: no such log
            keepalive_timeout=NEXT_SECONDS,
            max_line_size=LINE,
            max_field_size=LINE,
            max_headers=HEADERS,
        )

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  # it quotes what was sent
    ) -> web.StreamResponse:
        """Answers a request that cannot be read, or whose handler failed."""
        if status >= 500:
            self.log_exception("a page failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("part of the answer was sent already")
        refusal = web.Response(status=status, text=f"{HTTPStatus(status).phrase}\n")
        refusal.headers["Server"] = SERVER
        refusal.force_close()
        return refusal

    def log_exception(self, *_: object, **how: object) -> None:
        """Says where it failed, once a second at most, and not with what."""
        _failures.failed(how.get("exc_info"), time.monotonic())


class _Failures:
    """Pages that failed."""

    def __init__(self) -> None:
        self._next = 0.0
        self._silent = 0

    def failed(self, error: object, now: float) -> None:
        if now < self._next:
            self._silent += 1
            return
        raised = isinstance(error, BaseException)
        _log.error(
            "an admin page failed",
            error=type(error).__name__ if raised else "",
            at=place_of(error) if isinstance(error, BaseException) else "",
            silent=self._silent,
        )
        self._silent = 0
        self._next = now + LOG_EVERY


_failures = _Failures()


class _Guarded(asyncio.Protocol):
    """One connection: aiohttp's own, which ends when it waits too long."""

    def __init__(self, inner: asyncio.Protocol, guard: Guard) -> None:
        self._inner = inner
        self._guard = guard
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._admitted = False
        self.busy = False
        """Whether a request is at work."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Of a stream socket; uvloop's are no subclass.
        self._transport = transport = cast("asyncio.Transport", transport)
        self._admitted = self._guard.came(self, transport)
        if not self._admitted:
            transport.abort()
            return
        self.wait(REQUEST_SECONDS)
        self._inner.connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._stop_timer()
        self._guard.left(self._transport)
        if self._admitted:
            self._inner.connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if self._admitted:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._admitted else None

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def work(self) -> None:
        """A request came; whoever answers it has a bound of its own."""
        self.busy = True
        self._stop_timer()

    def wait(self, seconds: float) -> None:
        """So long, and not longer, for the next request."""
        self.busy = False
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)

    def abort(self) -> None:
        """Cuts it off."""
        self._guard.left(self._transport)
        self._transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

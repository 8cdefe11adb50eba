"""The HTTP port of envoyproxy/ratelimit in one worker: `/json` and `/healthcheck` (an edge).

In the worker, on sockets of its own beside those of gRPC: there limits are decided, and nothing of
it is on the way of a gRPC call.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Sequence
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web

from callout.config.settings import Settings
from callout.grpc.call import Call, Code, Face, Reply, Status, Unary
from callout.grpc.health import HealthBoard
from callout.observe.guarded import SERVER, Guard, GuardedSite
from callout.observe.paced import Paced
from callout.observe.place import place_of
from callout.serve.address import peer_text
from ratelimit.er.json import MOST_BYTES, HttpAnswer, answer_of, failure, message_of
from ratelimit.request import BadRequest

_log = structlog.get_logger("gatewright.http")

MOST_CONNECTIONS: Final = 256
"""Of a worker: each has one request at a time."""
BODY_SECONDS: Final = 10.0
"""Until a request's body must have come, as its headers."""


class ErHttp:
    """Answers on HTTP what a method of gRPC answers."""

    def __init__(
        self, method: Unary, health: HealthBoard, patience: float | None, bytes_most: int
    ) -> None:
        """Prepares.

        Args:
            method: ShouldRateLimit.
            health: says whether the process serves.
            patience: seconds that a request may wait for its turn until it is answered with
                `Unary.overloaded`, unread; None: any time.
            bytes_most: of a message, as for gRPC.
        """
        self._method = method
        self._health = health
        self._patience = patience
        self._turn = asyncio.Lock()
        self._failures = Paced()
        self._guard = Guard(MOST_CONNECTIONS)
        app = web.Application(
            middlewares=[self._guard.middleware], client_max_size=min(MOST_BYTES, bytes_most)
        )
        app.router.add_post("/json", self._json)
        app.router.add_get("/healthcheck", self._healthcheck)
        app.on_response_prepare.append(_add_headers)
        self._app = app
        self._runner: web.AppRunner | None = None

    async def start(self, listening: Sequence[socket.socket]) -> None:
        """Listens on bound sockets."""
        self._runner = runner = web.AppRunner(self._app, access_log=None)
        await runner.setup()
        for each in listening:
            await GuardedSite(runner, each, self._guard).start()

    async def close(self, seconds: float) -> None:
        """Accepts nothing more, and lets requests in flight end, within so many seconds."""
        if self._runner is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._runner.cleanup(), seconds)

    async def _healthcheck(self, _: web.Request) -> web.Response:
        if self._health.serving(""):
            return web.Response(text="OK")
        return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)

    async def _json(self, request: web.Request) -> web.Response:
        if "Origin" in request.headers:
            # A page in somebody's browser: it cannot read the answer, but it would use up limits.
            return _response(failure(HTTPStatus.FORBIDDEN))
        try:
            with self._guard.receiving(request):
                async with asyncio.timeout(BODY_SECONDS):
                    body = await request.read()
        except TimeoutError:
            refusal = _response(failure(HTTPStatus.REQUEST_TIMEOUT))
            refusal.force_close()
            return refusal
        try:
            return _response(await self._answer(request, body))
        except Exception as error:
            if (silent := self._failures.due("failed", time.monotonic())) is not None:
                what, place = type(error).__name__, place_of(error)
                _log.error("a request failed", error=what, at=place, silent=silent)
            return _response(failure(HTTPStatus.INTERNAL_SERVER_ERROR))

    async def _answer(self, request: web.Request, body: bytes) -> HttpAnswer:
        reply = await self._begun(request, body, time.monotonic())
        return answer_of(reply if isinstance(reply, bytes | Status) else await reply)

    async def _begun(
        self, request: web.Request, body: bytes, arrived: float
    ) -> Reply | Awaitable[Reply]:
        # One in a turn of the loop: calls of gRPC must not wait for many bodies in a row.
        async with self._turn:
            overloaded = self._method.overloaded
            if overloaded is not None and self._late(time.monotonic() - arrived):
                return overloaded
            message = message_of(body)
            await asyncio.sleep(0)
        if isinstance(message, BadRequest):
            return Status(Code.INVALID_ARGUMENT, message.reason)
        return self._method.handler(message, _call(request))

    def _late(self, waited: float) -> bool:
        return self._patience is not None and waited > self._patience


def http_port(settings: Settings, faces: Sequence[Face], health: HealthBoard) -> ErHttp:
    """As the settings want it; the face `limit` is there."""
    (limit,) = (face for face in faces if face.name == "limit")
    (method,) = (each for each in limit.methods if isinstance(each, Unary))
    overload = settings.overload
    patience = overload.interval if overload.target else None
    return ErHttp(method, health, patience, settings.max_message)


def _call(request: web.Request) -> Call:
    transport = request.transport
    name = transport.get_extra_info("peername") if transport is not None else None
    headers = [(name.lower(), value) for name, value in request.raw_headers]
    return Call(headers, None, peer_text(name))


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER


def _response(answer: HttpAnswer) -> web.Response:
    ours = answer.status in (HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS)
    kind = "application/json" if ours else "text/plain"
    return web.Response(status=answer.status, body=answer.body, content_type=kind)

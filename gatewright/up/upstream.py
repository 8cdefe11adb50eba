"""The service behind the gateway when the user brings none: says what reached it."""

import socket

from aiohttp import web

SHOWN_HEADERS = ("x-shop-user", "x-shop-role", "x-shop-org", "x-forwarded-for", "x-request-id")
"""What is worth seeing: the identity that the gateway vouches for, never a credential."""
MAX_BODY = 1 << 20
"""Bytes of a request body that are read, to say how many they were."""


async def _answer(request: web.Request) -> web.Response:
    body = await request.read()
    seen = {name: request.headers[name] for name in SHOWN_HEADERS if name in request.headers}
    return web.json_response(
        {
            "service": "sample shop",
            "method": request.method,
            "path": request.raw_path,
            "headers": seen,
            "body_bytes": len(body),
        }
    )


async def start(listening: socket.socket) -> web.AppRunner:
    """Serves on the socket until the runner's `cleanup` is awaited."""
    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_route("*", "/{path:.*}", _answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    return runner

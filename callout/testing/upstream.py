"""The service behind the gateway: echoes what reached it."""

import asyncio
import socket
import threading
from collections import deque
from typing import NamedTuple

from aiohttp import web

MAX_BODY = 64 << 20
"""Bytes of a request body that are taken."""


class Seen(NamedTuple):
    """One request as it reached the upstream."""

    method: str
    path: str
    """Raw, with the query."""
    headers: tuple[tuple[str, str], ...]
    """As sent, names in lower case, in order, repeated ones included."""
    body: bytes

    def header(self, name: str) -> str | None:
        """The header's values joined by a comma; None: not sent."""
        values = [value for key, value in self.headers if key == name]
        return ",".join(values) if values else None


class EchoUpstream:
    """HTTP/1.1 in a thread of its own, so that tests of any kind may block.

    Answers 200 with `{"method", "path", "headers": [[name, value], ...], "body"}` (the body as
    text, bytes that are not UTF-8 as surrogates), and `/status/NNN` with that status.
    """

    def __init__(self) -> None:
        """Starts it on a free port of 127.0.0.1."""
        self.seen: deque[Seen] = deque(maxlen=10_000)
        """The requests so far, oldest first."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="echo upstream", daemon=True)
        self._started = threading.Event()
        self._thread.start()
        self._started.wait(10)

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """With no slash at the end."""
        return f"http://{self.address}"

    def close(self) -> None:
        """Stops it; connections break."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = self._loop.run_until_complete(self._serve())
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _serve(self) -> web.AppRunner:
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, self._socket).start()
        return runner

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = tuple((name.lower(), value) for name, value in request.headers.items())
        self.seen.append(Seen(request.method, request.raw_path, headers, body))
        first, _, status = request.path.lstrip("/").partition("/")
        if first == "status" and status.isdecimal() and 200 <= int(status) <= 599:
            return web.Response(status=int(status))
        return web.json_response(
            {
                "method": request.method,
                "path": request.raw_path,
                "headers": headers,
                "body": body.decode("utf-8", "surrogateescape"),
            }
        )

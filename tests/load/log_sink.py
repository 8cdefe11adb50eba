"""A process that takes decision logs and counts them: `python -m tests.load.log_sink PORT`.

`POST` anywhere: gzip of a JSON array. `GET /`: how many events came.
"""

import asyncio
import gzip
import sys
from collections.abc import Sequence

from aiohttp import web


def main(arguments: Sequence[str]) -> None:
    """Serves until it is killed."""
    count = 0

    async def take(request: web.Request) -> web.Response:
        nonlocal count
        body = await request.read()
        if request.headers.get("content-encoding") == "gzip" and body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        count += body.count(b'"decision_id"')
        return web.Response()

    async def tell(_: web.Request) -> web.Response:
        return web.Response(text=str(count))

    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/{any:.*}", take)
    app.router.add_get("/", tell)
    asyncio.set_event_loop(asyncio.new_event_loop())
    web.run_app(app, host="127.0.0.1", port=int(arguments[0]), print=None)


if __name__ == "__main__":
    main(sys.argv[1:])

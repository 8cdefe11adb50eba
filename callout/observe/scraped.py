"""One page for Prometheus, on a port of its own (an edge)."""

import asyncio
import socket
from collections.abc import Callable

from aiohttp import web

from callout.observe.guarded import Guard, GuardedSite


async def serve(
    path: str, content_type: str, render: Callable[[], bytes], listening: socket.socket
) -> web.AppRunner:
    """Answers GET of one path, until the runner's `cleanup` is awaited.

    Args:
        path: of the page; there is nothing else.
        content_type: of what `render` gives.
        render: makes the page; asked at each scrape, for one at a time.
        listening: bound; closed with the runner.
    """
    guard, one_scrape = Guard(), asyncio.Lock()

    async def page(_: web.Request) -> web.Response:
        # One in a turn of the loop: whoever asks again and again must not keep us from the workers.
        async with one_scrape:
            body = render()
            await asyncio.sleep(0)
        return web.Response(body=body, headers={"Content-Type": content_type})

    app = web.Application(middlewares=[guard.middleware], client_max_size=1)
    app.router.add_get(path, page)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await GuardedSite(runner, listening, guard).start()
    return runner

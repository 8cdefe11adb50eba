"""An OPA server that takes its time: a real one cannot be made to.

    python -m tests.reliability.overload.slow_opa 127.0.0.1:PORT USER

Answers `AT_A_TIME` questions at a time, each after `SECONDS`; the others wait for their turn.
"""

import asyncio
import sys
from typing import Final

from aiohttp import web

AT_A_TIME: Final = 50
SECONDS: Final = 0.020
CAPACITY: Final = AT_A_TIME / SECONDS


def application(denied: str) -> web.Application:
    """Allows everybody but one user."""
    turns = asyncio.Semaphore(AT_A_TIME)

    async def answer(request: web.Request) -> web.Response:
        body = await request.text()
        async with turns:
            await asyncio.sleep(SECONDS)
        return web.json_response({"result": f'"x-user":"{denied}"' not in body.replace(" ", "")})

    app = web.Application()
    app.router.add_post("/v1/data/{path:.*}", answer)
    return app


def main() -> int:
    """The process."""
    host, _, port = sys.argv[1].rpartition(":")
    web.run_app(application(sys.argv[2]), host=host, port=int(port), print=None, access_log=None)
    return 0


if __name__ == "__main__":
    sys.exit(main())

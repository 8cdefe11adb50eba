"""An outside for evaluations that run in the test's own thread."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from extauthz.policy.outside import http_client
from extauthz.policy.outside.http_cache import HttpCache
from extauthz.policy.outside.permits import Permits
from extauthz.policy.outside.world import World


@contextmanager
def outside(permits: Permits, seconds: float = 60) -> Iterator[World]:
    """A world whose event loop runs beside the test; for `memo[KEPT][WORLD]`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield World(permits, HttpCache(), loop, time.monotonic() + seconds)
    finally:
        asyncio.run_coroutine_threadsafe(http_client.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

"""Rego that may ask the network: it is evaluated in a thread, so that the event loop goes on."""

import asyncio
import time
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from extauthz.policy.engine import Answer, PolicyFailed
from extauthz.policy.outside.http_cache import HttpCache
from extauthz.policy.outside.permits import Permits
from extauthz.policy.outside.world import WORLD, World
from extauthz.policy.rego import RegoEngine

THREADS: Final = 32
"""Decisions at a time in a process; they mostly wait."""
WAITING: Final = 4 * THREADS
"""Decisions at a time, with those that wait for a thread; one more fails at once."""
MOST_SECONDS: Final = 5.0
"""For a decision whose caller has no deadline."""

_threads = ThreadPoolExecutor(THREADS, "rego-waits")


class _Count:
    now = 0


class WaitingEngine:
    """An `Engine` of a plan that calls builtins with a permit. Not to be remembered."""

    recorded: None = None
    """See `RegoEngine.recorded`: what the network said is no part of the input."""

    def __init__(self, engine: RegoEngine, permits: Permits) -> None:
        self.reads = engine.reads
        self.data = engine.data
        self._engine = engine
        self._permits = permits
        self._cache = HttpCache()

    def decide(
        self, document: dict[str, Any], deadline: float | None
    ) -> PolicyFailed | Awaitable[Answer | PolicyFailed]:
        """See `Engine`."""
        if _Count.now >= WAITING:
            return PolicyFailed("rego_overloaded", "too many decisions wait for the network", True)
        until = time.monotonic() + MOST_SECONDS
        if deadline is not None:
            until = min(until, deadline)
        loop = asyncio.get_running_loop()
        world = World(self._permits, self._cache, loop, until)
        _Count.now += 1
        working = loop.run_in_executor(_threads, self._answer, document, world)
        working.add_done_callback(_done)
        return working

    def _answer(self, document: dict[str, Any], world: World) -> Answer | PolicyFailed:
        if time.monotonic() >= world.until:
            return PolicyFailed("deadline", "the decision's time was over before it began", True)
        answer = self._engine.decide_with(document, {WORLD: world})
        if isinstance(answer, PolicyFailed) and answer.reason == "deadline":
            return answer._replace(unanswered=True)
        return answer


def _done(_: asyncio.Future[Any]) -> None:
    _Count.now -= 1

"""What a worker answers when it is asked for a page of `/debug/`."""

import asyncio
import gc
import re
import time
from collections.abc import Callable
from dataclasses import asdict
from hashlib import blake2b
from typing import Final

import msgspec
import structlog

from callout.observe.debug.cpu_profile import CpuProfile
from callout.observe.debug.slowest import Slowest
from callout.observe.place import place_of
from callout.serve.server import Server
from gatewright.run.questions import Answer, Question
from ratelimit.hottest import Found, Hottest
from ratelimit.shown import shown

_log = structlog.get_logger("gatewright.worker")

MOST_HOTTEST: Final = 200
"""Counters that one worker names: twice as many as are shown, for workers differ."""
MOST_CONNECTIONS: Final = 500
"""Connections that are shown of one worker: a page for people. Their number is always said."""
_TIMER: Final = re.compile(r"<TimerHandle (?!cancelled)([^( >]+).*>")
"""What uvloop calls a `call_later` that is to come: one that was has no callback any more. What
stands behind the callback's name are its arguments, which nobody may see."""


class Answers:
    """Answers questions beside the requests. Use it in the main thread."""

    def __init__(
        self,
        server: Callable[[], Server | None],
        slowest: Slowest,
        hottest: Hottest,
        send: Callable[[Answer], None],
    ) -> None:
        """Prepares.

        Args:
            server: the one that runs.
            slowest: the slowest decisions.
            hottest: the counters that are asked about most.
            send: takes the answer.
        """
        self._server = server
        self._slowest = slowest
        self._hottest = hottest
        self._send = send
        self._tasks: set[asyncio.Task[None]] = set()

    def hear(self, question: Question) -> None:
        """Takes a question; the answer is sent when it is found."""
        task = asyncio.create_task(self._answer(question))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Answers no more."""
        for task in self._tasks:
            task.cancel()

    async def _answer(self, question: Question) -> None:
        try:
            found = await self._find(question)
        except Exception as error:
            _log.error(
                "cannot say", what=question.what, error=type(error).__name__, at=place_of(error)
            )
            found = {"error": f"the worker failed: {type(error).__name__}"}
        self._send(Answer(question.id, msgspec.json.encode(found)))

    async def _find(self, question: Question) -> dict[str, object]:
        if question.what == "connections":
            return await self._connections()
        if question.what == "slowest":
            return {"decisions": [each._asdict() for each in self._slowest.found()]}
        if question.what == "hottest":
            return _hot(self._hottest.found(time.time(), MOST_HOTTEST))
        return await _profile(question.seconds)

    async def _connections(self) -> dict[str, object]:
        server = self._server()
        live = await server.live(MOST_CONNECTIONS) if server is not None else None
        if live is None:
            return {"error": "this transport does not say"}
        shown, every = live
        return {
            "open": every,
            "tasks": len(asyncio.all_tasks()),
            "timers": _timers(),
            "connections": [asdict(each) for each in shown],
        }


def _hot(found: Found) -> dict[str, object]:
    """Names as they may be seen, each with what tells it from others that look the same then."""
    counters = [
        {
            "id": blake2b(each.name, digest_size=16).hexdigest(),
            "counter": shown(each.key),
            "requests": each.requests,
        }
        for each in found.hottest
    ]
    return {"seconds": found.seconds, "requests": found.requests, "counters": counters}


def _timers() -> list[str]:
    """What the event loop will call later, as far as it was set since the last bundle was loaded.

    uvloop keeps no list, and what was there then is frozen: `gc` does not show it (2 ms).
    """
    handles = [each for each in gc.get_objects() if type(each).__name__ == "TimerHandle"]
    return sorted(found[1] for each in handles if (found := _TIMER.fullmatch(repr(each))))


async def _profile(seconds: float) -> dict[str, object]:
    profile = CpuProfile()
    profile.start()
    try:
        await asyncio.sleep(seconds)
    finally:
        stacks = profile.stop()
    return {"stacks": stacks}

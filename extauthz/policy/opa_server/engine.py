"""The `Engine` that asks OPA servers for one document, each question within its caller's time."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any, Final, Protocol

from extauthz.policy.engine import Answer, PolicyFailed
from extauthz.policy.opa_server.server import Server, patience

MOST_SECONDS: Final = 5.0
"""For a decision whose caller has no deadline."""
ASKED_MOST: Final = 3
"""Servers that one question is asked of at most: those that are left must not get again and again
what those that are away cannot answer."""


class Chooser(Protocol):
    """Knows all servers."""

    count: int

    def choose(self, but: tuple[Server, ...]) -> Server | PolicyFailed:
        """The one to ask next, which is none of those; or why there is none."""
        ...


class OpaEngine:
    """Asks the server that has the least to do, and another one if that does not answer.

    A query changes nothing, so it may be asked again: at once when a server breaks, and when one is
    silent beside it. The first question goes on then, because it may only be a hard one.
    """

    def __init__(self, servers: Chooser, path: str) -> None:
        self._servers = servers
        self._path = path
        self._most = min(ASKED_MOST, servers.count)

    def decide(
        self, document: dict[str, Any], deadline: float | None
    ) -> PolicyFailed | Awaitable[Answer | PolicyFailed]:
        """See `Engine`; no answer is `opa_unavailable`, a refused question `opa_error`."""
        now = time.monotonic()
        until = now + MOST_SECONDS
        if deadline is not None and deadline < until:
            until = deadline
        if until <= now:
            return PolicyFailed("opa_unavailable", "there is no time left to ask", unanswered=True)
        first = self._servers.choose(())
        if isinstance(first, PolicyFailed):
            return first
        if self._most == 1:
            return first.ask(self._path, document, until)
        return self._ask_several(first, document, until)

    async def _ask_several(
        self, first: Server, document: dict[str, Any], until: float
    ) -> Answer | PolicyFailed:
        # The tasks cost 10 us of a question's 200: with one server there are none.
        def asking(server: Server) -> asyncio.Task[Answer | PolicyFailed]:
            return asyncio.create_task(server.ask(self._path, document, until))

        tried: tuple[Server, ...] = (first,)
        running = {asking(first)}
        began = time.monotonic()
        patient = patience(until - began)
        try:
            while True:
                wait = None
                if len(tried) < self._most:
                    wait = max(began, tried[-1].heard) + patient - time.monotonic()
                done, running = await asyncio.wait(
                    running, timeout=wait, return_when=asyncio.FIRST_COMPLETED
                )
                answer: Answer | PolicyFailed = None
                for each in done:
                    answer = each.result()
                    if not isinstance(answer, PolicyFailed) or not answer.unanswered:
                        return answer
                now = time.monotonic()
                if not done and now < max(began, tried[-1].heard) + patient:
                    continue  # it answers others meanwhile
                other = None
                if len(tried) < self._most and now < until:
                    other = self._servers.choose(tried)
                if isinstance(other, Server):
                    tried = (*tried, other)
                    running.add(asking(other))
                elif not running:
                    return answer
                began = now
        finally:
            for each in running:
                each.cancel()

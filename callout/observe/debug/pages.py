"""The pages `/debug/`: what the workers are at, asked of each of them within a deadline."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from callout.observe.debug.access import Asker, admit
from callout.observe.debug.hottest import MOST, SHOWN, together

PREFIX: Final = "/debug/"
PATIENCE: Final = 2.0
"""Seconds that a worker has to answer, beyond what was asked for: a frozen one is left out."""
LONGEST_PROFILE: Final = 60
"""Seconds."""
PROFILE_SECONDS: Final = 10
"""Unless said otherwise."""

What: TypeAlias = Literal["connections", "slowest", "profile", "hottest"]
Ask: TypeAlias = Callable[[What, float, float], Awaitable[Mapping[int, bytes | None]]]
"""Asks every worker: what, for how many seconds of profile, and within how many seconds. Gives the
JSON that each place answered; None: it did not answer in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugSources:
    """Where these pages come from."""

    ask: Ask
    token_file: Path | None = None
    """Holds the token that is asked for; None: only this machine may see the pages."""


class DebugPages:
    """The handlers."""

    def __init__(self, sources: DebugSources) -> None:
        self._ask = sources.ask
        self._token_file = sources.token_file
        self._profiling = False

    def routes(self) -> list[web.RouteDef]:
        """What to add to the application."""
        return [
            web.get("/debug/connections", self.connections),
            web.get("/debug/decisions/slowest", self.slowest),
            web.get("/debug/profile", self.profile),
            web.get("/debug/limits/hottest", self.hottest),
        ]

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Lets nobody else in, also where there is no page."""
        if request.path.startswith(PREFIX):
            forbidden = admit(_asker(request), self._token_file)
            if forbidden is not None:
                refusal = web.json_response({"error": forbidden.reason}, status=forbidden.status)
                if forbidden.status == 401:
                    refusal.headers["WWW-Authenticate"] = "Bearer"
                return refusal
        return await handler(request)

    async def connections(self, _: web.Request) -> web.Response:
        """Live connections of each worker."""
        return _json({"workers": await self._answers("connections")})

    async def slowest(self, _: web.Request) -> web.Response:
        """The slowest decisions of all workers, the slowest first."""
        answers = await self._answers("slowest")
        silent = [place for place, answer in answers.items() if "error" in answer]
        decisions = [
            {**each, "worker": int(place)}
            for place, answer in answers.items()
            for each in answer.get("decisions", ())
        ]
        decisions.sort(key=lambda each: each["seconds"], reverse=True)
        return _json({"decisions": decisions, "no_answer": silent})

    async def hottest(self, request: web.Request) -> web.Response:
        """The counters of rate limits that are asked about most."""
        most = _number(request.query.get("most", str(SHOWN)), MOST)
        if most is None:
            return web.json_response({"error": f"expected most from 1 to {MOST}"}, status=400)
        answers = await self._answers("hottest")
        silent = [place for place, answer in answers.items() if "error" in answer]
        found = together([each for each in answers.values() if "error" not in each], most)
        return _json({**found, "no_answer": silent})

    async def profile(self, request: web.Request) -> web.Response:
        """Processor time by stack, as flame graphs are made of; one profile at a time."""
        seconds = _number(request.query.get("seconds", str(PROFILE_SECONDS)), LONGEST_PROFILE)
        if seconds is None:
            reason = f"expected seconds from 1 to {LONGEST_PROFILE}"
            return web.json_response({"error": reason}, status=400)
        if self._profiling:
            return web.json_response({"error": "a profile is under way"}, status=409)
        self._profiling = True
        try:
            # Also when the asker goes: the workers look on for as long as they were told.
            answers = await self._answers("profile", seconds)
        finally:
            self._profiling = False
        lines = [
            f"worker {place};{stack} {spent}"
            for place, answer in answers.items()
            for stack, spent in answer.get("stacks", {}).items()
        ]
        lines += [f"worker {place};{a['error']} 1" for place, a in answers.items() if "error" in a]
        return web.Response(text="".join(f"{each}\n" for each in lines))

    async def _answers(self, what: What, seconds: float = 0.0) -> dict[str, dict[str, Any]]:
        found = await self._ask(what, seconds, seconds + PATIENCE)
        answers: dict[str, dict[str, Any]] = {}
        for place, body in sorted(found.items()):
            if body is None:
                answers[str(place)] = {"error": "no answer in time"}
            else:
                answers[str(place)] = msgspec.json.decode(body)
                await asyncio.sleep(0)  # one may be a megabyte
        return answers


def _asker(request: web.Request) -> Asker:
    transport = request.transport
    own = transport.get_extra_info("socket") if transport is not None else None
    name = transport.get_extra_info("peername") if transport is not None else None
    peer: str | None = str(name[0]) if isinstance(name, tuple) else ""
    if own is not None and own.family == socket.AF_UNIX:
        peer = None
    return Asker(
        peer,
        request.headers.get("Host", ""),
        request.headers.get("Authorization", ""),
        request.headers.get("Sec-Fetch-Site", ""),
    )


def _number(text: str, most: int) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most))):
        return None
    return int(text) if 1 <= int(text) <= most else None


def _json(value: object) -> web.Response:
    return web.Response(
        body=msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n",
        content_type="application/json",
    )

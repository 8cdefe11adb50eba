"""Fetches JWK Sets by URL, and keeps strangers from making us fetch (extauthz.md 6).

One fetch at a time for a URL, never two within `interval`, none for a key id that was just not
found; a set that cannot be had again stays good for `stale` seconds; no redirects, a size limit,
a time limit. It belongs to the process, not to a snapshot, so a new bundle keeps what is known.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

import aiohttp
import structlog

from extauthz.identity import keys as jwk
from extauthz.identity.keys import KeySet

_log = structlog.get_logger("gatewright.jwks")


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How often, how long, how much. All times in seconds."""

    refresh: float = 300.0
    """Age at which keys are fetched again in the background: how long a withdrawn key lives."""
    interval: float = 10.0
    """Least time between two fetches of one URL, whatever tokens come, whether it failed or not."""
    unknown: float = 60.0
    """How long a key id stays known as unknown."""
    unknown_most: int = 1000
    """Key ids remembered as unknown, a URL."""
    stale: float = 86_400.0
    """Age at which keys that cannot be fetched again are no longer believed."""
    timeout: float = 5.0
    """For one fetch, from name lookup to last byte."""


@dataclass(slots=True)
class _Known:
    """What is known of one URL."""

    keys: KeySet | None = None
    fetched: float = 0.0
    """When `keys` were had, seconds since 1970."""
    tried: float = float("-inf")
    """When the last fetch began."""
    flight: asyncio.Task[None] | None = None
    unknown: dict[str, float] = field(default_factory=dict)
    """Key id -> until when it counts as unknown."""


class JwksFetcher:
    """A `KeySource` over HTTP. Use it in one event loop."""

    def __init__(
        self,
        limits: FetchLimits = FetchLimits(),
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
    ) -> None:
        """Prepares; `trace_configs` hear of each fetch."""
        self._limits = limits
        self._trace_configs = trace_configs
        self._known: dict[str, _Known] = {}
        self._session: aiohttp.ClientSession | None = None

    def get(
        self, url: str, kid: str | None, now: float
    ) -> KeySet | Awaitable[KeySet | None] | None:
        """The keys at `url`: at once when they are known, fresh, and know `kid`."""
        known = self._state(url)
        keys = self._believed(known, now)
        self._refresh_if_due(url, known, now)
        if keys is None:
            return self._after_flight(known, kid, now) if known.flight is not None else None
        if kid is None or keys.knows(kid):
            return keys
        if now < known.unknown.get(kid, 0.0):
            return keys
        if known.flight is None and self._may_try(known, now):
            self._start(url, known, now)
        return self._after_flight(known, kid, now) if known.flight is not None else keys

    def current(self, url: str, now: float) -> KeySet | None:
        """What is known now; starts a refresh when it is due."""
        known = self._state(url)
        self._refresh_if_due(url, known, now)
        return self._believed(known, now)

    async def close(self) -> None:
        """End what is under way, and the connections."""
        flights = [known.flight for known in self._known.values() if known.flight is not None]
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _state(self, url: str) -> _Known:
        known = self._known.get(url)
        if known is None:
            known = self._known[url] = _Known()
        return known

    def _believed(self, known: _Known, now: float) -> KeySet | None:
        return known.keys if now - known.fetched < self._limits.stale else None

    def _may_try(self, known: _Known, now: float) -> bool:
        # a clock that was set back must not stop all fetches until it has caught up
        return not 0 <= now - known.tried < self._limits.interval

    def _refresh_if_due(self, url: str, known: _Known, now: float) -> None:
        due = known.keys is None or not 0 <= now - known.fetched < self._limits.refresh
        if due and known.flight is None and self._may_try(known, now):
            self._start(url, known, now)

    def _start(self, url: str, known: _Known, now: float) -> None:
        known.tried = now
        known.flight = asyncio.get_running_loop().create_task(self._fly(url, known, now))

    async def _after_flight(self, known: _Known, kid: str | None, now: float) -> KeySet | None:
        if known.flight is not None:
            # shielded: one caller's deadline must not end what others wait for
            await asyncio.shield(known.flight)
        keys = self._believed(known, now)
        if keys is not None and kid is not None and not keys.knows(kid):
            if len(known.unknown) >= self._limits.unknown_most:
                known.unknown.clear()
            known.unknown[kid] = now + self._limits.unknown
        return keys

    async def _fly(self, url: str, known: _Known, now: float) -> None:
        try:
            found = jwk.parse(await self._download(url))
        except _Refused as refused:
            found = str(refused)
        except Exception as error:  # every way in which a foreign server can fail us
            found = type(error).__name__
        finally:
            known.flight = None
        if isinstance(found, str):
            _log.warning("jwks_fetch_failed", url=url, reason=found)
            return
        known.fetched = now
        if known.keys is None or known.keys.digest != found.digest:
            known.keys = found
            known.unknown.clear()

    async def _download(self, url: str) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._limits.timeout),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # a few kilobytes can unpack into gigabytes
                headers={"accept": "application/json", "accept-encoding": "identity"},
                trace_configs=list(self._trace_configs),
            )
        async with self._session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                raise _Refused(f"status {response.status}")
            data = bytearray()
            async for chunk in response.content.iter_chunked(16_384):
                data += chunk
                if len(data) > jwk.SIZE_MOST:
                    raise _Refused("too large")
            return bytes(data)


class _Refused(Exception):
    """An answer that we do not take; its text is safe to log."""

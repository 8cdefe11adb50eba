"""OTLP over HTTP: protobuf messages by POST."""

import asyncio
from typing import Final

import aiohttp

from callout.observe.traces.encode import rejected
from callout.observe.traces.export import Accepted, NotSent, Outcome

TIMEOUT: Final = 5.0
"""Seconds for one message, as over gRPC."""
_MOST_ANSWER: Final = 64 << 10
"""Bytes of an answer that are read."""
_AGAIN: Final = frozenset({429, 502, 503, 504})
"""Statuses after which OTLP lets a client try again."""


class HttpSender:
    """A `Sender`."""

    def __init__(self, url: str) -> None:
        """`url` with its path, `/v1/traces` as a rule; connects when there is something to send."""
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def send(self, message: bytes) -> Outcome:
        """See `Sender.send`."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"content-type": "application/x-protobuf"},
            )
        try:
            async with self._session.post(
                self._url, data=message, allow_redirects=False
            ) as response:
                answer = await response.content.read(_MOST_ANSWER)
                status = response.status
        except TimeoutError:
            return NotSent("timeout", again=True)
        except (aiohttp.ClientError, OSError) as error:
            return NotSent(type(error).__name__, again=True)
        if status // 100 == 2:
            return Accepted(rejected(answer))
        return NotSent(f"status {status}", status in _AGAIN)

    async def close(self) -> None:
        """See `Sender.close`."""
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)

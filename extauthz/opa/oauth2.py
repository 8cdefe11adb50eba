"""Tokens of an OAuth2 server for `client_credentials`, as OPA asks for them (an edge)."""

import asyncio
import base64
import time
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import msgspec

from extauthz.opa.problems import RequestFailed
from extauthz.opa.settings import OAuth2

LEAST_LIFE: Final = 10.0
"""Seconds that a token must still live to be used; OPA's."""
ANSWERS_WITHIN: Final = 10.0
"""Seconds; OPA's."""
MOST_BYTES: Final = 64 * 1024
"""Of the answer."""


class _Answer(msgspec.Struct):
    access_token: str
    token_type: str
    expires_in: float = 0


class TokenSource:
    """The token of one service; asked for once, and again before it ends."""

    def __init__(self, settings: OAuth2, now: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._now = now
        self._token = ""
        self._ends = 0.0
        self._asking = asyncio.Lock()

    async def token(self, session: aiohttp.ClientSession, tls: Any) -> str:
        """A token that lives for a while.

        Args:
            session: to ask with.
            tls: how the server is verified.

        Raises:
            RequestFailed: there is none.
        """
        async with self._asking:
            if self._ends - self._now() < LEAST_LIFE:
                answer = await self._asked(session, tls)
                self._token = answer.access_token.strip()
                self._ends = self._now() + answer.expires_in
            return self._token

    async def _asked(self, session: aiohttp.ClientSession, tls: Any) -> _Answer:
        settings = self._settings
        fields = {"grant_type": settings.grant_type, **settings.additional_parameters}
        if settings.scopes:
            fields["scope"] = " ".join(settings.scopes)
        who = base64.b64encode(f"{settings.client_id}:{settings.client_secret}".encode()).decode()
        headers = {"Authorization": f"Basic {who}", **settings.additional_headers}
        async with asyncio.timeout(ANSWERS_WITHIN):
            request = session.post(
                settings.token_url, data=fields, headers=headers, ssl=tls, allow_redirects=False
            )
            async with request as response:
                body = bytearray()
                async for piece in response.content.iter_chunked(8192):
                    body += piece
                    if len(body) > MOST_BYTES:
                        raise RequestFailed("request failed: the token endpoint says too much")
        if response.status != 200:
            raise RequestFailed(f"request failed: the token endpoint answered {response.status}")
        try:
            answer = msgspec.json.decode(body, type=_Answer)
        except msgspec.MsgspecError:
            raise RequestFailed("request failed: the token endpoint gave no token") from None
        if answer.token_type.lower() != "bearer":
            raise RequestFailed("request failed: the token endpoint gave no bearer token")
        return answer

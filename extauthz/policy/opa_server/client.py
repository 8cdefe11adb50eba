"""One OPA server by `opa-python-client` (an edge): pooled connections, exact numbers."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from opa_client import AsyncOpaClient

from extauthz.policy.opa_server.access import Access, Shown
from extauthz.policy.values.text import from_json, to_json

MOST_BYTES: Final = 1024 * 1024
"""Of one answer: a decision, not a download."""
CONNECTIONS: Final = 100
"""To one server at a time; further questions wait for one, within their deadline."""
PROBE_SECONDS: Final = 1.0
"""For the answer to a probe: longer than any pause that a busy server takes."""


class _ExactResponse(aiohttp.ClientResponse):
    """Reads JSON with exact numbers, which no argument of the client's can ask for."""

    async def json(self, **_: Any) -> Any:
        body = await self.content.read(MOST_BYTES + 1)
        while len(body) <= MOST_BYTES and not self.content.at_eof():
            body += await self.content.read(MOST_BYTES + 1 - len(body))
        if len(body) > MOST_BYTES:
            raise ValueError("the answer is too large")
        return from_json(body)


class _ExactClient(AsyncOpaClient):  # type: ignore[misc]  # the package has no types
    """The client with our session: exact numbers both ways, kept connections, no own timeout.

    Its own retries would sleep between them, longer than callers wait; and it has one token and
    one TLS context for ever.
    """

    trace_configs: Sequence[aiohttp.TraceConfig] = ()

    async def _init_session(self) -> None:
        self._connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=60)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            json_serialize=to_json,
            response_class=_ExactResponse,
            timeout=aiohttp.ClientTimeout(total=None),
            trace_configs=list(self.trace_configs),
        )

    def _request(self, method: str, url: str, **options: Any) -> Any:
        # A redirect would carry the document, and the token, to somebody whom nobody wrote.
        return self._session.request(method, url, allow_redirects=False, **options, **self.shown)

    shown: dict[str, Any] = {}  # noqa: RUF012 - replaced whole, never changed


class OpaClient:
    """Talks to one server; connects when first asked. Use it in one event loop."""

    def __init__(
        self, url: str, access: Access, trace_configs: Sequence[aiohttp.TraceConfig] = ()
    ) -> None:
        """Takes `http://host:port` or `https://host:port`; `trace_configs` hear of each request.

        Raises:
            ValueError: the URL has no host, or a path.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected http://HOST:PORT or https://HOST:PORT")
        if parts.path.strip("/") or parts.query or parts.fragment or parts.username:
            raise ValueError("expected the address of an OPA server without path and user")
        secure = parts.scheme == "https"
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        port = parts.port or (443 if secure else 8181)
        self.name = f"{host}:{port}"
        """For metrics and logs."""
        self._client = _ExactClient(host=host, port=port, ssl=secure)
        self._client.trace_configs = trace_configs
        self._shown = Shown(access, secure)
        self._opened: asyncio.Future[object] | None = None

    async def ask(self, path: str, document: dict[str, Any], now: float) -> Any:
        """The server's whole answer: `{"result": ...}`, or without it if undefined.

        Args:
            path: of the document: `shop/allow`.
            document: the input.
            now: seconds of a monotonic clock.

        Raises:
            aiohttp.ClientError: unreachable, or a status of 400 or more.
            ValueError: no JSON.
            NoAccess: our own files are no good.
        """
        await self._prepared(now)
        try:
            return await self._client.query_rule(document, path)
        except aiohttp.ServerDisconnectedError:
            # a kept connection that the server closed at this moment; asking changes nothing
            return await self._client.query_rule(document, path)

    async def is_well(self, bundles: bool, now: float) -> bool:
        """Whether it says so within a second; with `bundles`, also that it has its policies."""
        url = f"{self._client.schema}{self.name}/health{'?bundles' if bundles else ''}"
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._prepared(now)
                async with self._client._request("GET", url) as response:
                    # Whoever may not ask that, of a server that judges its callers, is answered.
                    return bool(response.status < 500)
        except Exception:
            # Whatever it is, it must not end the probes: the server would be lost for ever.
            return False

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._client.close_connection()
            self._opened = None

    async def _prepared(self, now: float) -> None:
        if self._opened is None:
            self._opened = asyncio.ensure_future(self._client.__aenter__())
        if not self._opened.done():
            await asyncio.shield(self._opened)
        if not self._shown.constant:
            self._client.shown = await self._shown.options(now)

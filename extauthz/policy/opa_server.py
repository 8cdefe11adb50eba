"""An OPA server over REST, by `opa-python-client`: one pooled client, an engine a document."""

import asyncio
import re
import time
from collections.abc import Awaitable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from opa_client import AsyncOpaClient

from extauthz.policy.engine import UNDEFINED, Answer, Engine, PolicyFailed
from extauthz.policy.errors import BuiltinError
from extauthz.policy.in_flight import InFlight
from extauthz.policy.values.text import from_json, to_json

MOST_SECONDS: Final = 5.0
"""For a decision whose caller has no deadline."""
MOST_BYTES: Final = 1024 * 1024
"""Of one answer: a decision, not a download."""
CONNECTIONS: Final = 100
"""To the server at a time; further decisions wait for one, within their deadline."""

_PATH: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:/[A-Za-z0-9_][A-Za-z0-9_-]*)*")


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
    """The client with our session: exact numbers both ways, kept connections, no own timeout."""

    trace_configs: Sequence[aiohttp.TraceConfig] = ()

    async def _init_session(self) -> None:
        self._connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=60)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            headers=self.headers,
            json_serialize=to_json,
            response_class=_ExactResponse,
            timeout=aiohttp.ClientTimeout(total=None),
            trace_configs=list(self.trace_configs),
        )


class OpaServer:
    """The connection to one server; `engine` gives what asks it for one document."""

    def __init__(self, url: str, trace_configs: Sequence[aiohttp.TraceConfig] = ()) -> None:
        """Takes `http://host:port` or `https://host:port`; connects when first asked.

        `trace_configs` hear of each request.

        Raises:
            ValueError: the URL has no host, or a path.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected http://HOST:PORT or https://HOST:PORT")
        if parts.path.strip("/") or parts.query or parts.fragment or parts.username:
            raise ValueError("expected the address of an OPA server without path and user")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self._client = _ExactClient(
            host=host,
            port=parts.port or (443 if parts.scheme == "https" else 8181),
            ssl=parts.scheme == "https",
            retries=0,  # it would sleep between them; the caller's deadline is short
        )
        self._client.trace_configs = trace_configs
        self._opened: asyncio.Future[object] | None = None
        self.in_flight = InFlight()
        """What it is asked now."""

    def engine(self, path: str) -> Engine:
        """The engine of one document: `shop/allow` is `data.shop.allow`.

        Raises:
            ValueError: not a path of names. It comes from a policy, never from a request.
        """
        if not _PATH.fullmatch(path):
            raise ValueError(f"expected a path such as shop/allow, found {path[:80]!r}")
        return OpaEngine(self, path)

    async def ask(self, path: str, document: dict[str, Any]) -> Any:
        """The server's whole answer: `{"result": ...}`, or without it if undefined.

        Raises:
            aiohttp.ClientError: unreachable, or another status than 200.
            ValueError: no JSON.
        """
        if self._opened is None:
            self._opened = asyncio.ensure_future(self._client.__aenter__())
        await asyncio.shield(self._opened)
        try:
            return await self._client.query_rule(document, path)
        except aiohttp.ServerDisconnectedError:
            # a kept connection that the server closed at this moment; asking changes nothing
            return await self._client.query_rule(document, path)

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._client.close_connection()
            self._opened = None


class OpaEngine:
    """An `Engine` that asks the server for one document.

    A question more than the server answers in time is not asked: it fails at once.
    """

    def __init__(self, server: OpaServer, path: str) -> None:
        self._server = server
        self._path = path

    def decide(
        self, document: dict[str, Any], deadline: float | None
    ) -> PolicyFailed | Awaitable[Answer | PolicyFailed]:
        """See `Engine`; any failure is `opa_unavailable`, a refused question `opa_error`."""
        if self._server.in_flight.full:
            return PolicyFailed("opa_overloaded", "the OPA server is asked too much", True)
        return self._asking(document, deadline)

    async def _asking(
        self, document: dict[str, Any], deadline: float | None
    ) -> Answer | PolicyFailed:
        # Not the loop's clock: uvloop's stands still while it works off what has come.
        clock, in_flight = time.monotonic, self._server.in_flight
        began = clock()
        until = began + MOST_SECONDS
        if deadline is not None and deadline < until:
            until = deadline
        among = in_flight.asked()
        try:
            return await self._answer(document, until)
        finally:
            in_flight.answered(among, began, until, clock())

    async def _answer(self, document: dict[str, Any], until: float) -> Answer | PolicyFailed:
        try:
            async with asyncio.timeout_at(until):
                reply = await self._server.ask(self._path, document)
        except TimeoutError:
            return _away("the OPA server did not answer in time")
        except aiohttp.ClientResponseError as error:
            message = f"the OPA server answered {error.status}"
            # OPA's 500 is an error of the policy, with this input; above is a proxy before it
            return _away(message) if error.status > 500 else PolicyFailed("opa_error", message)
        except (aiohttp.ClientError, OSError) as error:
            return _away(f"the OPA server cannot be reached: {type(error).__name__}")
        except (ValueError, BuiltinError, RecursionError) as error:
            return PolicyFailed("opa_error", f"no usable JSON: {type(error).__name__}")
        if time.monotonic() >= until:
            return _away("the OPA server's answer came too late")
        if not isinstance(reply, dict):
            return PolicyFailed("opa_error", "the OPA server's answer is no object")
        result: Answer = reply.get("result", UNDEFINED)
        return result


def _away(message: str) -> PolicyFailed:
    return PolicyFailed("opa_unavailable", message, unanswered=True)

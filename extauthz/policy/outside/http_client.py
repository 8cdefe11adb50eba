"""The edge of `http.send`: one pooled client an event loop, to permitted addresses only."""

import asyncio
import socket
import ssl
import weakref
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from extauthz.policy.errors import BuiltinError
from extauthz.policy.outside.http_messages import Answer, Request, check_target
from extauthz.policy.outside.permits import HttpPermit, address_allowed

CONNECTIONS: Final = 100
REDIRECTIONS: Final = 10
FIRST_DELAY: Final = 0.1
"""Seconds before the first retry; doubled each time."""
_SENSITIVE: Final = frozenset({"authorization", "cookie", "cookie2", "www-authenticate"})
_MOVED: Final = frozenset({301, 302, 303, 307, 308})


class NetworkFailed(Exception):
    """No answer."""


class _Permitted(AbstractResolver):
    """Gives only addresses that a request may go to: the same ones are then connected to."""

    def __init__(self, private: bool) -> None:
        self._private = private
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        allowed = [each for each in found if address_allowed(each["host"], self._private)]
        if not allowed:
            raise OSError(None, "no address that is allowed")
        return allowed

    async def close(self) -> None:
        await self._resolver.close()


_sessions: weakref.WeakKeyDictionary[
    asyncio.AbstractEventLoop, dict[bool, aiohttp.ClientSession]
] = weakref.WeakKeyDictionary()


def _session(private: bool) -> aiohttp.ClientSession:
    made = _sessions.setdefault(asyncio.get_running_loop(), {})
    if private not in made:
        connector = aiohttp.TCPConnector(
            limit=CONNECTIONS, resolver=_Permitted(private), use_dns_cache=False
        )
        made[private] = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
            auto_decompress=True,
        )
    return made[private]


async def close() -> None:
    """Close this event loop's connections."""
    for session in _sessions.pop(asyncio.get_running_loop(), {}).values():
        await session.close()


async def fetch(request: Request, permit: HttpPermit) -> Answer:
    """Send a request, and again where it may be retried or is redirected.

    Raises:
        NetworkFailed: no answer in time, or one that is too large.
        BuiltinError: a redirection to where the permit does not reach.
    """
    try:
        async with asyncio.timeout(request.timeout):
            return await _retried(request, permit)
    except TimeoutError:
        raise NetworkFailed(f"{_title(request)}: request timed out") from None


def _title(request: Request) -> str:
    return f'{request.method.capitalize()} "{request.url}"'


async def _retried(request: Request, permit: HttpPermit) -> Answer:
    delay = FIRST_DELAY
    for left in range(request.retries, -1, -1):
        try:
            return await _followed(request, permit)
        except (aiohttp.ClientError, OSError) as error:
            if not left:
                raise NetworkFailed(f"{_title(request)}: {error}") from None
        await asyncio.sleep(delay)
        delay *= 2
    raise AssertionError  # the last round returns or raises


async def _followed(request: Request, permit: HttpPermit) -> Answer:
    method, url, headers, body = request.method, request.url, request.headers, request.body
    context = _context(request)
    for _ in range(REDIRECTIONS):
        check_target(method, url, permit)
        host = urlsplit(url).hostname or ""
        if _is_address(host) and not address_allowed(host, permit.private):
            raise BuiltinError(f"disallowed address: {host}")
        options: dict[str, Any] = {}
        if request.server_name:
            options["server_hostname"] = request.server_name
        async with _session(permit.private).request(
            method,
            url,
            headers=headers,
            data=body or None,
            allow_redirects=False,
            skip_auto_headers=("Accept", "Content-Type"),
            ssl=context,
            **options,
        ) as response:
            target = response.headers.get("location")
            if not request.redirect or response.status not in _MOVED or target is None:
                return await _answer(response, permit.max_body)
            if response.status not in (307, 308) and method != "HEAD":
                method, body = "GET", b""
        url = urljoin(url, target)
        if urlsplit(url).hostname != host:
            headers = tuple(pair for pair in headers if pair[0].lower() not in _SENSITIVE)
    raise NetworkFailed(f"{_title(request)}: stopped after {REDIRECTIONS} redirects")


def _is_address(host: str) -> bool:
    # whatever the system would take for an address without asking anyone, `127.1` and `0x7f.1` too
    try:
        socket.inet_aton(host)
    except OSError:
        return ":" in host
    return True


def _context(request: Request) -> ssl.SSLContext | bool:
    if not request.ca:
        return True
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cadata=request.ca)
    except (ssl.SSLError, ValueError):
        raise BuiltinError("could not append certificates") from None
    return context


async def _answer(response: aiohttp.ClientResponse, most: int) -> Answer:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most:
            raise NetworkFailed(f"the answer is larger than {most} bytes")
    headers: dict[str, tuple[str, ...]] = {}
    for name, value in response.headers.items():
        headers[name.lower()] = (*headers.get(name.lower(), ()), value)
    return Answer(response.status, response.reason or "", headers, bytes(body))

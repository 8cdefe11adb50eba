"""Requests to a service of OPA's configuration (an edge): credentials, TLS, limits."""

import asyncio
import os
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urljoin, urlsplit

import aiohttp
import yarl

from extauthz.opa.oauth2 import TokenSource
from extauthz.opa.problems import RequestFailed
from extauthz.opa.settings import ServerTls, Service
from extauthz.opa.signing import signed_headers

STALLED: Final = 30.0
"""Seconds without a byte of an answer that has begun."""
MOST_SECONDS: Final = 600.0
"""For one answer, whatever its size."""
REDIRECTS: Final = 5
"""Followed at most; to another server credentials do not go."""
_PIECE: Final = 64 * 1024
_AGENT: Final = "Open Policy Agent (Gatewright)"


class Reply(NamedTuple):
    """A service's answer."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes


class ServiceClient:
    """Talks to one service. Use it in one event loop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._session: aiohttp.ClientSession | None = None
        oauth2 = service.credentials.oauth2
        self._tokens = TokenSource(oauth2) if oauth2 is not None else None

    async def get(self, path: str, headers: Mapping[str, str], most: int, waits: float) -> Reply:
        """Asks for something.

        Args:
            path: below the service's URL.
            headers: beside those of the configuration.
            most: bytes of the answer.
            waits: seconds that the service may keep us waiting on purpose.

        Raises:
            RequestFailed: there is no answer, or a larger one.
        """
        return await self._ask("GET", path, headers, None, most, waits)

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Sends something; as `get`."""
        return await self._ask("POST", path, headers, body, 64 * 1024, 0.0)

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        most: int,
        waits: float,
    ) -> Reply:
        begins = self._service.response_header_timeout_seconds
        try:
            async with asyncio.timeout(MOST_SECONDS + waits):
                tls, own = await asyncio.to_thread(_credentials, self._service)
                if self._tokens is not None:
                    own["Authorization"] = f"Bearer {await self._tokens.token(self._opened(), tls)}"
                url = f"{self._service.url.rstrip('/')}/{path.strip('/')}"
                context: ssl.SSLContext | bool = tls if url.startswith("https:") else True
                signing = self._service.credentials.s3_signing
                sent = {"User-Agent": _AGENT, **self._service.headers, **headers, **own}
                for _ in range(REDIRECTS + 1):
                    # As it is sent: what is signed must be the same.
                    url = str(yarl.URL(url))
                    if signing is not None:
                        sent |= signed_headers(
                            signing, os.environ, method, url, body or b"", time.time()
                        )
                    async with asyncio.timeout(waits + begins if begins else None) as until_begin:
                        request = self._opened().request(
                            method,
                            yarl.URL(url, encoded=True),
                            headers=sent,
                            data=body,
                            ssl=context,
                            allow_redirects=False,
                        )
                        async with request as response:
                            until_begin.reschedule(None)
                            target = _target(method, url, response)
                            if target is None:
                                content = await _read(response, most)
                                return Reply(response.status, response.headers, content)
                    if urlsplit(target)[:2] != urlsplit(url)[:2]:
                        sent = {"User-Agent": _AGENT, **headers}
                        context, signing = True, None
                    url = target
        except TimeoutError:
            raise RequestFailed("request failed: the service does not answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Not its text: it may hold the URL, or the name of a key's file and what is wrong.
            raise RequestFailed(f"request failed: {type(error).__name__}") from None
        raise RequestFailed("request failed: too many redirects")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None, sock_read=None, sock_connect=STALLED),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # a few kilobytes can unpack into gigabytes
                headers={"accept-encoding": "identity"},
            )
        return self._session


def _target(method: str, url: str, response: aiohttp.ClientResponse) -> str | None:
    """Where an answer sends us; None: it is the answer itself."""
    where = response.headers.get("Location")
    if method != "GET" or response.status not in (301, 302, 303, 307, 308) or where is None:
        return None
    target = urljoin(url, where)
    scheme = urlsplit(target).scheme
    if scheme not in ("http", "https") or (url.startswith("https:") and scheme != "https"):
        raise ValueError("a redirect that is not followed")
    return target


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    body = bytearray()
    while True:
        async with asyncio.timeout(STALLED):
            piece = await response.content.read(_PIECE)
        if not piece:
            return bytes(body)
        body += piece
        if len(body) > most:
            raise RequestFailed("request failed: the answer is larger than size_limit_bytes")


def _credentials(service: Service) -> tuple[ssl.SSLContext | bool, dict[str, str]]:
    """TLS and headers, from files that may have been replaced. True: nobody is asked by TLS."""
    headers = {}
    bearer = service.credentials.bearer
    if bearer is not None:
        token = bearer.token
        if bearer.token_path is not None:
            token = Path(bearer.token_path).read_text().strip()
        headers["Authorization"] = f"{bearer.scheme} {token}"
    needed = service.url.startswith("https:") or service.credentials.oauth2 is not None
    return (_tls(service) if needed else True), headers


def _tls(service: Service) -> ssl.SSLContext:
    client = service.credentials.client_tls
    servers = service.tls or ServerTls()
    authorities = servers.ca_cert or (client.ca_cert if client is not None else None)
    system = servers.system_ca_required or (client is not None and client.system_ca_required)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authorities is not None:
        context.load_verify_locations(authorities)
    if authorities is None or system:
        context.load_default_certs()
    if client is not None:
        context.load_cert_chain(client.cert, client.private_key, client.private_key_passphrase)
    if service.allow_insecure_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context

"""Requests to services: redirects, limits, credentials."""

import asyncio
import ipaddress
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509

from extauthz.opa.client import Reply, ServiceClient
from extauthz.opa.problems import BundleRefused
from extauthz.opa.settings import Service
from tests.contract.certificates import Authority

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def served(
    handler: Handler, context: ssl.SSLContext | None = None
) -> tuple[web.AppRunner, str]:
    """A server on a free port, and its URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    scheme = "http" if context is None else "https"
    return runner, f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"


def service(url: str, **more: object) -> ServiceClient:
    bearer = {"bearer": {"token": "secret"}}
    document = {"url": url, "credentials": bearer, "headers": {"x-key": "secret"}, **more}
    return ServiceClient(Service.model_validate(document))


async def asked(client: ServiceClient, most: int = 1000) -> Reply | str:
    try:
        return await client.get("a/b", {"Prefer": "p"}, most, 0.0)
    except BundleRefused as refused:
        return refused.message
    finally:
        await client.close()


def test_credentials_are_sent_to_the_service_and_to_no_other() -> None:
    seen: list[tuple[str, str | None, str | None, str | None]] = []

    async def run() -> Reply | str:
        async def other(request: web.Request) -> web.Response:
            return seen_of("other", request)

        def seen_of(who: str, request: web.Request) -> web.Response:
            headers = request.headers
            wanted = (headers.get("Authorization"), headers.get("x-key"), headers.get("Prefer"))
            seen.append((who, *wanted))
            return web.Response(body=b"found")

        foreign, there = await served(other)

        async def first(request: web.Request) -> web.Response:
            seen_of("service", request)
            if request.path == "/v1/a/b":
                raise web.HTTPFound("/next")
            raise web.HTTPTemporaryRedirect(f"{there}/c")

        own, here = await served(first)
        try:
            return await asked(service(f"{here}/v1/"))
        finally:
            await own.cleanup()
            await foreign.cleanup()

    found = asyncio.run(run())

    assert isinstance(found, Reply)
    assert found.body == b"found"
    assert seen == [
        ("service", "Bearer secret", "secret", "p"),
        ("service", "Bearer secret", "secret", "p"),
        ("other", None, None, "p"),
    ]


@pytest.mark.parametrize("kind", ["large", "circle", "scheme", "silent"])
def test_what_a_service_does_to_us_is_bounded(kind: str) -> None:
    async def run() -> Reply | str:
        async def handler(request: web.Request) -> web.StreamResponse:
            if kind == "circle":
                raise web.HTTPFound(request.path)
            if kind == "scheme":
                raise web.HTTPFound("file:///etc/passwd")
            if kind == "silent":
                await asyncio.sleep(30)
            return web.Response(body=bytes(5000))

        runner, url = await served(handler)
        try:
            return await asked(service(url, response_header_timeout_seconds=1))
        finally:
            await runner.cleanup()

    found = asyncio.run(asyncio.wait_for(run(), 20))

    assert isinstance(found, str)
    assert {
        "large": "larger than size_limit_bytes",
        "circle": "too many redirects",
        "scheme": "ValueError",
        "silent": "in time",
    }[kind] in found


def test_nobody_there_is_a_refusal() -> None:
    found = asyncio.run(asked(service("http://127.0.0.1:1")))

    assert isinstance(found, str)
    assert "request failed" in found


LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


@pytest.mark.parametrize(
    ("how", "answered"),
    [
        ("as it should be", True),
        ("a foreign authority", False),
        ("the system's authorities", False),
        ("anybody may be the service", True),
        ("no certificate of ours", False),
    ],
)
def test_both_sides_are_verified_by_certificates(tmp_path: Path, how: str, answered: bool) -> None:
    authority, foreign = Authority(tmp_path / "ours"), Authority(tmp_path / "foreign")
    theirs, ours = authority.issue("service", LOOPBACK), authority.issue("gatewright")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.cert)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(theirs.cert, theirs.key)
    settings: dict[str, object] = {
        "tls": {"ca_cert": str(authority.cert)},
        "credentials": {"client_tls": {"cert": str(ours.cert), "private_key": str(ours.key)}},
    }
    if how == "a foreign authority":
        settings["tls"] = {"ca_cert": str(foreign.cert)}
    elif how == "no certificate of ours":
        settings["credentials"] = {}
    elif how != "as it should be":
        settings |= {"tls": {}, "allow_insecure_tls": how.startswith("anybody")}

    async def run() -> Reply | str:
        async def handler(_: web.Request) -> web.Response:
            return web.Response(body=b"found")

        runner, url = await served(handler, context)
        try:
            return await asked(ServiceClient(Service.model_validate({"url": url, **settings})))
        finally:
            await runner.cleanup()

    assert isinstance(asyncio.run(run()), Reply) is answered

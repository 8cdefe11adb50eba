"""Requests to services: redirects, limits, credentials."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from aiohttp import web

from extauthz.opa.client import Reply, ServiceClient
from extauthz.opa.problems import BundleRefused
from extauthz.opa.settings import Service

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def _served(handler: Handler) -> tuple[web.AppRunner, str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


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

        foreign, there = await _served(other)

        async def first(request: web.Request) -> web.Response:
            seen_of("service", request)
            if request.path == "/v1/a/b":
                raise web.HTTPFound("/next")
            raise web.HTTPTemporaryRedirect(f"{there}/c")

        own, here = await _served(first)
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

        runner, url = await _served(handler)
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

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, UnixConnector

from callout.observe import admin
from callout.observe.admin import AdminSources, Effective, Readiness
from callout.observe.metrics import CONTENT_TYPE, Metrics
from callout.serve import address
from tests.callout.observe.planted import JWT, PASSWORD, found_in
from tests.callout.observe.scraped import samples
from tests.callout.observe.test_metrics import ALLOWED
from tests.callout.observe.test_tallies import decision


class State:
    """What the process would know; a test changes it."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.readiness = Readiness(True)
        self.effective = Effective({})

    def sources(self) -> AdminSources:
        return AdminSources(
            metrics=lambda _: (self.metrics.render(), CONTENT_TYPE),
            ready=lambda: self.readiness,
            version={"gatewright": "0.1.0"},
            effective=lambda: self.effective,
        )


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
async def client(state: State) -> AsyncIterator[ClientSession]:
    listening = address.bind(address.parse("127.0.0.1:0"))
    runner = await admin.serve(state.sources(), listening)
    async with ClientSession(f"http://{address.address_of(listening)}") as session:
        yield session
    await runner.cleanup()


async def test_metrics_are_of_this_moment(client: ClientSession, state: State) -> None:
    for expected in (1, 2):
        state.metrics.tally.add(decision())
        async with client.get("/metrics") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            assert samples(await answer.read())[ALLOWED] == expected


async def test_alive_is_not_ready(client: ClientSession, state: State) -> None:
    state.readiness = Readiness(False, "no good bundle yet")
    async with client.get("/healthz") as answer:
        assert answer.status == 200
    async with client.get("/readyz") as answer:
        assert answer.status == 503
        assert await answer.json() == {"ready": False, "reason": "no good bundle yet"}
    state.readiness = Readiness(True)
    async with client.get("/readyz") as answer:
        assert answer.status == 200


async def test_the_version_is_shown(client: ClientSession) -> None:
    async with client.get("/version") as answer:
        assert await answer.json() == {"gatewright": "0.1.0"}


async def test_config_shows_what_took_effect_without_planted_secrets(
    client: ClientSession, state: State
) -> None:
    state.effective = Effective(
        settings={
            "redis": f"redis://:{PASSWORD}@redis:6379",
            "tls": {"cert": "tls.crt", "key": "tls.key", "passphrase": PASSWORD},
            "otlp": {"headers": {"x-tenant": PASSWORD}},
            "workers": 4,
        },
        digest="abc",
        policies=["shop", "staff"],
        problems=[f"shop.yaml:3:1: found `Bearer {JWT}`"],
        workers={"0": "abc", "1": None},
    )
    async with client.get("/config") as answer:
        text = await answer.text()
    assert not found_in(text)
    shown: dict[str, Any] = json.loads(text)
    assert shown["settings"]["redis"] == "redis://***@redis:6379"
    assert shown["settings"]["tls"]["key"] == "tls.key"
    assert shown["settings"]["workers"] == 4
    assert shown["digest"] == "abc"
    assert shown["policies"] == ["shop", "staff"]
    assert shown["workers"] == {"0": "abc", "1": None}
    assert len(shown["problems"]) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/version", "/config"])
async def test_nothing_can_be_changed(client: ClientSession, method: str, path: str) -> None:
    async with client.request(method, path) as answer:
        assert answer.status == 405


async def test_request_bodies_are_refused_and_not_waited_for(client: ClientSession) -> None:
    async with client.get("/healthz", data=b"x" * 100) as answer:
        assert answer.status == 413
    host, port = client._base_url.host, client._base_url.port  # type: ignore[union-attr]
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /config HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
    assert b" 413 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


async def test_other_paths_are_not_there(client: ClientSession) -> None:
    for path in ("/", "/debug", "/config/", "/metrics/../config/x"):
        async with client.get(path) as answer:
            assert answer.status == 404


async def test_answers_are_not_kept_and_do_not_tell_the_software(client: ClientSession) -> None:
    async with client.get("/config") as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "gatewright"


async def test_a_source_that_fails_is_an_error_without_its_text(state: State) -> None:
    def broken() -> Effective:
        raise RuntimeError(PASSWORD)

    sources = AdminSources(
        metrics=lambda _: (state.metrics.render(), CONTENT_TYPE),
        ready=lambda: state.readiness,
        version={},
        effective=broken,
    )
    listening = address.bind(address.parse("127.0.0.1:0"))
    runner = await admin.serve(sources, listening)
    url = f"http://{address.address_of(listening)}"
    async with ClientSession(url) as session, session.get("/config") as answer:
        assert answer.status == 500
        assert PASSWORD not in await answer.text()
    await runner.cleanup()


async def test_it_listens_on_a_unix_socket_too(state: State, tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    runner = await admin.serve(state.sources(), address.bind(address.parse(f"unix:{path}")))
    connector = UnixConnector(str(path))
    async with (
        ClientSession(connector=connector) as session,
        session.get("http://localhost/healthz") as answer,
    ):
        assert answer.status == 200
    await runner.cleanup()

"""Through a real Envoy: a real Redis and a real OPA server, there and gone."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from callout.testing.plugin import StartEnvoy, StartOpa
from callout.testing.redis import RedisServer
from callout.testing.upstream import EchoUpstream
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import EVERYBODY, OPEN, Edge, Serve, gateway, policy, write_bundle

ENVOYS_PATIENCE = 0.1
"""Seconds: what the rendered configuration gives the rate limit service."""

Start = Callable[..., tuple[Serve, Edge]]


@pytest.fixture
def start(tmp_path: Path, envoy: StartEnvoy, echo_upstream: EchoUpstream) -> Iterator[Start]:
    with ExitStack() as running:

        def begin(files: Mapping[str, str], *flags: str) -> tuple[Serve, Edge]:
            bundle = write_bundle(tmp_path / "bundle", files)
            serve = running.enter_context(closing(Serve(tmp_path, bundle, *flags)))
            return serve, Edge(envoy, gateway(serve, echo_upstream.url))

        yield begin


# --- Redis ---

LIMITS = {
    "all.yaml": policy("all", OPEN)
    + policy(
        "soft",
        "limits: [{name: soft, by: [address], rate: 5/year, onError: allow}]",
        '{host: "*", path: /soft}',
    )
    + policy(
        "hard",
        "limits: [{name: hard, by: [address], rate: 10000/year, onError: deny(503)}]",
        '{host: "*", path: /hard}',
    ),
    **EVERYBODY,
}


def away(redis: RedisServer, how: str) -> None:
    redis.kill() if how == "killed" else redis.stop()


def back(redis: RedisServer, how: str) -> None:
    redis.restart() if how == "killed" else redis.cont()


@pytest.mark.parametrize("how", ["killed", "frozen"])
@pytest.mark.parametrize("transport", ["own", "grpcio"])
def test_without_redis_each_limit_fails_as_it_is_written(
    start: Start, private_redis: RedisServer, how: str, transport: str
) -> None:
    serve, edge = start(LIMITS, "--redis", private_redis.url, "--transport", transport)
    assert [edge.status("/soft") for _ in range(6)] == [200] * 5 + [429]
    assert edge.status("/hard") == 200
    assert serve.metric("gatewright_redis_breaker") == 0

    away(private_redis, how)
    # A counter that is known to be over is believed for a tenth of a second more.
    until(lambda: edge.status("/soft") == 200, 5)
    for _ in range(8):
        status, seconds = edge.timed("/soft")
        # Ours, and in time: Envoy's own answer to silence would be 503.
        assert status == 200
        assert seconds < 5 * ENVOYS_PATIENCE
        status, seconds = edge.timed("/hard")
        assert status == 503
        assert seconds < 5 * ENVOYS_PATIENCE
    until(lambda: serve.metric("gatewright_redis_breaker") == 2)
    counted = {"face": "limit", "verdict": "error", "reason": "store_unavailable"}
    until(lambda: serve.metric("gatewright_decisions_total", **counted) >= 16)
    # What does not count needs no Redis.
    assert edge.status("/other") == 200

    back(private_redis, how)
    returned = time.monotonic()
    until(lambda: edge.status("/hard") == 200, 5)
    assert time.monotonic() - returned < 1.5
    until(lambda: serve.metric("gatewright_redis_breaker") == 0)
    if how == "frozen":
        # Nothing that Redis knew is lost, and what nobody could count is not made up for.
        assert edge.status("/soft") == 429


def test_it_starts_without_redis_and_finds_it_later(
    start: Start, private_redis: RedisServer
) -> None:
    private_redis.kill()
    serve, edge = start(LIMITS, "--redis", private_redis.url)
    assert serve.admin("/readyz")[0] == 200
    assert (edge.status("/soft"), edge.status("/hard")) == (200, 503)
    # However long it was away.
    time.sleep(2)
    private_redis.restart()
    returned = time.monotonic()
    until(lambda: edge.status("/hard") == 200, 5)
    assert time.monotonic() - returned < 1.5


# --- OPA ---

REGO = """package shop

import rego.v1

default allow := false

method := input.attributes.request.http.method

allow if method == "GET"

allow := {"allowed": true, "headers": {"x-seen": input.parsed_path[0]}} if {
	method == "PUT"
	input.attributes.request.http.headers["x-role"] == "admin"
}

allow := {"allowed": false, "http_status": 409, "body": "tea only"} if {
	method == "POST"
	input.parsed_query.drink == ["coffee"]
}

allow if {
	method == "DELETE"
	input.identity == null
	input.path == "/a/b"
}
"""
IN_PROCESS, ASKED, SOFT = "in.example", "asked.example", "soft.example"
DECIDING = {
    "all.yaml": policy("in", OPEN, f'{{host: "{IN_PROCESS}"}}')
    + policy(
        "asked",
        "auth: {identity: [{anonymous: {}}], decide: {opa: shop/allow}, onError: deny(503)}",
        f'{{host: "{ASKED}"}}',
    )
    + policy(
        "soft",
        "auth: {identity: [{anonymous: {}}], decide: {opa: shop/allow}, onError: allow}",
        f'{{host: "{SOFT}"}}',
    ),
    "rego/shop.rego": REGO,
}
REQUESTS = {
    "get": ("GET", "/x", {}, 200),
    "put": ("PUT", "/shelf", {"x-role": "admin", "content-length": "0"}, 200),
    "put-nobody": ("PUT", "/shelf", {"content-length": "0"}, 403),
    "post-coffee": ("POST", "/x?drink=coffee", {"content-length": "0"}, 409),
    "post-tea": ("POST", "/x?drink=tea", {"content-length": "0"}, 403),
    "delete": ("DELETE", "//a/%62", {}, 200),
    "delete-other": ("DELETE", "/a/c", {}, 403),
    "unclear": ("GET", "/a/../b", {}, 400),
}


def test_an_opa_server_decides_as_rego_in_process_does_until_it_is_gone(
    start: Start, opa_server: StartOpa
) -> None:
    opa = opa_server({"shop.rego": REGO})
    serve, edge = start(DECIDING, "--opa", opa.url)
    for name, (method, path, headers, status) in REQUESTS.items():
        answers = [
            edge.request(path, method=method, host=host, headers=headers)
            for host in (IN_PROCESS, ASKED, SOFT)
        ]
        assert [each.status for each in answers] == [status] * 3, name
        if status == 200:
            seen = [dict(each.seen["headers"]).get("x-seen") for each in answers]
            assert seen == (["shelf"] * 3 if name == "put" else [None] * 3), name
        else:
            assert len({each.body for each in answers}) == 1, name

    for lose in (opa.stop, opa.close):
        lose()
        errors = edge.errors()
        assert edge.status("/x", host=ASKED) == 503
        # Whatever OPA would have said: this policy rather lets pass than fails.
        assert edge.status("/x", host=SOFT, method="PUT", headers={"content-length": "0"}) == 200
        assert edge.status("/x", host=IN_PROCESS) == 200
        # Both were our own answers, no silence that Envoy had to make something of.
        assert edge.errors() == errors
    until(lambda: serve.metric("gatewright_decisions_total", verdict="error", policy="asked") >= 2)


def test_an_allowance_on_error_does_not_pass_on_a_forged_identity(
    start: Start, opa_server: StartOpa
) -> None:
    opa = opa_server({"shop.rego": REGO})
    soft = (
        "auth: {identity: [{anonymous: {}}], decide: {opa: shop/allow}, emit: {x-user: sub},"
        " onError: allow}"
    )
    _, edge = start({"all.yaml": policy("soft", soft)}, "--opa", opa.url)
    opa.close()
    answer = edge.request("/x", headers={"x-user": "root"})
    assert answer.status == 200
    assert "x-user" not in dict(answer.seen["headers"])

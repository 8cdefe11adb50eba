"""`limits.retries` as it is served: in memory, and by two workers with one memory or one Redis."""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from envoy.service.ratelimit.v3 import rls_pb2_grpc

from callout.testing.redis import RedisServer
from callout.testing.requests import rate_limit_request
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import Serve, policy, write_bundle

FILES = {
    "one.yaml": policy("one", "limits: [{name: a, rate: 100/year}]", "{host: one.example}"),
    "two.yaml": policy(
        "two",
        "limits: [{name: a, rate: 100/year}, {name: b, rate: 200/year}]",
        "{host: two.example}",
    ),
}


@pytest.fixture(params=["memory", "shared memory", "redis"])
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serve]:
    bundle = write_bundle(tmp_path / "bundle", FILES)
    settings = tmp_path / "gatewright.yaml"
    settings.write_text("limits: {retries: {by: call, within: 60}}\n")
    flags = ["--settings", str(settings)]
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("private_redis")
        flags += ["--redis", server.url, "--workers", "2"]
    else:
        flags += ["--workers", "2" if request.param == "shared memory" else "1"]
    with closing(Serve(tmp_path, bundle, *flags)) as running:
        if request.param == "redis":
            until(lambda: running.metric("gatewright_redis_breaker") == 0, 20)
        yield running


def left(serve: Serve, host: str, call: str) -> int:
    """What remains after this request, over a connection of its own: to either worker."""
    asked = rate_limit_request(
        "gatewright",
        {
            "host": host,
            "path": "/",
            "method": "GET",
            "remote_address": "198.51.100.7",
            "call": call,
        },
    )
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(serve.grpc, options) as channel:
        ask = rls_pb2_grpc.RateLimitServiceStub(channel).ShouldRateLimit
        answer = ask(asked, timeout=10, wait_for_ready=True)
    return int(answer.statuses[0].limit_remaining)


@pytest.mark.parametrize("host", ["one.example", "two.example"])
def test_each_request_is_counted_once_at_whichever_connection_it_comes_again(
    serve: Serve, host: str
) -> None:
    remaining = []
    for number in range(6):
        remaining += [left(serve, host, f"c{number}") for _ in range(3)]
    assert remaining == [99 - number for number in range(6) for _ in range(3)]


def test_limits_per_second_know_it_in_their_own_redis(
    private_redis: RedisServer, tmp_path: Path
) -> None:
    domain = (
        "domain: edge\ndescriptors:\n"
        "  - {key: a, rate_limit: {unit: second, requests_per_unit: 1000}}\n"
        "  - {key: b, rate_limit: {unit: year, requests_per_unit: 1000}}\n"
    )
    bundle = write_bundle(tmp_path / "bundle", {"ratelimit/edge.yaml": domain})
    with tempfile.TemporaryDirectory() as short, closing(RedisServer(Path(short))) as second:
        settings = tmp_path / "gatewright.yaml"
        settings.write_text(
            f"redis_per_second: {second.url}\nlimits: {{retries: {{by: call, within: 60}}}}\n"
        )
        flags = ("--settings", str(settings), "--redis", private_redis.url, "--workers", "1")
        with closing(Serve(tmp_path, bundle, *flags)) as running:
            for breaker in ("redis", "redis_per_second"):
                until(lambda: running.metric(f"gatewright_{breaker}_breaker") == 0, 20)  # noqa: B023
            asked = rate_limit_request("edge", {"a": "1", "call": "c1"}, {"b": "1", "call": "c1"})
            with running.client() as client:
                for _ in range(3):
                    answer = client.should_rate_limit(asked, timeout=10)
                    assert [each.limit_remaining for each in answer.statuses] == [999, 999]

"""`limits.on_error` as it is served: domains of files, and a Redis that freezes and goes away."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from envoy.service.ratelimit.v3 import rls_pb2, rls_pb2_grpc

from callout.redis.heartbeat import KEY
from callout.redis.presence import ROUNDS
from callout.testing.redis import RedisServer
from callout.testing.requests import rate_limit_request
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import Serve, write_bundle

RULES = """domain: {name}
descriptors:
  - {{key: tenant, rate_limit: {{unit: year, requests_per_unit: 4}}}}
"""
WORDS = {"plain": "error", "open": "allow", "closed": "deny", "part": "share"}
WRITTEN = WORDS | {"parted": "share"}
SETTINGS = f"limits: {{on_error: {{{', '.join(f'{k}: {v}' for k, v in WRITTEN.items())}}}}}\n"
OVER = rls_pb2.RateLimitResponse.OVER_LIMIT


@pytest.fixture
def serve(tmp_path: Path, private_redis: RedisServer) -> Iterator[Serve]:
    files = {f"ratelimit/{name}.yaml": RULES.format(name=name) for name in WORDS}
    bundle = write_bundle(tmp_path / "bundle", files)
    settings = tmp_path / "gatewright.yaml"
    settings.write_text(SETTINGS)
    flags = ("--settings", str(settings), "--redis", private_redis.url, "--workers", "1")
    with closing(Serve(tmp_path, bundle, *flags)) as running:
        until(lambda: running.metric("gatewright_redis_breaker") == 0, 20)
        yield running


def asked(serve: Serve, domain: str, timeout: float | None = None) -> "rls_pb2.RateLimitResponse":
    """Without a deadline unless there is one: then 20 ms are all that Redis has."""
    with grpc.insecure_channel(serve.grpc) as channel:
        grpc.channel_ready_future(channel).result(10)
        ask = rls_pb2_grpc.RateLimitServiceStub(channel).ShouldRateLimit
        return ask(rate_limit_request(domain, {"tenant": "ann"}), timeout=timeout)


def said(serve: Serve, domain: str) -> str:
    """What a request of this domain is told: a status of gRPC, or a code."""
    try:
        answer = asked(serve, domain, 10)
    except grpc.RpcError as error:
        return str(error.code().name)
    assert answer.dynamic_metadata["degraded"] is True
    return "OVER" if answer.overall_code == OVER else "OK"


def test_each_domain_answers_as_it_is_told_to_while_redis_is_killed_and_counts_after_it(
    serve: Serve, private_redis: RedisServer
) -> None:
    with private_redis.client() as admin:
        until(lambda: [each for each in admin.hvals(KEY) if int(each) > ROUNDS] != [], 30)
    private_redis.kill()
    until(lambda: serve.metric("gatewright_redis_breaker") == 2, 10)
    assert [said(serve, name) for name in WORDS] == ["UNAVAILABLE", "OK", "OVER", "OK"]
    assert [said(serve, "part") for _ in range(4)] == ["OK"] * 3 + ["OVER"]
    counted = {"face": "limit", "policy": "open", "reason": "store_unavailable"}
    until(lambda: serve.metric("gatewright_decisions_total", **counted) == 1, 10)
    private_redis.restart()
    # A second is the promise, which tests/ratelimit/faults/ and local/ hold it to.
    until(lambda: "degraded" not in asked(serve, "open", 10).dynamic_metadata, 10)
    assert asked(serve, "plain", 10).overall_code != OVER


def test_without_a_deadline_a_frozen_redis_is_waited_for_for_20_milliseconds(
    serve: Serve, private_redis: RedisServer
) -> None:
    private_redis.stop()
    try:
        # One of the first, before the breaker knows: it waits for Redis. A busy machine may take
        # its time with one, not with all; the longest wait that Redis may be given is a second.
        times = []
        for _ in range(3):
            started = time.monotonic()
            answer = asked(serve, "open")
            times.append(time.monotonic() - started)
            assert answer.dynamic_metadata["degraded"] is True
        assert min(times) < 0.5
    finally:
        private_redis.cont()


def test_a_worker_that_never_had_redis_refuses_where_it_has_no_part(tmp_path: Path) -> None:
    files = {f"ratelimit/{name}.yaml": RULES.format(name=name) for name in WORDS}
    bundle = write_bundle(tmp_path / "bundle", files)
    settings = tmp_path / "gatewright.yaml"
    settings.write_text(SETTINGS)
    nowhere = f"unix://{tmp_path / 'nobody.sock'}"
    flags = ("--settings", str(settings), "--redis", nowhere, "--workers", "1")
    with closing(Serve(tmp_path, bundle, *flags)) as running:
        assert [said(running, name) for name in WORDS] == ["UNAVAILABLE", "OK", "OVER", "OVER"]
        # One of the settings' domains is in no file.
        (line,) = running.said("bundle")
        assert line["problem"].startswith("settings: warning: limits.on_error.parted: expected")

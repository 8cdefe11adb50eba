"""`onError: share` as it is served: two workers, and a Redis that goes away."""

from contextlib import closing
from pathlib import Path

import grpc
from envoy.service.ratelimit.v3 import rls_pb2, rls_pb2_grpc

from callout.redis.heartbeat import KEY
from callout.redis.presence import ROUNDS
from callout.testing.redis import RedisServer
from callout.testing.requests import rate_limit_request
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import Serve, policy, write_bundle

BUNDLE = {
    "all.yaml": policy(
        "all", "limits: [{name: each, by: [address], rate: 10/year, onError: share}]"
    )
}
ASKED = rate_limit_request(
    "gatewright",
    {"host": "shop.example", "path": "/", "method": "GET", "remote_address": "198.51.100.7"},
)


def test_a_worker_lets_its_half_pass_without_redis_and_says_that_it_did(
    tmp_path: Path, private_redis: RedisServer
) -> None:
    bundle = write_bundle(tmp_path / "bundle", BUNDLE)
    flags = ("--redis", private_redis.url, "--workers", "2")
    with closing(Serve(tmp_path, bundle, *flags)) as serve:
        until(lambda: serve.metric("gatewright_redis_replicas") == 2, 30)
        with private_redis.client() as admin:
            # The gauge is that of the worker that knows most.
            until(lambda: sorted(map(int, admin.hvals(KEY)))[0] > ROUNDS, 30)
            assert admin.hlen(KEY) == 2
        private_redis.kill()
        until(lambda: serve.metric("gatewright_redis_breaker") == 2, 10)
        with grpc.insecure_channel(serve.grpc) as channel:  # one connection: one worker
            ask = rls_pb2_grpc.RateLimitServiceStub(channel).ShouldRateLimit
            answers = [ask(ASKED, timeout=10, wait_for_ready=True) for _ in range(8)]
        over = rls_pb2.RateLimitResponse.OVER_LIMIT
        assert [answer.overall_code == over for answer in answers] == [False] * 5 + [True] * 3
        assert all(answer.dynamic_metadata["degraded"] is True for answer in answers)
        assert answers[-1].dynamic_metadata["limit"] == "each"
        counted = {"face": "limit", "reason": "degraded"}
        until(lambda: serve.metric("gatewright_decisions_total", **counted) == 8, 10)

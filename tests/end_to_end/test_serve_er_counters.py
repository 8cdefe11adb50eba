"""`gatewright serve --er-config` on a Redis in which envoyproxy/ratelimit counts, too."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from callout.testing.redis import RedisServer
from callout.testing.requests import rate_limit_request
from tests.end_to_end.serve import Serve

OK, OVER = 1, 2
YEAR = 365 * 86_400
RULE = "rate_limit: {unit: year, requests_per_unit: 3}"


def file(descriptor: str) -> str:
    return f"domain: edge\ndescriptors:\n  - {{{descriptor}, {RULE}}}\n"


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[Serve]:
    redis_server.flush()
    root = tmp_path_factory.mktemp("er")
    (root / "config").mkdir()
    (root / "config" / "one.yaml").write_text(file("key: tenant"))
    (root / "config" / "two.yaml").write_text(file("key: user, shadow_mode: true"))
    environ = {
        "RUNTIME_ROOT": str(root),
        "REDIS_URL": redis_server.address,
        "REDIS_SOCKET_TYPE": "tcp",
        "MERGE_DOMAIN_CONFIG": "true",
        "CACHE_KEY_PREFIX": "rate:",
        "EXPIRATION_JITTER_MAX_SECONDS": "1000",
    }
    with closing(Serve(root, None, "--er-config", "--workers", "2", environ=environ)) as running:
        yield running


def counter(key: str, value: str) -> str:
    return f"rate:edge_{key}_{value}_{int(time.time()) // YEAR * YEAR}"


def asked(serve: Serve, key: str, value: str, hits: int = 1) -> Any:
    request = rate_limit_request("edge", {key: value})
    request.descriptors[0].hits_addend.value = abs(hits)
    if hits < 0:
        request.descriptors[0].MergeFromString(b"\x20\x01")
    with serve.client() as client:
        return client.should_rate_limit(request, timeout=10)


def test_it_goes_on_where_the_other_stopped(serve: Serve, redis_server: RedisServer) -> None:
    with redis_server.client() as redis:
        name = counter("tenant", "a_b")
        redis.set(name, 1, ex=60)
        codes = [asked(serve, "tenant", "a_b").overall_code for _ in range(3)]
        assert codes == [OK, OK, OVER]
        assert redis.get(name) == b"4"
        kept: Any = redis.ttl(name)
        assert YEAR - 60 <= kept < YEAR + 1000
        redis.incrby(name, -2)
        assert asked(serve, "tenant", "a_b").overall_code == OK
        assert redis.get(name) == b"3"


def test_every_refusal_is_counted_without_a_local_cache(
    serve: Serve, redis_server: RedisServer
) -> None:
    for _ in range(20):
        asked(serve, "tenant", "busy")
    with redis_server.client() as redis:
        assert redis.get(counter("tenant", "busy")) == b"20"


def test_hits_are_given_back_whichever_worker_answers(
    serve: Serve, redis_server: RedisServer
) -> None:
    for _ in range(4):
        assert asked(serve, "tenant", "back", 3).overall_code == OK
        assert asked(serve, "tenant", "back", 1).overall_code == OVER
        refund = asked(serve, "tenant", "back", -9)
        assert (refund.overall_code, refund.statuses[0].limit_remaining) == (OK, 3)
    with redis_server.client() as redis:
        assert redis.get(counter("tenant", "back")) == b"0"


def test_a_domain_of_two_files_tells_of_a_limit_in_shadow_what_the_other_tells(
    serve: Serve,
) -> None:
    (status,) = asked(serve, "user", "ann", 5).statuses
    assert status.code == OK
    assert (status.current_limit.requests_per_unit, status.limit_remaining) == (3, 0)

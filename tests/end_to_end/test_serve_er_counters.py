"""`gatewright serve --er-config` on a Redis in which envoyproxy/ratelimit counts, too."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
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


def test_months_of_the_calendar_and_refused_requests_are_counted_as_the_variables_say(
    tmp_path: Path, redis_server: RedisServer, private_redis: RedisServer
) -> None:
    redis_server.flush()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "one.yaml").write_text(
        "domain: edge\ndescriptors:\n"
        "  - {key: few, rate_limit: {unit: year, requests_per_unit: 1}}\n"
        "  - {key: many, rate_limit: {unit: month, requests_per_unit: 100}}\n"
        "  - {key: quick, rate_limit: {unit: second, requests_per_unit: 100}}\n"
    )
    environ = {
        "RUNTIME_ROOT": str(tmp_path),
        "REDIS_URL": redis_server.address,
        "REDIS_SOCKET_TYPE": "tcp",
        "REDIS_PERSECOND": "true",
        "REDIS_PERSECOND_URL": private_redis.address,
        "REDIS_PERSECOND_SOCKET_TYPE": "tcp",
        "EXPIRATION_JITTER_MAX_SECONDS": "0",
        "USE_CALENDAR_MONTH_RATE_LIMIT": "true",
        "STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT": "true",
    }
    flags = ("--er-config", "--workers", "1")
    with closing(Serve(tmp_path, None, *flags, environ=environ)) as running:
        request = rate_limit_request("edge", {"few": "x"}, {"many": "x"}, {"quick": "x"})
        with running.client() as client:
            told = [client.should_rate_limit(request, timeout=10) for _ in range(3)]
        assert [each.overall_code for each in told] == [OK, OVER, OVER]
        assert [each.statuses[1].limit_remaining for each in told] == [99, 99, 99]
    with redis_server.client() as redis, private_redis.client() as quick:
        (month,) = redis.scan_iter("edge_many_x_*")
        start = datetime.fromtimestamp(int(month.rpartition(b"_")[2]), UTC)
        assert (start.day, start.hour, start.minute, start.second) == (1, 0, 0, 0)
        assert redis.get(month) == b"1"
        rest: Any = redis.ttl(month)
        assert (datetime.now(UTC) + timedelta(seconds=rest + 60)).month != start.month
        assert rest < 31 * 86_400
        assert {key.rpartition(b"_")[0] for key in quick.scan_iter("edge_*")} <= {b"edge_quick_x"}
        assert not list(redis.scan_iter("edge_quick_*"))

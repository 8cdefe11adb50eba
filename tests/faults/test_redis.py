"""Redis is killed or frozen, slow or full, while requests come."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from callout.testing.redis import RedisServer
from callout.testing.requests import check_request, rate_limit_request
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, policy, write_bundle
from tests.faults.conftest import Back
from tests.faults.load import UNHURRIED, Load, check, limit, slowest

ANSWERED: float = 1.5
"""Seconds: a limit waits for Redis a second at most when its caller waits for longer."""
AT_ONCE: float = 0.25
"""Seconds: what nothing delays takes a millisecond, what waits for a neighbour a second."""

BUNDLE = {
    "all.yaml": policy("all", OPEN)
    + policy(
        "soft",
        "limits: [{name: soft, by: [address], rate: 1000000/hour, onError: allow}]",
        '{host: "*", path: /soft}',
    )
    + policy(
        "hard",
        "limits: [{name: hard, by: [address], rate: 1000000/hour, onError: deny(503)}]",
        '{host: "*", path: /hard}',
    )
    + policy("none", "limits: [{name: none, by: [address], rate: 0/hour}]", "{path: /none}")
    + policy("shut", "auth: {decide: {rego: rego, entrypoint: shop/never}}", "{path: /shut}"),
    **EVERYBODY,
    "rego/never.rego": "package shop\n\nnever := false\n",
}


def asked(path: str) -> "object":
    return rate_limit_request(
        "gatewright",
        {"host": "shop.example", "path": path, "method": "GET", "remote_address": "198.51.100.7"},
    )


QUESTIONS = (
    limit("soft", asked("/soft"), True),
    limit("hard", asked("/hard"), True),
    limit("none", asked("/none"), False),
    check("open", check_request(path="/a"), True),
    check("shut", check_request(path="/shut"), False),
)


@pytest.fixture
def serve(tmp_path: Path, private_redis: RedisServer) -> Iterator[Serve]:
    bundle = write_bundle(tmp_path / "bundle", BUNDLE)
    flags = ("--redis", private_redis.url)
    with closing(Serve(tmp_path, bundle, *flags, environ=UNHURRIED)) as running:
        yield running


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_redis_goes_and_comes_back(
    serve: Serve, private_redis: RedisServer, how: str, back: Back
) -> None:
    with Load(serve.grpc, QUESTIONS) as load:
        load.until_right(10.0)
        quiet = load.outcomes()
        gone = time.monotonic()
        private_redis.kill() if how == "killed" else private_redis.stop()
        until(lambda: serve.metric("gatewright_redis_breaker") == 2, 10)
        opened = time.monotonic()
        time.sleep(2.0)
        private_redis.restart() if how == "killed" else private_redis.cont()
        until_back = load.until_right(5.0)
    # Who is not counted never waited, and was never decided otherwise.
    for name in ("open", "shut"):
        assert all(each.right for each in load.outcomes(name=name)), load.words(name=name)
        assert slowest(load.outcomes(gone, name)) < load.allowing(AT_ONCE)
    # Each limit was answered as it is written, and while the breaker was open at once.
    away = [each for each in load.outcomes(gone) if each.at < opened + 2.0]
    assert {each.passed for each in away if each.name == "soft"} == {True}
    assert all(each.passed is not True for each in away if each.name == "none" and each.at > gone)
    assert max(each.seconds for each in away) < load.allowing(ANSWERED)
    assert slowest([each for each in away if each.at > opened]) < load.allowing(AT_ONCE)
    assert not load.wrong_passes()
    back(f"Redis {how} for 2 s", until_back, 1.5)
    assert quiet


def test_redis_dies_again_and_again(serve: Serve, private_redis: RedisServer, back: Back) -> None:
    with Load(serve.grpc, QUESTIONS) as load:
        load.until_right(10.0)
        for _ in range(5):
            private_redis.kill()
            time.sleep(0.3)
            private_redis.restart()
            back("Redis killed for 0.3 s", load.until_right(5.0), 5.0)
    assert not load.wrong_passes()
    assert all(each.right for each in load.outcomes(name="open"))
    assert max(each.seconds for each in load.outcomes()) < load.allowing(ANSWERED)
    assert serve.metric("gatewright_worker_restarts_total") == 0


def test_redis_is_full_and_refuses_to_write(
    serve: Serve, private_redis: RedisServer, back: Back
) -> None:
    with Load(serve.grpc, QUESTIONS) as load, closing(private_redis.client()) as admin:
        load.until_right(10.0)
        admin.config_set("maxmemory-policy", "noeviction")
        admin.config_set("maxmemory", "1")
        full = time.monotonic()
        # A gRPC error, that is: `deny(503)` of a limit is Envoy's `failure_mode_deny`.
        until(lambda: load.words(full, "hard")["unavailable"] > 20, 10)
        admin.config_set("maxmemory", "0")
        back("Redis is full", load.until_right(5.0), 2.0)
    assert all(each.passed for each in load.outcomes(full, "soft"))
    assert not load.wrong_passes()
    assert all(each.right for each in load.outcomes(name="open"))

"""Redis is killed, frozen, or restarted empty, while limits are asked."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from callout.testing.redis import RedisServer
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import Serve, write_bundle
from tests.faults.load import UNHURRIED
from tests.ratelimit.faults import traffic
from tests.ratelimit.faults.conftest import Back, Explained
from tests.ratelimit.faults.judge import Fault

AWAY = 3.0
"""Seconds: more than a window."""


@pytest.fixture
def serve(tmp_path: Path, private_redis: RedisServer) -> Iterator[Serve]:
    bundle = write_bundle(tmp_path / "bundle", traffic.bundle())
    flags = ("--redis", private_redis.url, "--workers", str(traffic.WORKERS))
    with closing(Serve(tmp_path, bundle, *flags, environ=UNHURRIED)) as running:
        # Before that a worker has no part of a limit.
        until(lambda: running.metric("gatewright_redis_replicas") == traffic.WORKERS, 30)
        yield running


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_while_redis_is_away_each_limit_goes_by_its_word_and_then_all_count_again(
    serve: Serve, private_redis: RedisServer, how: str, back: Back, explained: Explained
) -> None:
    fault = f"Redis {how} for {AWAY:.0f} s"
    with traffic.traffic(serve.grpc) as load:
        traffic.until_counted(load)
        gone = time.time()
        private_redis.kill() if how == "killed" else private_redis.stop()
        time.sleep(AWAY)
        private_redis.restart() if how == "killed" else private_redis.cont()
        returned = time.monotonic()
        took = traffic.until_back(load, traffic.PATIENT)
        bound = load.allowing(traffic.BACK)
        traffic.until_counted(load)
    # A frozen one forgets nothing.
    broken = Fault(gone, traffic.wall(returned) + bound, forgotten=int(how == "killed"))
    # In Redis, by parts without it, and in one that came back empty.
    explained(fault, traffic.answers(load), [broken], 2.0 + broken.forgotten)
    degraded = {each.name for each in load.outcomes() if each.degraded and each.passed}
    assert degraded == {"allow", "share"}
    assert load.words(name="deny")["unavailable"]
    back(fault, took, bound)


def test_a_redis_that_is_restarted_empty_at_once_counts_from_nothing(
    serve: Serve, private_redis: RedisServer, back: Back, explained: Explained
) -> None:
    restarts, faults, times = 3, [], []
    with traffic.traffic(serve.grpc) as load:
        traffic.until_counted(load)
        for _ in range(restarts):
            gone = time.time()
            private_redis.restart()
            returned = time.monotonic()
            times.append(traffic.until_back(load, traffic.PATIENT))
            bound = load.allowing(traffic.BACK)
            faults.append(Fault(gone, traffic.wall(returned) + bound, forgotten=1))
            time.sleep(traffic.WINDOW)
        traffic.until_counted(load)
        bound = load.allowing(traffic.BACK)
    # No window meets two of them: before, after, and by parts between.
    explained("Redis restarted empty, three times", traffic.answers(load), faults, 3.0)
    for took in times:
        back("Redis restarted empty, three times", took, bound)

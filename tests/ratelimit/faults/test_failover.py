"""A master dies and its replica goes on, or its slots move, while limits are asked."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TypeAlias

import pytest
import redis

from callout.testing.redis import RedisServer
from callout.testing.redis_cluster import NODE_TIMEOUT, RedisCluster
from callout.testing.redis_sentinel import SentinelTrio
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import Serve, write_bundle
from tests.faults.load import UNHURRIED
from tests.ratelimit.faults import traffic
from tests.ratelimit.faults.conftest import Back, Explained
from tests.ratelimit.faults.judge import Fault

ELECTED = NODE_TIMEOUT / 1000 + 30.0
"""Seconds in which the servers agree on a new master, while a machine is busy with other tests."""
MOVES = 3
"""Windows whose counters are moved."""
Running: TypeAlias = tuple[Serve, SentinelTrio | RedisCluster]


def run(tmp_path: Path, kind: type[SentinelTrio | RedisCluster]) -> Iterator[Running]:
    bundle = write_bundle(tmp_path / "bundle", traffic.bundle())
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        servers = stack.enter_context(closing(kind(Path(folder))))
        flags = ("--redis", servers.url, "--workers", str(traffic.WORKERS))
        serve = stack.enter_context(closing(Serve(tmp_path, bundle, *flags, environ=UNHURRIED)))
        until(lambda: serve.metric("gatewright_redis_replicas") == traffic.WORKERS, 30)
        yield serve, servers


@pytest.fixture
def behind_sentinels(tmp_path: Path) -> Iterator[Running]:
    yield from run(tmp_path, SentinelTrio)


@pytest.fixture
def in_a_cluster(tmp_path: Path) -> Iterator[Running]:
    yield from run(tmp_path, RedisCluster)


def until_writes(server: RedisServer, key: bytes) -> float:
    """When a replica began to take writes, in seconds of `time.monotonic`."""
    with redis.Redis(port=server.port, socket_timeout=1) as client:

        def writes() -> bool:
            try:
                return bool(client.incr(key))
            except redis.RedisError:
                return False

        until(writes, ELECTED)
    return time.monotonic()


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_behind_sentinels_the_replica_counts_on(
    behind_sentinels: Running, how: str, back: Back, explained: Explained
) -> None:
    serve, servers = behind_sentinels
    assert isinstance(servers, SentinelTrio)
    old, new = servers.servers
    fault = f"master behind Sentinels {how}"
    with traffic.traffic(serve.grpc) as load:
        traffic.until_counted(load)
        gone = time.time()
        old.kill() if how == "killed" else old.stop()
        # Ours begins when most Sentinels say who is master: until then nobody may count there.
        until_writes(new, b"probe")
        others = [each for each in servers.sentinels if each.process.running]
        until(lambda: servers.named().count(new.port) > len(others) / 2, ELECTED)
        named = time.monotonic()
        took = traffic.until_back(load, traffic.PATIENT)
        bound = load.allowing(traffic.BACK)
        # What it had not heard is counted anew: never more than the limit.
        broken = Fault(gone, traffic.wall(named) + bound, forgotten=1)
        traffic.until_counted(load)
        if how == "frozen":
            old.cont()
            time.sleep(traffic.WINDOW)
    back(fault, took, bound)
    explained(fault, traffic.answers(load), [broken], 3.0)
    assert load.words(name="deny")["unavailable"]


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_in_a_cluster_the_replica_counts_on(
    in_a_cluster: Running, how: str, back: Back, explained: Explained
) -> None:
    serve, servers = in_a_cluster
    assert isinstance(servers, RedisCluster)
    # A third of all counters, which are others in each window.
    old, new = servers.servers[0], servers.servers[3]
    probe = next(key for key in (b"%d" % n for n in range(99)) if servers.owner(key) is old)
    fault = f"master in a Cluster {how}"
    with traffic.traffic(serve.grpc) as load:
        traffic.until_counted(load)
        gone = time.time()
        old.kill() if how == "killed" else old.stop()
        serves = until_writes(new, probe)
        took = traffic.until_back(load, traffic.PATIENT)
        bound = load.allowing(traffic.BACK)
        broken = Fault(gone, traffic.wall(serves) + bound, forgotten=1)
        traffic.until_counted(load)
    back(fault, took, bound)
    explained(fault, traffic.answers(load), [broken], 3.0)


def test_while_slots_of_a_cluster_move_nothing_is_lost_and_nothing_fails(
    in_a_cluster: Running, back: Back, explained: Explained
) -> None:
    serve, servers = in_a_cluster
    assert isinstance(servers, RedisCluster)
    moved = 0
    with traffic.traffic(serve.grpc) as load:
        traffic.until_counted(load)
        for _ in range(MOVES):
            for source in servers.servers[:3]:
                target = next(each for each in servers.servers[:3] if each is not source)
                for key in servers.run(source, "KEYS", "rl:p:*"):
                    if servers.owner(key) is source:
                        servers.move(key, source, target)
                        moved += 1
            time.sleep(traffic.WINDOW)
        took = traffic.until_back(load, traffic.PATIENT)
    assert moved >= MOVES
    # No fault explains anything.
    explained("slots move", traffic.answers(load), [], 1.0)
    assert not [each for each in load.outcomes() if traffic.failed(each)]
    back("slots move", took, traffic.BACK)

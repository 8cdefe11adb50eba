"""A worker dies, the bundle changes, a replica's clock is wrong, while limits are asked."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from callout.testing.redis import RedisServer
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import Serve, alive, write_bundle
from tests.faults.load import PATIENCE, UNHURRIED
from tests.faults.wall_clock import WallClock
from tests.ratelimit.faults import traffic
from tests.ratelimit.faults.conftest import Back, Explained
from tests.ratelimit.faults.judge import Fault, judge

STARTS = 10.0
"""Seconds in which a worker starts on a machine that is busy with other tests; usually 1.5."""
MORE = 21
OFF = 2
"""Seconds."""


@pytest.fixture(params=["Redis", "memory"])
def serve(
    tmp_path: Path, private_redis: RedisServer, request: pytest.FixtureRequest
) -> Iterator[Serve]:
    bundle = write_bundle(tmp_path / "bundle", traffic.bundle())
    flags = ["--workers", str(traffic.WORKERS)]
    flags += ["--redis", private_redis.url] if request.param == "Redis" else []
    with closing(Serve(tmp_path, bundle, *flags, environ=UNHURRIED)) as running:
        yield running


def test_a_worker_that_dies_takes_no_count_with_it(
    serve: Serve, back: Back, explained: Explained, request: pytest.FixtureRequest
) -> None:
    fault = f"kill -9 of a worker, of two; counters in {request.node.callspec.params['serve']}"
    # So many that the kernel gives each worker some, but for one run in 30,000.
    with traffic.traffic(serve.grpc, connections=16) as load:
        traffic.until_counted(load)
        family = serve.workers()
        gone = time.time()
        begun = time.monotonic()
        os.kill(family[0], signal.SIGKILL)
        took = traffic.until_back(load, STARTS + PATIENCE)
        until(lambda: not alive(family[0]) and len(serve.workers()) == len(family), STARTS)
        ready = time.monotonic()
        traffic.until_counted(load)
    # Its connections end, and their requests fail; what it counted is not its own.
    broken = Fault(gone, traffic.wall(max(begun + took, ready)) + PATIENCE)
    explained(fault, traffic.answers(load), [broken], 1.0)
    assert not [each for each in load.outcomes() if each.degraded]
    back(fault, took, STARTS + PATIENCE)


def test_a_bundle_with_another_number_counts_on_and_soon_refuses_by_it(
    serve: Serve,
    tmp_path: Path,
    back: Back,
    explained: Explained,
    request: pytest.FixtureRequest,
) -> None:
    fault = f"another bundle; counters in {request.node.callspec.params['serve']}"
    with traffic.traffic(serve.grpc) as load:
        traffic.until_counted(load)
        digest = set(serve.config()["workers"].values())
        before = time.monotonic()
        write_bundle(tmp_path / "bundle", traffic.bundle(MORE))
        until(lambda: not digest & set(serve.config()["workers"].values()), STARTS)
        loaded = time.monotonic()
        traffic.until_counted(load)
    history = traffic.answers(load)
    assert not [each for each in load.outcomes() if traffic.failed(each)]
    changing = {
        name: replace(each, requests=MORE, least=each.requests)
        for name, each in traffic.limits().items()
        if name != "wide"
    }
    explained(fault, history, [], 1.0, changing)
    # Windows that know one bundle only are exact by it. What passed at their borders may be theirs.
    last = int(traffic.wall(before)) // traffic.WINDOW * traffic.WINDOW
    first = (int(traffic.wall(loaded)) // traffic.WINDOW + 1) * traffic.WINDOW
    old = [each for each in history if (each.begun if each.verdict == "ok" else each.ended) < last]
    new = [
        each for each in history if (each.ended if each.verdict == "ok" else each.begun) >= first
    ]
    for some, by in ((old, traffic.limits()), (new, traffic.limits(MORE))):
        # Others have no such borders.
        fixed = {name: each for name, each in by.items() if each.algorithm == "fixed-window"}
        judged = judge(some, fixed, [], traffic.WORKERS)
        assert not judged.unexplained, judged.unexplained
        assert judged.exact
        assert judged.worst == 1.0
    back(fault, loaded - before, STARTS)


@pytest.mark.parametrize("serve", ["Redis"], indirect=True)
@pytest.mark.parametrize("off", [OFF, -OFF])
def test_a_replica_whose_clock_is_off_counts_in_the_windows_of_its_clock(
    serve: Serve, tmp_path: Path, private_redis: RedisServer, off: int, explained: Explained
) -> None:
    with ExitStack() as stack:
        clock = WallClock(tmp_path)
        clock.jump(off)
        (tmp_path / "other").mkdir()
        bundle = write_bundle(tmp_path / "other" / "bundle", traffic.bundle())
        flags = ("--redis", private_redis.url)
        environ = {**UNHURRIED, **clock.environ}
        other = Serve(tmp_path / "other", bundle, *flags, environ=environ)
        stack.enter_context(closing(other))
        loads = [
            stack.enter_context(traffic.traffic(each.grpc, rate=traffic.RATE / 2))
            for each in (serve, other)
        ]
        for load in loads:
            traffic.until_counted(load, 3)
    history = [*traffic.answers(loads[0]), *traffic.answers(loads[1], clock=off)]
    # A counter's window is in its name: no clock makes more of it than the limit.
    name = f"a replica's clock {abs(off)} s {'ahead' if off > 0 else 'behind'}"
    explained(name, history, [], 1.0)

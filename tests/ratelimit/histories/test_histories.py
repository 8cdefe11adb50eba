"""Many callers on a few counters: what all were told is what one counter tells, one by one."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import combinations
from pathlib import Path

import pytest

from callout.serve.tied import tied
from callout.testing.redis import RedisServer
from callout.testing.requests import rate_limit_request
from ratelimit.stores.memory import MemoryStore
from ratelimit.stores.shared_memory.memory import LEAST_BYTES, create
from tests.end_to_end.conftest import ROOT
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, policy, write_bundle
from tests.faults.load import UNHURRIED
from tests.ratelimit.histories.caller import AT_ONCE, KEYS, ROUNDS, history
from tests.ratelimit.histories.counter import Call, wrong

PROCESSES = 4
CONNECTIONS = 12
CALLS = 80
"""Of each connection."""
MOST = 1_000_000
EDGE = f"""domain: edge
descriptors:
  - {{key: key, rate_limit: {{unit: year, requests_per_unit: {MOST}}}}}
"""


async def test_in_memory() -> None:
    told = await history(MemoryStore())
    assert len(told) >= AT_ONCE * ROUNDS
    assert wrong(told) == []


@pytest.mark.parametrize("kind", ["redis", "shared"])
def test_of_several_processes(redis_server: RedisServer, kind: str) -> None:
    redis_server.flush()
    descriptor = create(LEAST_BYTES)
    where = redis_server.url if kind == "redis" else str(descriptor)
    command = [sys.executable, "-m", "tests.ratelimit.histories.caller", kind, where]
    running = [
        subprocess.Popen(
            tied(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            pass_fds=[descriptor],
        )
        for _ in range(PROCESSES)
    ]
    try:
        for each in running:
            assert each.stdout is not None
            assert each.stdout.readline() == b"ready\n"
        for each in running:
            assert each.stdin is not None
            each.stdin.write(b"\n")
            each.stdin.flush()
        by_process = [
            [Call(*call) for call in json.loads(each.communicate()[0])] for each in running
        ]
    finally:
        for each in running:
            each.kill()
            each.wait()
        os.close(descriptor)
    told = [call for each in by_process for call in each]
    assert len(told) >= PROCESSES * AT_ONCE * ROUNDS
    spans = [
        (min(each.invoked for each in calls), max(each.returned for each in calls))
        for calls in by_process
    ]
    at_once = [
        (one, two)
        for one, two in combinations(spans, 2)
        if max(one[0], two[0]) < min(one[1], two[1])
    ]
    assert at_once, spans
    assert {each.key for each in told} == set(KEYS)
    assert wrong(told) == []


@pytest.fixture(params=["redis", "shared"])
def serve(
    request: pytest.FixtureRequest, tmp_path: Path, redis_server: RedisServer
) -> Iterator[Serve]:
    redis_server.flush()
    files = {"ratelimit/edge.yaml": EDGE, "all.yaml": policy("all", OPEN), **EVERYBODY}
    bundle = write_bundle(tmp_path / "bundle", files)
    flags = ["--workers", "2"]
    flags += ["--redis", redis_server.url] if request.param == "redis" else []
    with closing(Serve(tmp_path, bundle, *flags, environ=UNHURRIED)) as running:
        yield running


def test_of_several_workers_over_the_wire(serve: Serve) -> None:
    def caller(number: int) -> list[Call]:
        told = []
        with serve.client() as client:
            for n in range(CALLS):
                key = KEYS[(n + number) % len(KEYS)]
                asked = rate_limit_request("edge", {"key": key})
                invoked = time.monotonic()
                (status,) = client.should_rate_limit(asked).statuses
                told.append(Call(key, invoked, time.monotonic(), 1, MOST - status.limit_remaining))
        return told

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        told = [call for each in threads.map(caller, range(CONNECTIONS)) for call in each]
    assert len(told) == CONNECTIONS * CALLS
    assert wrong(told) == []

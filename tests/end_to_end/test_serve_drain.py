"""Connections that end and workers that go, under load from a real Envoy: no request fails."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from callout.testing.plugin import StartEnvoy
from callout.testing.redis import RedisServer
from callout.testing.upstream import EchoUpstream
from tests.end_to_end.callers import Callers, requests
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import (
    EVERYBODY,
    OPEN,
    Edge,
    Serve,
    alive,
    gateway,
    patient,
    policy,
    write_bundle,
)

AGE = 1.0
"""Seconds that a connection lives, give or take a tenth."""


@pytest.fixture
def serve(tmp_path: Path, private_redis: RedisServer) -> Iterator[Serve]:
    bundle = write_bundle(tmp_path / "bundle", {"open.yaml": policy("open", OPEN), **EVERYBODY})
    environ = {
        "GATEWRIGHT_CONNECTIONS__MAX_AGE": str(AGE),
        # Who is refused for overload on a machine that others keep busy is not the point.
        "GATEWRIGHT_OVERLOAD__TARGET": "0",
    }
    flags = ["--workers", "2", "--redis", private_redis.url]
    with closing(Serve(tmp_path, bundle, *flags, environ=environ)) as running:
        yield running


def test_short_lives_of_connections_and_a_rolling_stop_of_workers_fail_no_request(
    serve: Serve, envoy: StartEnvoy, echo_upstream: EchoUpstream
) -> None:
    edge = Edge(envoy, patient(gateway(serve, echo_upstream.url)))
    callers = Callers(4, lambda: requests(edge))
    try:
        aged = "gatewright_transport_terminated_total"
        until(lambda: serve.metric(aged, reason="age") >= 4, 60)
        for worker in serve.workers():
            os.kill(worker, signal.SIGTERM)
            until(lambda gone=worker: not alive(gone), 40)
            until(lambda: None not in serve.config()["workers"].values(), 40)
        before = serve.metric(aged, reason="age")
        until(lambda: serve.metric(aged, reason="age") >= before + 2, 60)
    finally:
        seen = callers.stop()
    assert set(seen) == {200}, seen
    assert seen[200] > 200
    assert edge.errors() == 0
    assert len(serve.workers()) == 2

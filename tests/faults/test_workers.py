"""A worker is killed or frozen while requests come, alone and beside another one."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from callout.testing.requests import check_request
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import OPEN, Serve, alive, policy, write_bundle
from tests.faults.conftest import Back
from tests.faults.load import PATIENCE, Load, check

FROZEN = 2.0
"""Seconds without a sign of life until a worker is killed, in these tests."""
NOTICED = FROZEN * 6 / 5
"""It is asked five times in that time; what happened just after an answer is seen a look later."""
STARTS = 10.0
"""Seconds in which a worker starts on a machine that is busy with other tests; usually 1.5."""
BUNDLE = {
    "all.yaml": policy("all", OPEN),
    "rego/shop.rego": 'package shop\n\nallow if input.attributes.request.http.method == "GET"\n',
}
QUESTIONS = (
    check("open", check_request(path="/a"), True),
    check("shut", check_request("POST", path="/a"), False),
)


@pytest.fixture(params=[1, 2], ids=["one worker", "two workers"])
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serve]:
    bundle = write_bundle(tmp_path / "bundle", BUNDLE)
    flags = ["--faces", "authz", "--workers", str(request.param)]
    environ = {"GATEWRIGHT_FROZEN": str(FROZEN)}
    with closing(Serve(tmp_path, bundle, *flags, environ=environ)) as running:
        yield running


@pytest.mark.parametrize(
    ("how", "bound"), [(signal.SIGKILL, STARTS), (signal.SIGSTOP, NOTICED + STARTS)]
)
def test_a_worker_goes_under_load(
    serve: Serve, how: signal.Signals, bound: float, back: Back
) -> None:
    family = serve.workers()
    before = serve.metric("gatewright_decisions_total")
    # So many that the kernel gives each worker some, but for one run in 30,000.
    with Load(serve.grpc, QUESTIONS, connections=16) as load:
        load.until_right(10.0)
        victim = family[0]
        gone = time.monotonic()
        os.kill(victim, how)
        # Until the last answer that is wrong, and some time without any.
        until_back = load.until_right(bound + PATIENCE)
        until(lambda: not alive(victim), bound)
        until(lambda: len(serve.workers()) == len(family), STARTS)
        load.until_right(STARTS)
        end = time.monotonic()
    fault = f"{'kill -9' if how is signal.SIGKILL else 'SIGSTOP'} of a worker, of {len(family)}"
    back(fault, until_back, bound + PATIENCE)
    # What failed is an error, which Envoy denies; nobody was let through, or turned away, wrongly.
    assert not load.wrong_passes()
    failed = [each for each in load.outcomes(gone) if not each.right]
    assert {each.passed for each in failed} <= {None}
    assert all(each.at < end for each in failed)
    if len(family) == 2:
        # The other one's clients noticed nothing.
        assert {each.connection for each in failed} < {each.connection for each in load.outcomes()}
    assert serve.metric("gatewright_worker_restarts_total") == 1
    assert serve.metric("gatewright_decisions_total") >= before
    if how is signal.SIGSTOP:
        (said,) = serve.said("a worker is frozen; it is killed")
        assert said["pid"] == victim


def test_workers_are_killed_again_and_again_under_load(serve: Serve, back: Back) -> None:
    with Load(serve.grpc, QUESTIONS, connections=8) as load:
        load.until_right(10.0)
        for _ in range(3):
            family = serve.workers()
            for each in family:
                os.kill(each, signal.SIGKILL)
            until(lambda gone=set(family): len(set(serve.workers()) - gone) == len(gone), STARTS)
            back("kill -9 of all workers", load.until_right(STARTS + PATIENCE), STARTS + PATIENCE)
    assert not load.wrong_passes()
    assert not [each for each in load.outcomes() if each.passed is False and not each.right]

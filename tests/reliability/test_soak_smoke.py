"""A soak of some seconds: its parts work, its findings are found."""

import subprocess
import sys

import pytest

from callout.testing import tools
from tests.end_to_end.conftest import ROOT
from tests.reliability.soak.watch import Held, Sample, slope

MIB = 1 << 20


@pytest.mark.timeout(180)
def test_a_short_soak_ends_with_right_answers_and_nothing_left() -> None:
    for tool in ("envoy", "h2load", "redis-server", "opa"):
        tools.require(tool)
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability.soak", "--part", "0.001", "--every", "0.2"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=170,
        check=False,
    )
    # Memory is not judged in so short a time: it is all warm-up.
    findings = [each for each in done.stdout.splitlines() if "ended" in each or "before" in each]
    assert not findings, done.stdout + done.stderr
    assert "| plain |" in done.stdout, done.stdout + done.stderr
    assert "| tls |" in done.stdout, done.stdout + done.stderr


def _samples(grows: int) -> list[Sample]:
    noise = (0, 3, 1, 2)
    return [
        Sample(
            calls=number * 100_000,
            connections=0,
            held={"worker": Held(100 * MIB + number * grows + noise[number % 4] * 4096, 9, 3)},
        )
        for number in range(60)
    ]


def test_memory_that_grows_is_found_and_noise_is_not() -> None:
    leaking = slope(_samples(grows=20_000), "worker")
    assert not leaking.flat
    assert leaking.bytes_a_million == pytest.approx(200_000, rel=0.1)
    assert slope(_samples(grows=0), "worker").flat

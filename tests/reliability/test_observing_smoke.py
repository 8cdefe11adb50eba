"""The measurement of what observing costs, in small: it runs, and measures every way."""

import subprocess
import sys

import pytest

from callout.testing import tools
from tests.end_to_end.conftest import ROOT


@pytest.mark.timeout(180)
def test_each_way_of_tracing_has_its_row() -> None:
    tools.require("opa")
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability.observing", "--rounds", "1", "--checks", "300"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [each.split("|")[1].strip() for each in done.stdout.splitlines()[2:]]
    assert rows == [
        "off",
        "off, once more",
        "on, 0% of new traces",
        "on, 1% of new traces",
        "on, 100% of new traces",
        "on, Envoy's trace, not sampled",
        "on, Envoy's trace, sampled",
    ]

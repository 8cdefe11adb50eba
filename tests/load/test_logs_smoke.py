"""The benchmark of decision logs works: both lanes allow, and every event comes."""

import tempfile
from pathlib import Path

import pytest

from callout.testing import tools
from tests.load import logs
from tests.load.services import World


def test_every_promise_is_measured() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = [each.name for each in logs.policies(World(Path(folder)))]
    assert found == ["roles with data", "`io.jwt.decode_verify` (ES256)", "200 routes, the last"]


@pytest.mark.timeout(300)
def test_a_quick_run_gives_a_row_for_each_policy() -> None:
    for tool in ("h2load", "opa"):
        tools.require(tool)
    rows = logs.run(rounds=1, seconds=0.3)
    assert len(rows) == 3
    assert all(each.cpu > 0 and each.p99 > 0 for row in rows for each in (*row.ours, *row.theirs))
    assert logs.markdown(rows, 1, 0.3).count("opa run --server") == 3

"""The measurement of counters that workers share, in small: it runs, and measures every way."""

import pytest

from tests.reliability import shared_counters


def test_each_way_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert shared_counters.main(["--calls", "320"]) == 0
    rows = [each.split("|") for each in capsys.readouterr().out.splitlines() if "|" in each][2:]
    assert [row[1].strip() for row in rows] == list(shared_counters.WAYS)
    assert all(float(figure) > 0 for row in rows for figure in row[2:5])

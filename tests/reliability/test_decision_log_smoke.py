"""The measurement of the decision log, in small: it runs, and measures every part."""

import pytest

from tests.reliability import decision_log


def test_each_part_has_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert decision_log.main(["--times", "100"]) == 0
    rows = [each.split("|") for each in capsys.readouterr().out.splitlines()[2:]]
    assert [row[1].strip() for row in rows] == list(decision_log.parts())
    assert all(float(row[2]) > 0 for row in rows)

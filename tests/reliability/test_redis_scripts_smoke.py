"""The measurement of the scripts, in small: it runs, and measures every row."""

import pytest

from tests.reliability import redis_scripts


def test_each_row_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert redis_scripts.main(["--calls", "100", "--keys", "1000"]) == 0
    lines = [each.split("|") for each in capsys.readouterr().out.splitlines() if "|" in each]
    names = [row.name for row in redis_scripts.rows()]
    costs, sizes = lines[2 : 2 + len(names)], lines[4 + len(names) :]
    assert [row[1].strip() for row in costs] == names
    assert all(float(row[2]) > 0 for row in costs)
    assert [row[1].strip() for row in sizes] == names[1:7]
    assert all(float(row[2]) > 0 for row in sizes)

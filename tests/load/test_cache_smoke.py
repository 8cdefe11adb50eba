"""The benchmarks of remembered decisions and of many policies work: they decide, and give rows."""

from callout.testing import tools
from tests.load import policies, remembered


def test_remembered_decisions_are_measured() -> None:
    tools.require("opa")
    rows = remembered.run(rounds=1, seconds=0.0)
    assert len(rows) == len(remembered.ASKED)
    for row in rows:
        assert set(row.lanes) == set(remembered.LANES)
        assert all(value > 0 for value in row.lanes.values())
    assert remembered.markdown(rows, 1).count("\n| ") == len(rows) + 1


def test_many_policies_are_measured() -> None:
    results = [policies.run(rounds=1, own_data=own, many=200) for own in (False, True)]
    assert all(result.ratio > 0 for result in results)
    assert "| of each policy |" in policies.markdown(results)

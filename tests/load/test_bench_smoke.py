"""The benchmark itself works: every scenario starts, decides rightly and gives figures."""

import pytest

from callout.testing import tools
from tests.load import bench
from tests.load.scenarios import SCENARIOS, Scenario


def test_every_promise_of_the_benchmark_is_a_scenario() -> None:
    limits = ["limit-1", "limit-2", "unique-1", "unique-2"]
    assert [each.key for each in SCENARIOS] == ["check", "jwt", *limits, "envoy"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.key)
def test_a_quick_run_gives_figures_for_every_lane(scenario: Scenario) -> None:
    for tool in ("h2load", "redis-server", "opa", "envoy"):
        tools.require(tool)
    [table] = bench.run([scenario], bench.QUICK)
    assert len(table.series) >= 3
    for series in table.series:
        assert len(series.samples) == bench.QUICK.rounds
        assert series.rate() > 0
        assert series.cpu() is not None
    assert len(table.verdicts) == len(scenario.goals)

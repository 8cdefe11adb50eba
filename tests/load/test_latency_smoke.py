"""The latencies of limits: every lane answers at a low rate, and what is lost is counted."""

import pytest

from callout.testing import tools
from tests.load import latency
from tests.reliability.overload.generator import Kind, Outcome

LANE = latency.Lane("a lane", 1, "127.0.0.1:1", 4)


@pytest.mark.timeout(300)
def test_a_quick_run_gives_figures_for_every_lane() -> None:
    for tool in ("redis-server", "opa"):
        tools.require(tool)
    rows = latency.run((200,), 0.5)
    assert len({row.lane for row in rows}) == len(rows) == 4
    for row in rows:
        assert 90 <= row.due <= 110
        assert 0 < row.p50 <= row.p99 <= row.p999
    assert latency.markdown(rows, 0.5).count("| 200 |") == 4


def test_what_was_refused_late_or_lost_is_not_in_time() -> None:
    passed = Kind(0, 0, "0801120408011801", {"5": 900, "4000": 10}, 900)
    refused = Kind(0, 0, "0802120408021801", {"5": 50}, 50)
    failed = Kind(0, 0, "", {"5": 20}, 20)
    row = latency._row(LANE, 1000, Outcome(1000, 15, 5, kinds=[passed, refused, failed]))
    assert (row.due, row.late, row.carried) == (1000, 100, False)
    assert row.p50 == pytest.approx(0.6)
    assert row.p999 == pytest.approx(2500.1), "what was lost took longer than anything"


def test_a_rate_of_which_one_in_a_thousand_is_late_is_carried() -> None:
    passed = Kind(0, 0, "0801", {"5": 1000}, 999)
    assert latency._row(LANE, 1000, Outcome(1000, kinds=[passed])).carried
    passed = Kind(0, 0, "0801", {"5": 1000}, 998)
    assert not latency._row(LANE, 1000, Outcome(1000, kinds=[passed])).carried

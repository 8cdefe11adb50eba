"""The table of `make limit-faults` has what the tests measured."""

import pytest

from tests.faults.conftest import PROPERTY as BACK
from tests.faults.conftest import Measured
from tests.ratelimit.faults.traffic import PROPERTY, Figures
from tests.reliability.limit_faults import Kept, rows


def test_the_table_has_each_fault_once_with_its_worst_figures() -> None:
    kept = Kept()
    for worst, seconds in ((1.5, 0.5), (2.0, 0.25)):
        figures: Figures = ("the moon is gone", 1000, 10, worst, 3.0)
        measured: Measured = ("the moon is gone", seconds, 1.0)
        report = pytest.TestReport(
            nodeid="tests/ratelimit/faults/test_moon.py::test_it",
            location=("tests/ratelimit/faults/test_moon.py", 0, "test_it"),
            keywords={},
            outcome="passed",
            longrepr=None,
            when="call",
            user_properties=[(PROPERTY, figures), (BACK, measured), ("other", 1)],
        )
        kept.pytest_runtest_logreport(report)
    assert list(rows(kept))[2:] == [
        "| the moon is gone | 2 | 2,000 | 20 | 2.00 | 3 | 0.50 s | 1.0 s |"
    ]

"""The table of `make faults` has what the tests measured."""

import pytest

from tests.faults.conftest import PROPERTY, Measured
from tests.reliability.faults import Times, rows


def test_the_table_has_each_fault_once_with_its_worst_time() -> None:
    times = Times()
    for seconds in (0.5, 0.25, 1.0):
        measured: Measured = ("the moon is gone", seconds, 2.0)
        report = pytest.TestReport(
            nodeid="tests/faults/test_moon.py::test_it",
            location=("tests/faults/test_moon.py", 0, "test_it"),
            keywords={},
            outcome="passed",
            longrepr=None,
            when="call",
            user_properties=[(PROPERTY, measured), ("other", 1)],
        )
        times.pytest_runtest_logreport(report)
    assert list(rows(times))[2:] == [
        "| the moon is gone | 3 | 0.50 s | 1.00 s | 2 s | `tests/faults/test_moon.py` |"
    ]

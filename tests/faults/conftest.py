"""What all faults have: a bound within which all is as before, and how long it took."""

from collections.abc import Callable
from typing import TypeAlias

import pytest

Measured: TypeAlias = tuple[str, float, float]
"""A fault, the seconds until all was right again, and their bound."""
Back: TypeAlias = Callable[[str, float, float], None]
PROPERTY = "back within"
"""Of a test's report: see `tests.reliability.faults`."""


@pytest.fixture
def back(record_property: Callable[[str, object], None]) -> Back:
    """Asserts that all was right again after so many seconds, and keeps them for the table."""

    def check(fault: str, seconds: float, bound: float) -> None:
        measured: Measured = (fault, seconds, bound)
        record_property(PROPERTY, measured)
        assert seconds < bound, fault

    return check

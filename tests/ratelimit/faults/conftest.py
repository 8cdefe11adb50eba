"""What every fault is measured by."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import pytest

from tests.faults.conftest import Back
from tests.faults.conftest import back as back
from tests.ratelimit.faults.judge import Answer, Fault, Judged
from tests.ratelimit.faults.traffic import explained

Explained: TypeAlias = Callable[[str, Sequence[Answer], Sequence[Fault], float], Judged]

__all__ = ["Back", "Explained"]


@pytest.fixture(name="explained")
def _explained(record_property: Callable[[str, object], None]) -> Explained:
    def check(
        fault: str, history: Sequence[Answer], faults: Sequence[Fault], bound: float
    ) -> Judged:
        return explained(history, faults, record_property, fault, bound)

    return check

"""What every fault is measured by."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import pytest

from tests.faults.conftest import Back
from tests.faults.conftest import back as back
from tests.ratelimit.faults.judge import Answer, Fault, Judged, Limit
from tests.ratelimit.faults.traffic import explained


class Explained(Protocol):
    """What the fixture `explained` is: see `traffic.explained`."""

    def __call__(
        self,
        fault: str,
        history: Sequence[Answer],
        faults: Sequence[Fault],
        bound: float,
        by: Mapping[str, Limit] | None = None,
    ) -> Judged: ...


__all__ = ["Back", "Explained"]


@pytest.fixture(name="explained")
def _explained(record_property: Callable[[str, object], None]) -> Explained:
    def check(
        fault: str,
        history: Sequence[Answer],
        faults: Sequence[Fault],
        bound: float,
        by: Mapping[str, Limit] | None = None,
    ) -> Judged:
        return explained(history, faults, record_property, fault, bound, by)

    return check

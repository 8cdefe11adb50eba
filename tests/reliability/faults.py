"""Breaks everything around requests, and prints how long it took until all was as before.

The faults and their bounds are the tests of `tests/faults`; this runs them and keeps the times.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pytest

from tests.faults.conftest import PROPERTY, Measured


@dataclass
class Times:
    """A plugin of pytest: the times of each fault."""

    found: dict[tuple[str, float, str], list[float]] = field(default_factory=dict)
    """By fault, bound and the file of its test."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keeps what a test measured."""
        if report.when != "call":
            return
        file = report.nodeid.partition("::")[0]
        for name, value in report.user_properties:
            if name == PROPERTY:
                measured: Measured = value  # type: ignore[assignment]  # pytest has any object
                fault, seconds, bound = measured
                self.found.setdefault((fault, bound, file), []).append(seconds)


def rows(times: Times) -> Iterable[str]:
    """The table."""
    yield "| fault | times | back within, median | worst | bound asserted | test |"
    yield "|---|---:|---:|---:|---:|---|"
    for (fault, bound, file), seconds in times.found.items():
        middle = sorted(seconds)[len(seconds) // 2]
        yield (
            f"| {fault} | {len(seconds)} | {middle:.2f} s | {max(seconds):.2f} s"
            f" | {bound:g} s | `{file}` |"
        )


def main(chosen: Sequence[str]) -> int:
    """Runs them all, or those that pytest is told to; its status."""
    times = Times()
    status = pytest.main(["-q", "-p", "no:cacheprovider", *(chosen or ["tests/faults"])], [times])
    print("\n".join(rows(times)))
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

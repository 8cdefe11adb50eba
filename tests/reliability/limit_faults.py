"""Breaks what limits depend on while they are asked, and prints what passed meanwhile.

The faults and their bounds are the tests of `tests/ratelimit/faults`; this runs them and keeps the
figures.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pytest

from tests.faults.conftest import PROPERTY as BACK
from tests.faults.conftest import Measured
from tests.ratelimit.faults.traffic import PROPERTY, Figures


@dataclass
class Met:
    """One fault, in all of its runs."""

    answers: int = 0
    failures: int = 0
    """Errors, and answers without the counters."""
    worst: float = 0.0
    """The most that passed in one window, in limits."""
    most: float = 0.0
    """Its bound."""
    back: float = 0.0
    """The longest time until all counted again; seconds."""
    within: float = 0.0
    """Its bound."""
    times: int = 0


@dataclass
class Kept:
    """A plugin of pytest: the figures of each fault."""

    faults: dict[str, Met] = field(default_factory=dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keeps what a test measured."""
        if report.when != "call":
            return
        for name, value in report.user_properties:
            if name == PROPERTY:
                figures: Figures = value  # type: ignore[assignment]  # pytest has any object
                met = self.faults.setdefault(figures[0], Met())
                met.answers += figures[1]
                met.failures += figures[2]
                met.worst = max(met.worst, figures[3])
                met.most = figures[4]
                met.times += 1
            elif name == BACK:
                measured: Measured = value  # type: ignore[assignment]
                met = self.faults.setdefault(measured[0], Met())
                met.back = max(met.back, measured[1])
                met.within = max(met.within, measured[2])


def rows(kept: Kept) -> Iterable[str]:
    """The table."""
    yield (
        "| fault | runs | answers | failed or without counters"
        " | passed, worst | at most | back, worst | within |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for fault, met in kept.faults.items():
        back = f"{met.back:.2f} s | {met.within:.1f} s" if met.within else "at once |"
        yield (
            f"| {fault} | {met.times} | {met.answers:,} | {met.failures:,}"
            f" | {met.worst:.2f} | {met.most:g} | {back} |"
        )


def main(chosen: Sequence[str]) -> int:
    """Runs them all, or those that pytest is told to; its status."""
    kept = Kept()
    chosen = chosen or ["tests/ratelimit/faults"]
    status = pytest.main(["-q", "-p", "no:cacheprovider", *chosen], [kept])
    print("\n".join(rows(kept)))
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

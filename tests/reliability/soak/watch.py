"""What the processes of a service hold, sample by sample, and whether it grows."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SLOPE_NOISE: Final = 64 << 10
"""Bytes a million calls that are no leak: 0.07 bytes a call, less than any object has."""


@dataclass(frozen=True, slots=True)
class Held:
    """What one process holds now."""

    resident: int
    """Bytes."""
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Sample:
    """The processes after so many calls."""

    calls: int
    connections: int
    held: dict[str, Held]
    """By the process's role: `supervisor`, `worker 0`."""


@dataclass(frozen=True, slots=True)
class Slope:
    """A least-squares line through a process's memory."""

    bytes_a_million: float
    error: float
    """Standard error of it."""

    @property
    def flat(self) -> bool:
        """Whether it does not grow by more than noise."""
        return self.bytes_a_million - 2 * self.error <= SLOPE_NOISE


def held(pid: int) -> Held:
    """Reads it from the kernel."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in status if ":" in line)
    return Held(
        resident=int(fields["VmRSS"].split()[0]) << 10,
        descriptors=len(os.listdir(f"/proc/{pid}/fd")),
        threads=int(fields["Threads"]),
    )


def slope(samples: list[Sample], role: str) -> Slope:
    """The line through the samples from a third of the calls on: the first third is warm-up."""
    last = samples[-1].calls
    points = [
        (each.calls / 1e6, float(each.held[role].resident))
        for each in samples
        if each.calls >= last / 3
    ]
    count = len(points)
    if count < 3:
        return Slope(0.0, math.inf)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if not spread:
        return Slope(0.0, math.inf)
    rise = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    left = sum((y - mean_y - rise * (x - mean_x)) ** 2 for x, y in points)
    return Slope(rise, math.sqrt(left / (count - 2) / spread))

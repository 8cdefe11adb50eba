"""What the figures were measured on, and how a process is kept on one core."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cores:
    """Where things run. The same core twice on a machine that has only one."""

    service: int
    """The service that is measured, alone."""
    load: int
    """h2load, Redis and Envoy."""


def cores() -> Cores:
    """The first and the last core that we may use."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(service=usable[0], load=usable[-1])


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Children that this thread starts meanwhile stay on `core`, and so do theirs."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def description() -> str:
    """`2 cores of Intel(R) Xeon(R) ..., Linux 6.1, CPython 3.11.7`."""
    model = "an unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    count = len(os.sched_getaffinity(0))
    plural = "core" if count == 1 else "cores"
    release = platform.release().partition("-")[0]
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{count} {plural} of {model}, {platform.system()} {release}, {python}"

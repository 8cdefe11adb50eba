"""Metrics of several worker processes as one sum, which never goes down.

Each worker keeps its numbers in files of a directory (prometheus-client's multi-process mode);
whoever answers the scrape reads all of them. The files are memory maps, so what was written
survives `kill -9`. prometheus-client names them by process id, and the files of the dead would
pile up; here a worker takes the lowest *place* that no living process holds (a file lock, which
the kernel releases with the process), and a replacement counts on in the files of the one that
died.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from prometheus_client import Metric, multiprocess, values
from prometheus_client.registry import Collector

from callout.observe.reserved import ReservedDict

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus-client itself looks for the directory."""
_MOST = 1024
"""Places: more workers than any machine is given."""

_held: list[int] = []
"""Descriptors of the locks of this process; they stay open until it ends."""


def join(directory: Path) -> int:
    """Makes this process one of those that share their numbers.

    Call it once, at the start of a worker, before any metric is made.

    Args:
        directory: the same existing one for all of them, empty when the first one joins.

    Returns:
        The place that was taken, from 0.

    Raises:
        OSError: The directory cannot be used.
    """
    place, descriptor = _take_place(directory)
    _held.append(descriptor)
    # Gauges of a dead predecessor are of its time; its counters go on.
    _remove_gauges(directory, place)
    os.environ[VARIABLE] = str(directory)
    values.MmapedDict = ReservedDict  # type: ignore[assignment, attr-defined]  # theirs
    # prometheus-client's own way for workers that are not known by their process id.
    values.ValueClass = values.MultiProcessValue(  # type: ignore[no-untyped-call]  # theirs
        lambda: place
    )
    return place


def forget_dead(directory: Path) -> None:
    """Removes the gauges of workers that are gone; their counters stay in the sums."""
    for path in directory.glob("place_*.lock"):
        place = int(path.stem.partition("_")[2])
        with _locked(directory, place) as dead:
            if dead:
                _remove_gauges(directory, place)


class SharedMetrics(Collector):
    """All workers' metrics, read from their files at each scrape."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        """The sums; gauges are the sum or the maximum of the workers that live."""
        # A worker that was killed between creating and sizing its file left it empty, which the
        # library's own collector cannot read.
        files = [str(path) for path in sorted(self._directory.glob("*.db")) if _size(path)]
        merged: Iterable[Metric] = multiprocess.MultiProcessCollector.merge(  # type: ignore[no-untyped-call]  # theirs
            files
        )
        return merged


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # gauges of the dead, removed by their replacement just now
        return 0


def _take_place(directory: Path) -> tuple[int, int]:
    for place in range(_MOST):
        descriptor = _lock(directory, place)
        if descriptor is not None:
            return place, descriptor
    raise OSError(f"no place among {_MOST} in {directory}")


def _remove_gauges(directory: Path, place: int) -> None:
    multiprocess.mark_process_dead(  # type: ignore[no-untyped-call]  # theirs
        place, str(directory)
    )


def _lock(directory: Path, place: int) -> int | None:
    descriptor = os.open(
        directory / f"place_{place}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def _locked(directory: Path, place: int) -> Iterator[bool]:
    descriptor = _lock(directory, place)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)

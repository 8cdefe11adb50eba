"""Exemplars of the decisions' histogram: which trace is an example of which bucket.

prometheus-client keeps none where several processes share their numbers. So each worker writes
its own to a file beside its numbers, and whoever answers the scrape puts them on the sums.
"""

import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec
from prometheus_client import Metric
from prometheus_client.core import Exemplar
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from callout.observe.tallies import BOUNDS
from callout.observe.text import clean

FAMILY: Final = "gatewright_decision_seconds"
MOST: Final = 1024
"""Buckets with an exemplar, in one worker: 100 kilobytes. The oldest makes room."""
_NAME: Final = 128
_LARGEST: Final = 1 << 20
"""Bytes of a file that is read."""
_BUCKETS: Final[tuple[str, ...]] = tuple(
    floatToGoString(each)  # type: ignore[no-untyped-call]  # theirs
    for each in (*BOUNDS, float("inf"))
)


class _Kept(msgspec.Struct, array_like=True):
    face: str
    policy: str
    bucket: str
    """The label `le`."""
    trace: str
    seconds: float
    at: float
    """Seconds since 1970."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[_Kept])


class Exemplars:
    """The last traced decision of each bucket, in a file that `flush` writes anew."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._kept: dict[tuple[str, str, str], _Kept] = {}
        self._changed = False

    def add(self, face: str, policy: str, seconds: float, trace: str) -> None:
        """A decision of this trace, 32 hexadecimal digits. Only of traces that are recorded."""
        policy = clean(policy, _NAME)
        bucket = _BUCKETS[bisect_left(BOUNDS, seconds)]
        key = face, policy, bucket
        # Removed first: so the oldest is always the first.
        if self._kept.pop(key, None) is None and len(self._kept) >= MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = _Kept(face, policy, bucket, trace, seconds, time.time())
        self._changed = True

    def flush(self) -> None:
        """Writes what was added since the last time."""
        if self._changed:
            self._changed = False
            new = self._file.with_suffix(".new")
            new.write_bytes(_encoder.encode(list(self._kept.values())))
            new.replace(self._file)


def file_of(directory: Path, place: int) -> Path:
    """Where the worker at this place writes its exemplars."""
    return directory / f"exemplars_{place}.json"


class Exemplified(Collector):
    """What another collector gives, with the latest exemplar of all workers on each bucket."""

    def __init__(self, inner: Collector, directory: Path) -> None:
        self._inner = inner
        self._directory = directory

    def collect(self) -> Iterator[Metric]:
        """The same families, in the same order."""
        for family in self._inner.collect():
            if family.name == FAMILY:
                kept = self._latest()
                family.samples = [
                    sample._replace(exemplar=kept.get(_key(sample.labels)))
                    if sample.name == f"{FAMILY}_bucket"
                    else sample
                    for sample in family.samples
                ]
            yield family

    def _latest(self) -> Mapping[tuple[str, str, str], Exemplar]:
        found: dict[tuple[str, str, str], Exemplar] = {}
        latest = sorted(
            (each for file in self._directory.glob("exemplars_*.json") for each in _read(file)),
            key=lambda each: each.at,
        )
        for each in latest:
            found[each.face, each.policy, each.bucket] = Exemplar(
                {"trace_id": each.trace}, each.seconds, round(each.at, 3)
            )
        return found


def _read(file: Path) -> Iterable[_Kept]:
    try:
        with file.open("rb") as opened:
            return _decoder.decode(opened.read(_LARGEST))
    except (FileNotFoundError, msgspec.DecodeError):
        return ()


def _key(labels: Mapping[str, str]) -> tuple[str, str, str]:
    return labels.get("face", ""), labels.get("policy", ""), labels.get("le", "")

"""Counts on a disk that is full, by what the kernel says of it; tests/faults has a real one."""

import errno
import os
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

from callout.observe import reserved
from callout.observe.reserved import FIRST, ReservedDict

KEYS = [f"series {number} " + "x" * 100 for number in range(1500)]


class Disk:
    """Says how much may be reserved, in place of the kernel."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place = 1 << 30
        self.real = os.posix_fallocate
        monkeypatch.setattr(os, "posix_fallocate", self.reserve)
        monkeypatch.setattr(reserved, "TRY_AGAIN", 0.0)

    def reserve(self, descriptor: int, offset: int, length: int) -> None:
        if length > self.place:
            raise OSError(errno.ENOSPC, "no space left")
        self.real(descriptor, offset, length)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def written(path: Path) -> dict[str, float]:
    return {key: value for key, value, *_ in MmapedDict.read_all_values_from_file(path)}  # type: ignore[no-untyped-call]


def test_every_page_that_is_mapped_has_its_place_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "counter_0.db"
    counts = ReservedDict(str(path))
    for key in KEYS:
        counts.write_value(key, 1.0, 0.0)
    file = path.stat()
    assert file.st_size > FIRST, "it grew"
    # Holes would be touched, and killed for, later.
    assert file.st_blocks * 512 >= file.st_size
    counts.close()


def test_counts_without_place_wait_in_memory_and_none_is_lost(disk: Disk, tmp_path: Path) -> None:
    path = tmp_path / "counter_0.db"
    counts = ReservedDict(str(path))
    disk.place = FIRST
    for round_ in (1.0, 2.0):
        for key in KEYS:
            counts.write_value(key, round_, 0.0)
    seen = written(path)
    assert 0 < len(seen) < len(KEYS)
    assert set(seen.values()) == {2.0}
    assert all(counts.read_value(key) == (2.0, 0.0) for key in KEYS)

    disk.place = 1 << 30
    counts.write_value(KEYS[0], 3.0, 0.0)
    assert written(path) == dict.fromkeys(KEYS, 2.0) | {KEYS[0]: 3.0}
    counts.close()


def test_a_disk_that_is_full_at_the_start_is_used_once_it_has_place(
    disk: Disk, tmp_path: Path
) -> None:
    path = tmp_path / "counter_0.db"
    disk.place = 0
    counts = ReservedDict(str(path))
    counts.write_value("series", 5.0, 0.0)
    assert counts.read_value("series") == (5.0, 0.0)
    assert path.stat().st_size == 0
    disk.place = 1 << 30
    counts.write_value("series", 6.0, 0.0)
    assert written(path) == {"series": 6.0}
    counts.close()


def test_a_file_system_that_cannot_reserve_is_used_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "not here")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    counts = ReservedDict(str(tmp_path / "counter_0.db"))
    for key in KEYS:
        counts.write_value(key, 1.0, 0.0)
    assert written(tmp_path / "counter_0.db") == dict.fromkeys(KEYS, 1.0)
    counts.close()

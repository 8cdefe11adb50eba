"""Compiled databases are kept on disk, and read only where nobody else could have written."""

import os
import threading
from pathlib import Path

import pytest

from waf.matcher import cache as module
from waf.matcher.cache import Cache


def test_what_was_written_is_read(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "made")

    assert cache.read(b"key") is None
    assert cache.write(b"key", b"database")
    assert cache.read(b"key") == b"database"
    assert cache.read(b"other") is None
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o700


def test_a_file_that_was_changed_or_moved_is_not_read(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.write(b"key", b"database")
    cache.write(b"other", b"another")
    one, other = (cache._path(key) for key in (b"key", b"other"))
    one.write_bytes(one.read_bytes()[:-1] + b"X")
    other.replace(cache._path(b"moved"))

    assert cache.read(b"key") is None
    assert cache.read(b"moved") is None


def test_a_file_that_others_may_write_is_not_read(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.write(b"key", b"database")
    cache._path(b"key").chmod(0o666)

    assert cache.read(b"key") is None


def test_a_folder_that_others_may_write_is_not_used(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.write(b"key", b"database")
    tmp_path.chmod(0o777)

    assert cache.read(b"key") is None
    assert not cache.write(b"key", b"database")


def test_a_folder_of_somebody_else_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path)
    cache.write(b"key", b"database")
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)

    assert cache.read(b"key") is None
    assert not cache.write(b"key", b"database")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.write(b"key", b"database")
    real = cache._path(b"key")
    real.rename(tmp_path / "elsewhere")
    real.symlink_to(tmp_path / "elsewhere")

    assert cache.read(b"key") is None


def test_the_oldest_files_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 2)
    cache = Cache(tmp_path)
    for age, key in ((30, b"a"), (20, b"b"), (0, b"c")):
        cache.write(key, key)
        os.utime(cache._path(key), (1_000_000 - age, 1_000_000 - age))
    cache.write(b"d", b"d")

    assert [key for key in (b"a", b"b", b"c", b"d") if cache.read(key)] == [b"c", b"d"]


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    assert not Cache(tmp_path / "file" / "folder").write(b"key", b"database")


def test_who_comes_second_waits_and_finds_what_the_first_made(tmp_path: Path) -> None:
    first, second = Cache(tmp_path / "made"), Cache(tmp_path / "made")
    found: list[bytes | None] = []

    def wait() -> None:
        with second.alone():
            found.append(second.read(b"key"))

    with first.alone():
        other = threading.Thread(target=wait)
        other.start()
        assert found == []
        first.write(b"key", b"database")
    other.join(10)

    assert found == [b"database"]


def test_nobody_waits_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = Cache(tmp_path / "file" / "folder")

    with cache.alone(), cache.alone():
        assert cache.read(b"key") is None

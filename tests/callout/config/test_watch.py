"""The watcher on a real directory: every wait is bounded, and ends when the thing happened."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callout.config import watch
from callout.config.bundle import Bundle, read_directory
from callout.config.problems import Rejected
from callout.config.watch import Watcher
from tests.callout.config.test_bundle import config_map, write

WAIT = 20.0


class Heard:
    """What a watcher handed over."""

    def __init__(self, directory: Path, seen: str | None = None) -> None:
        self.queue: asyncio.Queue[Bundle | Rejected] = asyncio.Queue()
        self.watcher = Watcher(directory, self.queue.put, seen)

    async def next(self) -> Bundle | Rejected:
        return await asyncio.wait_for(self.queue.get(), WAIT)

    async def files(self) -> dict[str, bytes]:
        bundle = await self.next()
        assert isinstance(bundle, Bundle), bundle
        return dict(bundle.files)

    async def until(self, files: dict[str, bytes]) -> None:
        """Skips what was seen on the way."""
        while True:
            bundle = await self.next()
            if isinstance(bundle, Bundle) and dict(bundle.files) == files:
                return


@contextlib.asynccontextmanager
async def watching(directory: Path, seen: str | None = None) -> AsyncIterator[Heard]:
    heard = Heard(directory, seen)
    task = asyncio.create_task(heard.watcher.run())
    try:
        yield heard
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_changes_are_handed_over(tmp_path: Path) -> None:
    write(tmp_path, a="1")
    async with watching(tmp_path) as heard:
        assert await heard.files() == {"a": b"1"}
        write(tmp_path, a="2", b="2")
        await heard.until({"a": b"2", "b": b"2"})
        (tmp_path / "a").unlink()
        await heard.until({"b": b"2"})


async def test_a_config_map_that_turns_is_handed_over_once(tmp_path: Path) -> None:
    config_map(tmp_path, "1", **{"a": "1", "b/c": "1"})
    async with watching(tmp_path) as heard:
        assert await heard.files() == {"a": b"1", "b/c": b"1"}
        config_map(tmp_path, "2", **{"a": "2", "b/c": "2"})
        shutil.rmtree(tmp_path / "..1")
        assert await heard.files() == {"a": b"2", "b/c": b"2"}
        heard.watcher.reload_now()
        assert await heard.files() == {"a": b"2", "b/c": b"2"}
        assert heard.queue.empty()


async def test_what_was_read_before_is_no_news_but_what_changed_since_is(tmp_path: Path) -> None:
    write(tmp_path, a="1")
    read = read_directory(tmp_path)
    assert isinstance(read, Bundle)
    async with watching(tmp_path, read.digest) as heard:
        heard.watcher.reload_now()
        assert await heard.files() == {"a": b"1"}
        assert heard.queue.empty()
    write(tmp_path, a="2")
    async with watching(tmp_path, read.digest) as heard:
        assert await heard.files() == {"a": b"2"}


async def test_a_directory_may_come_late_and_go_and_come_again(tmp_path: Path) -> None:
    directory = tmp_path / "bundle"
    async with watching(directory) as heard:
        assert isinstance(await heard.next(), Rejected)
        write(directory, a="1")
        await heard.until({"a": b"1"})
        shutil.rmtree(directory)
        while not isinstance(await heard.next(), Rejected):
            pass
        write(directory, a="2")
        await heard.until({"a": b"2"})


async def test_a_root_that_is_a_link_may_be_turned(tmp_path: Path) -> None:
    write(tmp_path, **{"one/a": "1", "two/a": "2"})
    link = tmp_path / "link"
    link.symlink_to("one")
    async with watching(link) as heard:
        assert await heard.files() == {"a": b"1"}
        link.unlink()
        link.symlink_to("two")
        await heard.until({"a": b"2"})


async def test_a_content_that_is_touched_a_thousand_times_is_handed_over_once(
    tmp_path: Path,
) -> None:
    write(tmp_path, a="broken: [")
    async with watching(tmp_path) as heard:
        assert await heard.files() == {"a": b"broken: ["}
        for _ in range(1_000):
            os.utime(tmp_path / "a")
            await asyncio.sleep(0.001)
        write(tmp_path, a="good")
        assert await heard.files() == {"a": b"good"}
        assert heard.queue.empty()


async def test_an_hour_without_a_change_costs_no_look_at_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []
    hour_over = asyncio.Event()

    async def quiet_hour(*_: object, **__: object) -> AsyncIterator[set[object]]:
        # What the system says each second in which nothing changes.
        for _second in range(3_600):
            await asyncio.sleep(0)
            yield set()
        hour_over.set()
        await asyncio.Event().wait()

    def counted(directory: Path) -> object:
        reads.append(directory)
        return read(directory)

    read = watch._read
    monkeypatch.setattr(watch, "_read", counted)
    monkeypatch.setattr(watch.watchfiles, "awatch", quiet_hour)
    write(tmp_path, a="broken: [")
    async with watching(tmp_path) as heard:
        assert await heard.files() == {"a": b"broken: ["}
        await asyncio.wait_for(hour_over.wait(), WAIT)
        await asyncio.sleep(2 * watch.SETTLE)
        # Twice at the start, until two reads in a row were the same, and in the first quiet second.
        assert len(reads) <= 4
        assert heard.queue.empty()


async def test_files_that_editors_leave_and_rename_over_change_nothing_or_all(
    tmp_path: Path,
) -> None:
    write(tmp_path, a="1")
    async with watching(tmp_path) as heard:
        assert await heard.files() == {"a": b"1"}
        write(tmp_path, **{".a.swp": "x", ".#a": "x", "..a~": "x"})
        (tmp_path / ".new").write_text("2")
        (tmp_path / ".new").rename(tmp_path / "a")
        assert await heard.files() == {"a": b"2"}
        assert heard.queue.empty()


async def test_a_file_that_is_gone_for_a_moment_was_never_gone(tmp_path: Path) -> None:
    write(tmp_path, a="1", b="1")
    async with watching(tmp_path) as heard:
        assert await heard.files() == {"a": b"1", "b": b"1"}
        for _ in range(3):
            (tmp_path / "b").rename(tmp_path / ".b")
            await asyncio.sleep(0.02)
            (tmp_path / ".b").rename(tmp_path / "b")
            await asyncio.sleep(0.3)
        write(tmp_path, a="2")
        assert await heard.files() == {"a": b"2", "b": b"1"}


@pytest.mark.parametrize("error", [OSError("no"), MemoryError(), RecursionError()])
async def test_whatever_fails_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(watch, "RETRY", 0.1)
    write(tmp_path, a="1")
    failures: list[None] = []
    taken = asyncio.Event()

    async def fails_twice(_: Bundle | Rejected) -> None:
        if len(failures) < 2:
            raise error
        taken.set()

    watcher = Watcher(tmp_path, fails_twice, on_failure=lambda: failures.append(None))
    task = asyncio.create_task(watcher.run())
    await asyncio.wait_for(taken.wait(), WAIT)
    assert len(failures) == 2
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_where_the_system_tells_of_no_changes_the_files_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_watches(*_: object, **__: object) -> None:
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr(watch, "POLL", 0.1)
    monkeypatch.setattr(watch.watchfiles, "awatch", no_watches)
    write(tmp_path, a="1")
    async with watching(tmp_path) as heard:
        assert await heard.files() == {"a": b"1"}
        write(tmp_path, a="2", **{"sub/b": "2"})
        await heard.until({"a": b"2", "sub/b": b"2"})

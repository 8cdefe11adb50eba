import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from callout.observe.line_writer import PAUSE, LineWriter
from callout.observe.outputs import FileOutput


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def dropped(lines: int) -> str:
    return f"dropped {lines}"


def test_lines_come_in_order_and_all_of_them(pipe: tuple[int, int]) -> None:
    writer = LineWriter[int](pipe[1], str, dropped)
    for number in range(1000):
        writer.put(number)
    writer.close()
    os.close(pipe[1])
    with os.fdopen(os.dup(pipe[0])) as reader:
        assert reader.read().split() == [str(number) for number in range(1000)]
    assert writer.dropped == 0


def test_a_line_is_written_soon_without_closing(pipe: tuple[int, int]) -> None:
    writer = LineWriter[str](pipe[1], str, dropped)
    for text in ("first", "second"):
        writer.put(text)
        assert os.read(pipe[0], 100) == text.encode() + b"\n"
    writer.close()


def test_a_reader_that_hangs_costs_lines_and_no_waiting(pipe: tuple[int, int]) -> None:
    writer = LineWriter[str](pipe[1], str, dropped, backlog=10)
    os.set_blocking(pipe[0], False)
    # More than the pipe holds: the thread hangs in its write.
    for _ in range(40):
        writer.put("x" * 4000)
        time.sleep(0.03) if len(writer._waiting) > 8 and not writer.dropped else None
    started = time.monotonic()
    for _ in range(1000):
        writer.put("x" * 4000)
    assert time.monotonic() - started < 1
    assert writer.dropped >= 900
    seen = b""
    end = time.monotonic() + 10
    while f"dropped {writer.dropped}".encode() not in seen and time.monotonic() < end:
        with suppress(BlockingIOError):
            seen += os.read(pipe[0], 65536)
        if b"dropped" in seen:
            break
        time.sleep(0.001)
    assert b"dropped " in seen
    writer.close()


def test_lines_that_nobody_reads_when_all_ends_are_counted(pipe: tuple[int, int]) -> None:
    writer = LineWriter[str](pipe[1], str, dropped)
    os.close(pipe[0])
    writer.put("into the void")
    writer.put("more")
    writer.close()
    assert writer.dropped == 2


def test_a_reader_that_comes_back_gets_what_waited_and_how_many_are_missing(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    descriptor = os.open(tmp_path / "fifo", os.O_WRONLY)
    writer = LineWriter[str](descriptor, str, dropped, backlog=5)
    os.close(reader)
    for number in range(20):
        writer.put(f"line {number}")
        if number == 0:
            until(lambda: writer._chunk_items == 1)
    again = os.open(tmp_path / "fifo", os.O_RDONLY)
    expected = [f"line {number}" for number in range(6)] + ["dropped 14"]
    seen = b""
    while seen.count(b"\n") < len(expected):
        seen += os.read(again, 65536)
    assert seen.decode().splitlines() == expected
    writer.close()
    os.close(again)
    os.close(descriptor)


def test_a_file_that_may_not_grow_is_written_on_where_it_stopped(tmp_path: Path) -> None:
    """RLIMIT_FSIZE stands for a full disk: it needs no disk, and cuts a write in the same way."""
    path = tmp_path / "lines"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, most))
    try:
        writer = LineWriter[str](descriptor, str, dropped, backlog=100)
        for number in range(300):
            writer.put(f"line number {number}")
        until(lambda: writer.dropped > 0 and path.stat().st_size == 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    until(lambda: path.read_text().endswith(f"dropped {writer.dropped}\n"))
    lines = path.read_text().splitlines()
    assert lines[:-1] == [f"line number {number}" for number in range(300 - writer.dropped)]
    writer.close()
    os.close(descriptor)


def test_a_full_device_costs_lines_and_no_waiting() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    writer = LineWriter[str](descriptor, str, dropped, backlog=10)
    started = time.monotonic()
    for _ in range(1000):
        writer.put("x" * 4000)
    assert time.monotonic() - started < 1
    writer.close()
    assert writer.dropped == 1000
    os.close(descriptor)


def test_a_pipe_that_does_not_wait_is_waited_for(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    writer = LineWriter[str](pipe[1], str, dropped)
    for number in range(200):
        writer.put(f"{number:04000}")
    seen = b""
    while seen.count(b"\n") < 200:
        seen += os.read(pipe[0], 65536)
    assert [int(each) for each in seen.split()] == list(range(200))
    writer.close()


def test_a_line_that_cannot_be_made_is_one_line(pipe: tuple[int, int]) -> None:
    def render(number: int) -> str:
        return str(1 // number)

    writer = LineWriter[int](pipe[1], render, dropped)
    for number in (1, 0, 1):
        writer.put(number)
    writer.close()
    text = os.read(pipe[0], 1000).decode()
    assert text == "1\na line cannot be rendered: ZeroDivisionError\n1\n"


def test_text_that_cannot_be_encoded_is_still_written(pipe: tuple[int, int]) -> None:
    writer = LineWriter[str](pipe[1], str, dropped)
    writer.put("a\ud800b")
    writer.close()
    assert os.read(pipe[0], 100) == b"a?b\n"


def test_a_place_that_is_away_is_tried_again_and_no_line_is_lost(tmp_path: Path) -> None:
    away = tmp_path / "folder"
    away.mkdir()
    output = FileOutput(away / "lines")
    output.close()
    away.rename(tmp_path / "moved")
    writer = LineWriter[int](output, str, dropped)
    for number in range(3):
        writer.put(number)
    until(lambda: writer.waiting == 3)
    time.sleep(2 * PAUSE)
    assert writer.waiting == 3
    away.mkdir()
    until(lambda: writer.waiting == 0)
    writer.close()

    assert (away / "lines").read_text().split() == ["0", "1", "2"]
    assert writer.dropped == 0

import os
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from callout.observe.line_writer import LineWriter


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


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


def test_a_reader_that_is_gone_ends_nothing_but_the_lines(pipe: tuple[int, int]) -> None:
    writer = LineWriter[str](pipe[1], str, dropped)
    os.close(pipe[0])
    writer.put("into the void")
    writer._thread.join(5)
    writer.put("more")
    writer.close()
    assert writer.dropped >= 1


def test_text_that_cannot_be_encoded_is_still_written(pipe: tuple[int, int]) -> None:
    writer = LineWriter[str](pipe[1], str, dropped)
    writer.put("a\ud800b")
    writer.close()
    assert os.read(pipe[0], 100) == b"a?b\n"

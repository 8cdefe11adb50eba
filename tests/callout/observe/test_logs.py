import io
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import structlog

from callout.observe import logs
from tests.callout.observe.planted import JWT, KEY, PASSWORD, found_in


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _structlog(event: str, **fields: object) -> None:
    structlog.get_logger("callout.test").warning(event, **fields)


def _standard(event: str, **fields: object) -> None:
    logging.getLogger("callout.test").warning(event, extra=fields)


LOGGERS = pytest.mark.parametrize("log", [_structlog, _standard], ids=["structlog", "logging"])
Log = Callable[..., None]


@LOGGERS
def test_json_is_one_object_a_line_with_level_time_and_logger(log: Log) -> None:
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    log("a worker died", pid=7)
    [line] = stream.getvalue().splitlines()
    fields = json.loads(line)
    assert fields.pop("timestamp").endswith("Z")
    assert fields == {
        "event": "a worker died",
        "level": "warning",
        "logger": "callout.test",
        "pid": 7,
    }


@LOGGERS
def test_text_is_readable_and_coloured_on_a_terminal_only(log: Log) -> None:
    stream, terminal = io.StringIO(), Terminal()
    logs.configure("text", "info", stream)
    log("a worker died", pid=7)
    assert "a worker died" in stream.getvalue()
    assert "pid=7" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    logs.configure("text", "info", terminal)
    log("a worker died", pid=7)
    assert "\x1b" in terminal.getvalue()


@LOGGERS
@pytest.mark.parametrize("style", ["json", "text"])
def test_planted_secrets_are_not_written(log: Log, style: str) -> None:
    stream = io.StringIO()
    logs.configure(style, "info", stream)  # type: ignore[arg-type]
    log(f"cannot reach redis://:{PASSWORD}@redis", authorization=f"Bearer {JWT}", pid=1)
    log("refused", token=PASSWORD, nested={"client_secret": [PASSWORD]}, key_file=KEY)
    log("headers were", headers={"cookie": PASSWORD}, raw=PASSWORD.encode(), text=f"x {JWT} y")
    assert not found_in(stream.getvalue())
    assert len(stream.getvalue().splitlines()) == 3


@pytest.mark.parametrize("style", ["json", "text"])
def test_a_secret_in_an_exception_is_not_written(style: str) -> None:
    stream = io.StringIO()
    logs.configure(style, "info", stream)  # type: ignore[arg-type]
    secret_local = PASSWORD
    try:
        raise ValueError(f"bad token {JWT} at redis://:{secret_local}@redis")
    except ValueError:
        structlog.get_logger("x").exception("failed")
        logging.getLogger("x").exception("failed")
    assert stream.getvalue().count("Traceback") == 2
    assert not found_in(stream.getvalue())


@LOGGERS
@pytest.mark.parametrize("style", ["json", "text"])
def test_no_value_forges_a_line_or_reaches_the_terminal(log: Log, style: str) -> None:
    stream = io.StringIO()
    logs.configure(style, "info", stream)  # type: ignore[arg-type]
    evil = "x\n12:00:00 [error] forged\r\x1b[2J\u2028\ud800"
    log(f"peer said {evil}", what=evil, deep={evil: [evil]})
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()
    stream.getvalue().encode()


def test_no_line_of_a_traceback_passes_for_a_log_line() -> None:
    stream = io.StringIO()
    logs.configure("text", "info", stream)
    try:
        raise ValueError("x\n12:00:00 [error    ] forged\x1b[2J")
    except ValueError:
        structlog.get_logger("x").exception("failed")
    first, *rest = stream.getvalue().splitlines()
    assert "failed" in first
    assert all(line.startswith("    ") for line in rest)
    assert "\x1b" not in stream.getvalue()


@LOGGERS
def test_the_level_changes_while_running(log: Log) -> None:
    stream = io.StringIO()
    logs.configure("json", "error", stream)
    log("unseen")
    logs.set_level("warning")
    log("seen")
    logs.set_level("error")
    log("unseen")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["seen"]


def test_an_unknown_level_is_an_error() -> None:
    with pytest.raises(KeyError):
        logs.configure("json", "loud", io.StringIO())


def test_arguments_of_a_message_are_filled_in() -> None:
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    logging.getLogger("x").warning("redis: %s after %d", "gone", 3)
    structlog.get_logger("x").warning("redis: %s after %d", "gone", 3)
    assert [json.loads(each)["event"] for each in stream.getvalue().splitlines()] == [
        "redis: gone after 3"
    ] * 2


def test_configuring_again_does_not_write_lines_twice() -> None:
    stream = io.StringIO()
    for _ in range(3):
        logs.configure("json", "info", stream)
    logging.getLogger("x").warning("once")
    assert len(stream.getvalue().splitlines()) == 1


def test_logs_go_to_standard_error_unless_told_otherwise(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("json", "info")
    logging.getLogger("x").warning("there")
    written = capsys.readouterr()
    assert json.loads(written.err)["event"] == "there"
    assert written.out == ""


def test_a_full_device_raises_nothing_and_makes_nobody_wait() -> None:
    with open("/dev/full", "w") as full:
        logs.configure("json", "info", full)
        started = time.monotonic()
        for number in range(2000):
            structlog.get_logger("callout.test").error("failed", number=number)
        assert time.monotonic() - started < 5
        logging.getLogger().handlers[0].close()


def test_a_reader_that_hangs_makes_nobody_wait() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        logs.configure("json", "info", stream)
        started = time.monotonic()
        for number in range(5000):
            structlog.get_logger("callout.test").error("x" * 100, number=number)
        assert time.monotonic() - started < 5
        os.close(reading)
        logging.getLogger().handlers[0].close()


def test_lines_of_a_process_that_ends_are_written() -> None:
    program = (
        "import sys; from callout.observe import logs; import structlog;"
        "logs.configure('json', 'info', sys.stderr);"
        "[structlog.get_logger('x').info('line', number=n) for n in range(500)]"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert [json.loads(each)["number"] for each in done.stderr.splitlines()] == list(range(500))

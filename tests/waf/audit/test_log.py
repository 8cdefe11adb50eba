"""The audit log as it is written: to files that others rotate, never waited for."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from select import PIPE_BUF

import pytest

from callout.observe import outputs
from callout.observe.outputs import FileOutput, OwnOutput, SharedOutput
from tests.waf.engine import head, rules, run
from waf.audit.json_line import json_line
from waf.audit.log import AuditLog
from waf.audit.record import record
from waf.transaction import Transaction

LOUD = (
    "SecAuditEngine RelevantOnly\n"
    'SecRule ARGS "@rx attack" "id:7,phase:1,deny,log,msg:\'Found one\'"\n'
)


def attacked(more: str = "", target: bytes = b"/?q=attack") -> Transaction:
    return run(rules(more + LOUD), head(target))


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_only_what_is_wanted_is_written_a_json_line_each(tmp_path: Path) -> None:
    log = AuditLog([FileOutput(tmp_path / "audit.log")])
    for target in (b"/?q=attack", b"/?q=fine", b"/?q=attack"):
        log.put(attacked(target=target))
    log.close(10)

    lines = (tmp_path / "audit.log").read_text().splitlines()
    assert [json.loads(line)["transaction"]["interruption"]["rule"] for line in lines] == [7, 7]
    assert (log.records, log.dropped) == (2, 0)


@pytest.mark.parametrize(
    ("directive", "form", "begins"),
    [
        ("", None, "{"),
        ("SecAuditLogFormat Native\n", None, "--unique1-A--"),
        ("SecAuditLogFormat JSON\n", "native", "--unique1-A--"),
        ("SecAuditLogFormat Native\n", "json", "{"),
    ],
)
def test_the_format_is_the_rules_unless_it_is_set(
    tmp_path: Path, directive: str, form: str | None, begins: str
) -> None:
    log = AuditLog([FileOutput(tmp_path / "audit.log")], form)  # type: ignore[arg-type]  # rows
    log.put(attacked(directive))
    log.close(10)

    assert (tmp_path / "audit.log").read_text().startswith(begins)


def test_several_outputs_have_all_of_it(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("a", "b")]
    log = AuditLog([FileOutput(each) for each in places])
    log.put(attacked())
    log.close(10)

    first, second = (each.read_text() for each in places)
    assert first == second != ""


def test_a_file_that_is_rotated_by_its_name_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "LOOK_EVERY", 0.0)
    place, rotated = tmp_path / "audit.log", tmp_path / "audit.log.1"
    log = AuditLog([FileOutput(place)])
    log.put(attacked())
    until(lambda: place.read_text() != "")
    place.rename(rotated)
    log.put(attacked())
    until(lambda: place.exists() and place.read_text() != "")
    log.close(10)

    assert len(rotated.read_text().splitlines()) == len(place.read_text().splitlines()) == 1


def test_a_reader_that_hangs_costs_records_and_no_request_waits() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    while True:
        try:
            os.write(writer, b"x" * 4096)
        except BlockingIOError:
            break
    log = AuditLog([OwnOutput(writer)], most_waiting=10)
    transaction = attacked()
    for _ in range(100):
        log.put(transaction)

    # What the thread took before it began to wait is few.
    assert (log.records, 40 < log.dropped <= 90) == (100, True)
    log.close(5)
    os.close(writer)
    os.close(reader)


def test_workers_that_write_long_records_to_one_pipe_take_turns(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    lock = tmp_path / "lock"
    logs = [AuditLog([SharedOutput(writer, lock)]) for _ in range(2)]
    fields = tuple((b"x-%d" % number, b"y" * 500) for number in range(20))
    request = head(b"/?q=attack", fields=fields)
    transaction = run(rules("SecAuditLogParts ABHZ\n" + LOUD), request)
    assert len(json_line(record(transaction))) > PIPE_BUF
    for _ in range(20):
        for log in logs:
            log.put(transaction)
    read = bytearray()
    while read.count(b"\n") < 40:
        read += os.read(reader, 65536)
    for log in logs:
        log.close(5)

    assert all(json.loads(line) for line in read.splitlines())
    os.close(writer)
    os.close(reader)


def test_what_was_dropped_is_told_once_records_can_be_written_again(tmp_path: Path) -> None:
    place = tmp_path / "folder" / "audit.log"
    place.parent.mkdir()
    output = FileOutput(place)
    log = AuditLog([output], most_waiting=0)
    log.put(attacked())
    log.close(5)

    assert json.loads(place.read_text()) == {"dropped": 1}

"""The instruments: h2load's report, processor time, the goals, the place of the results."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.load import h2load, measure, payloads, report
from tests.load.processes import DidNotStart, Process, free_port, running
from tests.load.scenarios import Goal, SideGoal

REPORT = """
finished in 24.91ms, 4014.29 req/s, 270.18KB/s
requests: 100 total, 100 started, 100 done, 100 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 100 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 6.73KB (6892) total, 900B (900) headers (space savings 88.89%), 1.03KB (1055) data
                     min         max         mean         sd        +/- sd
time for request:     2.48ms     23.73ms     13.62ms      6.25ms    57.00%
"""


def test_the_closing_lines_of_h2load_are_read() -> None:
    outcome = h2load.parse(REPORT)
    assert (outcome.requests, outcome.body_bytes) == (100, 1055)
    assert outcome.seconds == pytest.approx(0.02491)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("100 succeeded, 0 failed", "99 succeeded, 1 failed"),
        ("100 done", "99 done"),
        ("100 2xx", "99 2xx"),
        ("traffic:", "tariff:"),
    ],
)
def test_a_run_with_losses_is_no_measurement(right: str, wrong: str) -> None:
    with pytest.raises(h2load.LoadFailed):
        h2load.parse(REPORT.replace(right, wrong))


def test_processor_time_includes_children_living_and_dead() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass\n"
    parent = (
        "import subprocess, sys, time\n"
        f"subprocess.run([sys.executable, '-c', {burn!r}])\n"
        f"child = subprocess.Popen([sys.executable, '-c', {burn + 'time.sleep(60)'!r}])\n"
        "print('ready', flush=True)\n"
        "child.wait()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            end = time.monotonic() + 30
            # Twice 0.3 s, each in whole ticks of 10 ms that are cut off.
            while (spent := Process("it", child.pid).cpu_seconds()) < 0.55:
                assert time.monotonic() < end, spent
                time.sleep(0.02)
        finally:
            os.killpg(child.pid, signal.SIGKILL)


def test_a_service_that_ends_at_once_is_reported_with_what_it_said() -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such bundle')"]
    with (
        pytest.raises(DidNotStart, match="no such bundle"),
        running("it", command, free_port(), core=0),
    ):
        pytest.fail("it has not started")


def test_goals_compare_processor_time_in_one_run() -> None:
    series = {
        "ours": measure.Series("ours", [measure.Sample(1.0, 30.0, {"redis": 3.0})]),
        "theirs": measure.Series("theirs", [measure.Sample(1.0, 120.0, {})]),
    }
    assert measure.verdict(Goal("ours", 1 / 4, "theirs", "a quarter"), series, True).reached
    assert not measure.verdict(Goal("ours", 1 / 5, "theirs", "a fifth"), series, True).reached
    assert measure.verdict(SideGoal("ours", "redis", 4.0, "Redis'"), series, True).reached
    assert not measure.verdict(SideGoal("ours", "redis", 2.0, "Redis'"), series, True).reached
    for goal in (Goal("ours", 1 / 4, "theirs", "a quarter"), SideGoal("ours", "redis", 4.0, "")):
        assert measure.verdict(goal, series, False).reached is None


def test_results_replace_only_what_stands_between_the_markers(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write(file, "new\n")
    assert file.read_text() == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"
    file.write_text("no place")
    with pytest.raises(report.NoMarkers):
        report.write(file, "new\n")


def test_the_measured_check_is_a_browsers_request() -> None:
    exchange = payloads.check()
    assert 1_100 < len(exchange.allowed) < 1_300
    assert len(payloads.check_message("host", "user").attributes.request.http.headers) == 16

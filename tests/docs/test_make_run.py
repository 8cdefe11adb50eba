"""`make run`, as README.md says it: four commands to try, decisions as they happen, Ctrl-C."""

import os
import queue
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from callout.testing import tools
from tests.docs import pages
from tests.docs.pages import ROOT
from tests.end_to_end.conftest import children, until
from tests.end_to_end.trials import ends

READY_WITHIN = 90.0
"""Seconds; the second run of a clone takes three, on an idle machine."""
LAST_LINE = "Decisions, as they happen"


class Trial(NamedTuple):
    name: str
    status: str
    command: str


class Run:
    """The command in a session of its own, as a terminal starts it."""

    def __init__(self) -> None:
        (block,) = (each for each in pages.of_kind("command") if each.text.startswith("make run"))
        self.lines: list[str] = []
        self._queue: queue.Queue[str] = queue.Queue()
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec {block.text}"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=pages.fresh_environ(),
        )
        threading.Thread(target=self._pump, daemon=True).start()

    def _pump(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))

    def read_until(self, pattern: str, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not any(re.search(pattern, line) for line in self.lines):
            assert time.monotonic() < end, f"no line has {pattern}: {self.lines}"
            assert self.process.poll() is None, self.lines
            try:
                self.lines.append(self._queue.get(timeout=0.2))
            except queue.Empty:
                continue

    def trials(self) -> list[Trial]:
        found = []
        for title, command in zip(self.lines, self.lines[1:], strict=False):
            if match := re.fullmatch(r"  # (\w+): .* -> (\d+)", title):
                found.append(Trial(match[1], match[2], command.strip()))
        return found

    def family(self) -> list[int]:
        """All processes under it."""
        found = []
        waiting = [self.process.pid]
        while waiting:
            below = [pid for pid, _ in children(waiting.pop())]
            found += below
            waiting += below
        return found


@pytest.fixture
def run() -> Iterator[Run]:
    tools.require("envoy")
    running = Run()
    yield running
    if running.process.poll() is None:
        os.killpg(running.process.pid, signal.SIGKILL)
        running.process.wait()


@pytest.mark.timeout(180)
def test_make_run_starts_everything_and_ctrl_c_stops_it(run: Run) -> None:
    run.read_until(LAST_LINE, READY_WITHIN)
    trials = run.trials()
    assert [each.name for each in trials] == ["allowed", "denied", "attacked", "limited"]
    for trial in trials:
        assert ends(trial.command, trial.status), trial
    run.read_until(r"ALLOW +authz alice +GET \S+/orders +shop +rego", 10)
    run.read_until(r"DENY +authz alice +GET \S+/admin/prices +staff +rego", 10)
    run.read_until(r"DENY +limit 127\.0\.0\.1 +GET \S+/search +search +over_limit", 10)

    family = run.family()
    assert len(family) >= 3, "the command, a worker, Envoy"
    os.killpg(run.process.pid, signal.SIGINT)

    run.process.wait(30)
    until(lambda: not [pid for pid in family if _lives(pid)])


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

"""`gatewright up` as a user starts it: another process, a real Envoy in front."""

import http.client
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from callout.testing import tools

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "gateway-config"
START_WITHIN = 90.0
"""Seconds; the first use of Rego that brings no plan builds the compiler."""


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def seen(self) -> dict[str, Any]:
        """What the sample upstream saw."""
        document: dict[str, Any] = json.loads(self.body)
        return document


class Up:
    """One running `gatewright up --json`."""

    def __init__(self, *flags: str, environ: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gatewright", "up", "--json", "--port", "0", *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **(environ or {})},
        )
        self.errors: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        for stream, put in (
            (self.process.stdout, self._lines.put),
            (self.process.stderr, self.errors.append),
        ):
            threading.Thread(target=_pump, args=(stream, put), daemon=True).start()
        self.ready = self._first_line()
        self.address = self.ready["gateway"].removeprefix("http://")

    def _first_line(self) -> dict[str, Any]:
        end = time.monotonic() + START_WITHIN
        while time.monotonic() < end:
            try:
                document: dict[str, Any] = json.loads(self._lines.get(timeout=0.2))
            except queue.Empty:
                if self.process.poll() is not None:
                    break
            else:
                return document
        self.process.kill()
        raise AssertionError(f"not ready; it said: {self.errors}")

    def request(
        self,
        path: str,
        *,
        method: str = "GET",
        host: str = "shop.example",
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection(self.address, timeout=10)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        sent = {"host": host, **(headers or {})}
        if token is not None:
            sent["authorization"] = (
                f"Bearer {(SAMPLE / 'tokens' / f'{token}.jwt').read_text().strip()}"
            )
        if body is not None:
            sent["content-length"] = str(len(body))
        for name, value in sent.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        answer = Answer(
            response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        )
        connection.close()
        return answer

    def status(self, path: str, **how: Any) -> int:
        return self.request(path, **how).status

    def decision(self, **wanted: object) -> dict[str, Any]:
        """The next decision line that has these fields."""
        end = time.monotonic() + 5
        seen = []
        while time.monotonic() < end:
            try:
                line = json.loads(self._lines.get(timeout=0.2))
            except queue.Empty:
                continue
            seen.append(line)
            if all(line.get(key) == value for key, value in wanted.items()):
                found: dict[str, Any] = line
                return found
        raise AssertionError(f"no decision {wanted} among {seen}")

    def admin(self, path: str) -> tuple[int, str]:
        """The admin port's answer."""
        connection = http.client.HTTPConnection(
            self.ready["admin"].removeprefix("http://"), timeout=10
        )
        connection.request("GET", path)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    def metric(self, line: str) -> float:
        """The value of one series, written as it stands in the exposition; 0 if it is absent."""
        for each in self.admin("/metrics")[1].splitlines():
            if each.startswith(line + " "):
                return float(each.rpartition(" ")[2])
        return 0.0

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        return [
            pid for pid, command in children(self.process.pid) if "gatewright.worker" in command
        ]

    def stop(self) -> int:
        """Ctrl-C; the exit status."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def _pump(stream: Any, put: Callable[[str], None]) -> None:
    for line in stream:
        put(line.rstrip("\n"))


def children(parent: int) -> list[tuple[int, str]]:
    """(process id, command line) of all processes whose parent is `parent`."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if int(stat.rpartition(")")[2].split()[1]) == parent:
            found.append((int(entry.name), command))
    return found


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Waits until the condition holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to be")


@pytest.fixture
def start_up() -> Iterator[Callable[..., Up]]:
    """Starts `gatewright up`; stopped with the test."""
    tools.require("envoy")
    started: list[Up] = []

    def start(*flags: str, environ: Mapping[str, str] | None = None) -> Up:
        started.append(Up(*flags, environ=environ))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.stop()


@pytest.fixture(scope="module")
def shop() -> Iterator[Up]:
    """The sample shop, shared by the tests of a module."""
    tools.require("envoy")
    up = Up()
    yield up
    up.stop()


@pytest.fixture
def own_bundle(tmp_path: Path) -> Path:
    """A copy of the sample bundle that the test may change."""
    copy = tmp_path / "bundle"
    shutil.copytree(SAMPLE / "shop", copy)
    return copy

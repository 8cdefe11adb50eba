"""The disk that takes logs, decision lines and counts is full, while requests come."""

import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import pytest

from callout.testing.requests import check_request
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, kill, policy, write_bundle
from tests.faults.conftest import Back
from tests.faults.load import UNHURRIED, Load, check, slowest

AT_ONCE: float = 0.25
"""Seconds: what nothing delays takes a millisecond, what waits for a neighbour a second."""

SHUT = "auth: {decide: {rego: rego, entrypoint: shop/never}, identity: [{anonymous: {}}]}"
BUNDLE = {
    "all.yaml": policy("all", OPEN) + policy("shut", SHUT, '{host: "*", path: /shut}'),
    **EVERYBODY,
    "rego/never.rego": "package shop\n\nnever := false\n",
}
QUESTIONS = (
    check("open", check_request(path="/a"), True),
    check("shut", check_request(path="/shut"), False),
)


class Disk(Protocol):
    """Where the process under test writes."""

    folder: Path

    def fill(self, serve: Serve) -> None:
        """Nothing more can be written."""
        ...

    def free(self, serve: Serve) -> None:
        """It can again."""
        ...


class SmallDisk:
    """A real one, of a few megabytes of memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, serve: Serve) -> None:
        with (self.folder / "filler").open("wb", buffering=0) as filler:
            for size in (1 << 16, 1 << 12, 1):
                while True:
                    try:
                        filler.write(b"x" * size)
                    except OSError:
                        break

    def free(self, serve: Serve) -> None:
        (self.folder / "filler").unlink()


class Limited:
    """No file may grow (RLIMIT_FSIZE): fails as a full disk does, and needs no right to mount."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, serve: Serve) -> None:
        self._limit(serve, 1)

    def free(self, serve: Serve) -> None:
        self._limit(serve, resource.RLIM_INFINITY)

    def _limit(self, serve: Serve, size: int) -> None:
        for pid in (serve.process.pid, *serve.workers()):
            _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, most))


@pytest.fixture(params=["tmpfs", "limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "limit":
        yield Limited(folder)
        return
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def serve(disk: Disk, tmp_path: Path) -> Iterator[Serve]:
    flags = ("--decisions", "all", "--level", "debug")
    bundle = write_bundle(tmp_path / "bundle", BUNDLE)
    with closing(Serve(disk.folder, bundle, *flags, environ=UNHURRIED)) as running:
        yield running


def lines(serve: Serve) -> list[dict[str, Any]]:
    """The decision lines that were written."""
    found = []
    for each in serve.log.splitlines():
        try:
            document = json.loads(each)
        except ValueError:
            continue  # the supervising process and the worker have one file: a line may be cut
        if document.get("kind") == "decision":
            found.append(document)
    return found


def asked(serve: Serve, holds: Callable[[], bool], seconds: float) -> None:
    """Waits, while requests come."""
    until(holds, seconds)
    assert serve.process.poll() is None


def test_a_full_disk_costs_no_request_and_no_count(disk: Disk, serve: Serve) -> None:
    workers = serve.workers()
    with Load(serve.grpc, QUESTIONS) as load:
        load.until_right(10.0)
        asked(serve, lambda: len(lines(serve)) > 50, 10)
        disk.fill(serve)
        full = time.monotonic()
        stopped = len(serve.log)
        # Series that are new have no place in the files; and a rejected bundle is logged.
        with serve.client() as client:
            for path in ("/a//b", "/a/../b", "/%00"):
                client.check(check_request(path=path))
        serve.signal(signal.SIGHUP)
        asked(serve, lambda: len(load.outcomes(full)) > 600, 20)
        assert len(serve.log) - stopped < 10_000, "it was full"
        assert {each.right for each in load.outcomes(full)} == {True}
        assert slowest(load.outcomes(full)) < load.allowing(AT_ONCE)
        assert serve.admin("/readyz")[0] == 200
        disk.free(serve)
        before = len(lines(serve))
        asked(serve, lambda: len(lines(serve)) > before + 600, 10)
    assert load.wrong_passes() == []
    assert serve.workers() == workers, "none of them died"
    outcomes = load.outcomes()
    every = len(outcomes) + 3
    until(lambda: serve.metric("gatewright_decisions_total", face="authz") == every, 10)
    # What waited was written, nothing of it was lost.
    until(lambda: len(lines(serve)) >= every - 2, 10)
    assert serve.metric("gatewright_decision_lines_dropped_total") == 0


def test_a_worker_that_dies_on_a_full_disk_is_replaced(
    disk: Disk, serve: Serve, back: Back
) -> None:
    with Load(serve.grpc, QUESTIONS) as load:
        load.until_right(10.0)
        until(lambda: serve.metric("gatewright_decisions_total", face="authz") > 50, 10)
        disk.fill(serve)
        counted = serve.metric("gatewright_decisions_total", face="authz")
        (first,) = serve.workers()
        kill(first, signal.SIGKILL)
        until(lambda: serve.workers() not in ([], [first]), 10)
        # A worker that is short of disk needs as long as any to start.
        back("kill -9 of a worker on a full disk", load.until_right(15.0), 15.0)
        assert serve.metric("gatewright_decisions_total", face="authz") >= counted
        disk.free(serve)
        written = len(lines(serve))
        until(lambda: len(lines(serve)) > written + 50, 10)
    assert load.wrong_passes() == []
    assert serve.metric("gatewright_worker_restarts_total") == 1
    assert os.path.exists(f"/proc/{serve.process.pid}")

"""What does not answer is replaced; what is only busy, or was not asked, is not."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from callout.testing.requests import check_request
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, alive, policy, write_bundle

StartServe = Callable[..., Serve]
FROZEN = 1.0


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle", {"open.yaml": policy("open", OPEN), **EVERYBODY})


@pytest.fixture
def start(tmp_path: Path, bundle: Path) -> Iterator[StartServe]:
    with ExitStack() as running:

        def serve(frozen: float = FROZEN, *flags: str) -> Serve:
            environ = {"GATEWRIGHT_FROZEN": str(frozen)}
            started = Serve(tmp_path, bundle, *flags, environ=environ)
            return running.enter_context(closing(started))

        yield serve


def memory(pid: int) -> int:
    """Resident bytes of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_supervisor_that_was_frozen_itself_kills_nobody(start: StartServe) -> None:
    serve = start()
    (worker,) = serve.workers()
    for _ in range(3):
        serve.signal(signal.SIGSTOP)
        time.sleep(2 * FROZEN)
        serve.signal(signal.SIGCONT)
        time.sleep(0.3)
    assert serve.workers() == [worker]
    assert not serve.said("a worker is frozen; it is killed")


def test_both_frozen_at_once_and_continued_go_on(start: StartServe) -> None:
    serve = start()
    (worker,) = serve.workers()
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in (serve.pid, worker):
            os.kill(pid, number)
        time.sleep(2 * FROZEN)
    assert serve.workers() == [worker]


def test_a_worker_that_loads_a_large_bundle_is_busy_and_not_frozen(
    start: StartServe, bundle: Path
) -> None:
    serve = start()
    (worker,) = serve.workers()
    many = "".join(policy(f"p{n}", OPEN, f'{{host: "h{n}.example"}}') for n in range(3000))
    before = serve.config()["digest"]
    write_bundle(bundle, {"many.yaml": many})
    until(lambda: serve.config()["workers"]["0"] not in (before, None), 90)
    assert serve.workers() == [worker]
    assert not serve.said("a worker is frozen; it is killed")


def test_bundles_for_a_frozen_worker_do_not_pile_up_and_it_gets_the_newest(
    start: StartServe, bundle: Path
) -> None:
    serve = start(0)
    (worker,) = serve.workers()
    mebibyte = 1 << 20

    def change(version: int) -> None:
        before = serve.config()["digest"]
        data = f'{{"version": {version}, "filling": "{"x" * 8 * mebibyte}"}}'
        write_bundle(bundle, {"rego/data.json": data})
        until(lambda: serve.config()["digest"] != before, 30)

    change(0)
    until(lambda: serve.config()["workers"]["0"] == serve.config()["digest"], 30)
    os.kill(worker, signal.SIGSTOP)
    try:
        change(1)
        change(2)
        held = memory(serve.pid)
        for version in range(3, 9):
            change(version)
        # Six more of them would be 48 MiB.
        assert memory(serve.pid) < held + 24 * mebibyte
    finally:
        os.kill(worker, signal.SIGCONT)
    until(lambda: serve.config()["workers"]["0"] == serve.config()["digest"], 30)
    with serve.client() as client:
        assert client.check(check_request()).status.code == 0


def test_a_worker_that_is_frozen_while_it_drains_does_not_hold_up_a_stop(
    start: StartServe,
) -> None:
    serve = start()
    (worker,) = serve.workers()
    os.kill(worker, signal.SIGSTOP)
    serve.signal(signal.SIGTERM)
    assert serve.wait(10) == 0
    assert not alive(worker)

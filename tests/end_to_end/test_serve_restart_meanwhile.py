"""What happens while a successor takes its time: it compiles a new policy."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from callout.testing import tools
from callout.testing.requests import check_request
from tests.end_to_end.callers import Callers
from tests.end_to_end.conftest import children, until
from tests.end_to_end.serve import (
    EVERYBODY,
    OPEN,
    START_WITHIN,
    Serve,
    alive,
    kill,
    policy,
    write_bundle,
)


class Slow:
    """A service whose successors take as long as the test wants."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._held = folder / "held"
        opa = folder / "path" / "opa"
        opa.parent.mkdir()
        real = tools.require("opa")
        opa.write_text(
            "#!/bin/sh\n"
            f'while [ "$1" != version -a -e {self._held} ]; do sleep 0.1; done\n'
            f'exec {real} "$@"\n'
        )
        opa.chmod(0o755)
        self._bundle = write_bundle(
            folder / "bundle", {"open.yaml": policy("open", OPEN), **EVERYBODY}
        )
        environ = {"PATH": f"{opa.parent}:/usr/bin:/bin"}
        self.serve = stack.enter_context(closing(Serve(folder, self._bundle, environ=environ)))
        self.before = self.serve.pid

    def begin(self) -> int:
        """SIGUSR2; the successor's process id once it compiles."""
        self._held.touch()
        # No plan of it is in any cache.
        rego = f"package shop\n\nallow := true # {os.urandom(8).hex()}\n"
        write_bundle(self._bundle, {"rego/shop.rego": rego})
        self.serve.signal(signal.SIGUSR2)
        until(lambda: self.serve.said("a successor starts"), START_WITHIN)
        successor = int(self.serve.said("a successor starts")[-1]["pid"])
        until(lambda: any("opa" in each for _, each in children(successor)), START_WITHIN)
        return successor

    def let_go(self) -> None:
        """The compiler goes on."""
        self._held.unlink()

    def finish(self, successor: int) -> None:
        """The successor goes on, and takes over."""
        self.let_go()
        until(lambda: self.serve.said("took over"), START_WITHIN)
        assert self.serve.said("took over")[-1]["pid"] == successor
        until(lambda: not alive(self.before), START_WITHIN)
        self.serve.pid = successor

    def answers(self) -> bool:
        with self.serve.client() as client:
            return bool(client.check(check_request(), timeout=10).status.code == 0)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Slow]:
    with ExitStack() as stack:
        yield Slow(tmp_path, stack)


def test_more_signals_start_no_more_successors_and_end_none(slow: Slow) -> None:
    successor = slow.begin()
    # As `pkill -USR2` does: all who have the name.
    for pid in (slow.before, successor):
        os.kill(pid, signal.SIGUSR2)
        os.kill(pid, signal.SIGHUP)
    until(lambda: len(slow.serve.said("no restart")) == 2)
    slow.finish(successor)
    assert len(slow.serve.said("a successor starts")) == 1
    assert slow.answers()


def test_a_successor_that_is_asked_to_stop_ends_and_the_predecessor_goes_on(slow: Slow) -> None:
    successor = slow.begin()
    os.kill(successor, signal.SIGTERM)
    until(lambda: not alive(successor))
    until(lambda: slow.serve.said("the successor failed; this process goes on"))
    assert slow.answers()
    slow.let_go()
    assert slow.serve.process.poll() is None
    assert not slow.serve.said("took over")


def test_a_predecessor_that_is_killed_meanwhile_is_succeeded_all_the_same(slow: Slow) -> None:
    successor = slow.begin()
    workers = slow.serve.workers()
    kill(slow.before, signal.SIGKILL)
    slow.serve.process.wait()
    until(lambda: not any(map(alive, workers)))
    # Nobody is refused: who comes now waits.
    callers = Callers(1, lambda: slow.answers)
    try:
        slow.finish(successor)
    finally:
        seen = callers.stop()
    assert set(seen) == {True}
    slow.serve.signal(signal.SIGTERM)
    until(lambda: not alive(successor))


def test_what_is_counted_meanwhile_is_not_lost(slow: Slow) -> None:
    successor = slow.begin()
    (worker,) = slow.serve.workers()
    kill(worker, signal.SIGKILL)
    until(lambda: slow.serve.metric("gatewright_worker_restarts_total") == 1)
    slow.finish(successor)
    assert slow.serve.metric("gatewright_worker_restarts_total") == 1


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2, signal.SIGINT])
def test_a_signal_to_all_processes_kills_no_worker(slow: Slow, number: signal.Signals) -> None:
    """`systemctl kill` sends to all."""
    (worker,) = slow.serve.workers()
    callers = Callers(1, lambda: slow.answers)
    try:
        kill(worker, number)
        if number is signal.SIGINT:  # as SIGTERM: it goes when another one answers
            until(lambda: slow.serve.workers() not in ([], [worker]), 30)
            until(lambda: not alive(worker), 30)
        else:
            before = callers.seen[True]
            until(lambda: callers.seen[True] > before + 20, 30)
            assert alive(worker)
    finally:
        seen = callers.stop()
    assert set(seen) == {True}
    assert not slow.serve.said("a worker died")

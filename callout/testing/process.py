"""A real program as a child process: started, awaited, stopped, frozen, killed."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from callout.serve.tied import tied

START_WITHIN = 20.0
"""Seconds: all these programs need well under one; a loaded machine may need a few."""
STOP_WITHIN = 5.0
"""Seconds after SIGTERM, before SIGKILL."""


class DidNotStart(RuntimeError):
    """The program ended or was not ready in time; the text has the end of its output."""


class Process:
    """One child process; its output goes to a file."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        ready: Callable[[], bool],
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Starts it and waits until it is ready.

        Args:
            command: the executable and its arguments.
            log: where its output is written.
            ready: asked every few milliseconds; an `OSError` that it raises means "not yet".
            environ: added to our own environment.

        Raises:
            DidNotStart: It ended, or is not ready after `START_WITHIN` seconds.
        """
        self._command = [str(part) for part in command]
        self._log = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                tied(self._command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environ or {})},
                start_new_session=True,
            )
        try:
            self._wait(ready)
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended (a frozen process has not)."""
        return self._child.poll() is None

    @property
    def logs(self) -> str:
        """All that it wrote so far."""
        return self._log.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal; one that has ended gets none."""
        if self.running:
            self._child.send_signal(number)

    def freeze(self) -> None:
        """SIGSTOP: it keeps its connections and answers nothing, from now on."""
        self.signal(signal.SIGSTOP)
        # Each of its threads stops when it next looks, which takes a busy machine a while.
        end = time.monotonic() + STOP_WITHIN
        while self.running and not self._stands_still() and time.monotonic() < end:
            time.sleep(0.001)

    def _stands_still(self) -> bool:
        tasks = Path(f"/proc/{self._child.pid}/task").glob("*/stat")
        try:
            # The name, in parentheses, may hold anything; the state follows it.
            return all(each.read_text().rpartition(") ")[2][:1] in "Tt" for each in tasks)
        except OSError:
            return False  # a thread ended meanwhile

    def thaw(self) -> None:
        """SIGCONT: it goes on."""
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, and waits until it is gone; its own children go with it."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait(STOP_WITHIN)

    def stop(self) -> None:
        """SIGTERM, and waits; SIGKILL when that takes too long."""
        self.thaw()
        self.signal(signal.SIGTERM)
        try:
            self._child.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self.kill()

    def _wait(self, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + START_WITHIN
        while time.monotonic() < end:
            if not self.running:
                raise DidNotStart(f"{self._command[0]} ended at its start:\n{self.logs[-2000:]}")
            with contextlib.suppress(OSError):
                if ready():
                    return
            time.sleep(0.01)
        raise DidNotStart(
            f"{self._command[0]} is not ready after {START_WITHIN:.0f} s:\n{self.logs[-2000:]}"
        )

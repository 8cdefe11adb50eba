"""A child that dies with its parent."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from callout.serve.tied import tied


def test_it_is_the_command_itself_with_its_output_environment_and_status() -> None:
    command = [sys.executable, "-c", "import os; print(os.environ['X'], os.getpid()); exit(7)"]
    with subprocess.Popen(
        tied(command), stdout=subprocess.PIPE, text=True, env={**os.environ, "X": "seen"}
    ) as child:
        said, _ = child.communicate(timeout=10)
    assert said.split() == ["seen", str(child.pid)]
    assert child.returncode == 7


def test_it_ends_when_its_parent_is_killed() -> None:
    parent = textwrap.dedent(
        """
        import subprocess, time
        from callout.serve.tied import tied
        child = subprocess.Popen(tied(["sleep", "60"]))
        print(child.pid, flush=True)
        time.sleep(60)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True
    ) as middle:
        assert middle.stdout is not None
        child = int(middle.stdout.readline())
        command = Path(f"/proc/{child}/comm")
        _until(lambda: command.read_text() == "sleep\n")
        middle.send_signal(signal.SIGKILL)
    _until(lambda: not command.exists())


def test_it_does_not_start_for_a_parent_that_is_gone() -> None:
    command = tied(["echo", "alive"])
    command[4] = "1"  # whoever asked was another process
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert (done.returncode, done.stdout) == (1, "")


def _until(condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)

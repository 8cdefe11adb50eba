"""Starting a service on one core, and the processor time that it and its children have used."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.load.machine import on_core

TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 60.0
STOP_SECONDS = 10.0


class DidNotStart(Exception):
    """A process ended, or did not listen in time; the message has the end of its output."""


@dataclass(frozen=True)
class Process:
    """A process that runs; for a peer that someone else started only its number is known."""

    name: str
    pid: int

    def starved_seconds(self) -> float:
        """How long its threads, and those of its descendants, could have run and had no core.

        The kernel counts it (`/proc/PID/task/TID/schedstat`) for what still runs.
        """
        found = 0
        for pid in _tree(self.pid):
            for each in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    found += int(each.read_text().split()[1])
        return found / 1e9

    def resident(self) -> float:
        """Megabytes of memory of the largest of the process and its descendants."""
        sizes = [0]
        for pid in _tree(self.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                sizes.append(int(Path(f"/proc/{pid}/statm").read_text().split()[1]))
        return max(sizes) * os.sysconf("SC_PAGESIZE") / 1e6

    def cpu_seconds(self) -> float:
        """User and system time of the process and all its descendants, dead ones included.

        The kernel reports it in hundredths of a second: exact to a percent after one second.
        """
        return sum(_times(pid) for pid in _tree(self.pid))


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the command's name: [0] is field 3 of proc(5)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def _times(pid: int) -> float:
    fields = _stat(pid)
    # utime, stime, cutime, cstime: the last two are of children that ended and were waited for
    return sum(int(field) for field in fields[11:15]) / TICKS if fields else 0.0


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    name: str,
    command: Sequence[str | Path],
    port: int,
    core: int,
    environ: Mapping[str, str] | None = None,  # None: ours
) -> Iterator[Process]:
    """Run `command` on `core` until the block ends; it has begun once `port` takes connections."""
    with tempfile.TemporaryFile() as output:
        with on_core(core):
            child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environ,
                start_new_session=True,
            )
        try:
            _wait_for(name, child, port, output)
            yield Process(name, child.pid)
        finally:
            _stop(child)


def _wait_for(name: str, child: subprocess.Popen[bytes], port: int, output: IO[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if child.poll() is not None:
            break
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    output.seek(0)
    tail = output.read()[-2000:].decode(errors="replace")
    raise DidNotStart(f"{name} did not listen on port {port}; its output ends:\n{tail}")


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Ask, then kill the whole session, so that no worker outlives a benchmark."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait(STOP_SECONDS)

"""Everything that the tests of one process start, found by a word in its environment.

A successor of a restart is nobody's child when its predecessor is gone, so it cannot be tied to
us as others are (`callout.serve.tied`); but it inherits the environment. A watchdog outlives us by
a moment and kills whatever has our word when we are killed ourselves.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

VARIABLE: Final = "_TESTED_BY"


def word() -> str:
    """For one service: all its processes have it, whoever started them."""
    _watch()
    return f"{_ours()}-{os.urandom(6).hex()}"


def kill(beginning: str) -> None:
    """Kills every process whose word begins so, until there is none."""
    while found := list(_living(f"{VARIABLE}={beginning}".encode())):
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.01)


def _living(wanted: bytes) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")  # empty: it has ended
        except OSError:
            continue
        if any(each.startswith(wanted) for each in variables):
            yield int(entry.name)


@cache
def _ours() -> str:
    return f"{os.getpid()}-{os.urandom(6).hex()}"


@cache
def _watch() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-S", __file__, _ours()],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C ends us, not it
    )


if __name__ == "__main__":
    sys.stdin.read()  # ends with whoever started us
    kill(sys.argv[1])

"""Children that die with us, even by SIGKILL: start `tied(command)` instead of `command`.

Linux can send a child a signal when its parent is gone (prctl(2), PR_SET_PDEATHSIG), and the child
must ask for it. Asking between fork and exec (`preexec_fn`) is no way: it makes Python fork for
real, and gRPC's own fork handlers then run in the child, where they print and may hang (seen under
load). So this file is run as a program first: it asks, and becomes the command.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def tied(command: Sequence[str | Path]) -> list[str]:
    """A command that runs `command`, in the same process, tied to whoever starts it.

    To the thread that starts it, to be exact: start it from one that lives as long as the process.
    """
    # Isolated and without site-packages: 10 ms.
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *map(str, command)]


def _main(argv: Sequence[str]) -> None:
    import ctypes
    import signal

    parent, *command = argv
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit(1)  # it died before we had asked
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    _main(sys.argv[1:])

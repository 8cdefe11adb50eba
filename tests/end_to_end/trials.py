"""The requests that `gatewright up` offers to try, run as a user would."""

import subprocess


def ends(command: str, status: str) -> bool:
    """Whether a trial's last answer has this status, in one of three attempts.

    Three on a busy machine: limits that take longer than 100 ms to be counted let the request pass
    there, because they say `onError: allow`.
    """
    return any(_last_status(command) == status for _ in range(3))


def _last_status(command: str) -> str:
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=30, check=True, cwd="/"
    )
    return done.stdout.split()[-1]

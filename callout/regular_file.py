"""Reads a file that an operator named, without trusting that it is what they meant."""

import os
import stat
from pathlib import Path


def read_at_most(path: Path, most: int) -> bytes:
    """The first `most` bytes of a regular file, or of what a link leads to.

    Nothing else is read: to open a pipe is to wait for whoever writes to it, and the process that
    is asked for this keeps the workers.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(None, "expected a regular file", str(path))
        return file.read(most)

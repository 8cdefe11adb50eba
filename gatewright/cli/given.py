"""A file that a command line names, or standard input."""

import sys
from pathlib import Path


class Unreadable(Exception):
    """The text says which path, and why."""


def read_bounded(path: str, most: int) -> bytes:
    """The file's bytes; those of standard input for `-`.

    Raises:
        Unreadable: it cannot be read, or has more than `most` bytes.
    """
    try:
        if path == "-":
            data = sys.stdin.buffer.read(most + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(most + 1)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    if len(data) > most:
        raise Unreadable(f"{path}: larger than {most} bytes")
    return data

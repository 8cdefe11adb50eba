"""Files that a command line names, with what is below its folders."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

MOST_FILES: Final = 10_000
MOST_BYTES: Final = 64 << 20
"""All of them together are one message to another process."""
_POLICY: Final = re.compile(rb"^apiVersion:\s*[\"']?bundle/v1\b", re.MULTILINE)


class Unreadable(Exception):
    """The text says which path, and why."""


def rego(path: str) -> bool:
    """Whether this is Rego, by its name."""
    return path.endswith(".rego")


def rego_or_data(path: str) -> bool:
    """Whether OPA would load this, by its name."""
    return path.endswith((".rego", ".json", ".yaml", ".yml"))


def read(paths: Sequence[str], wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The files of these names, and those below these folders that are wanted.

    Passed over are names that begin with a dot (`.git`, `.compiled`) and Policies, which are
    Gatewright's own and no data.

    Raises:
        Unreadable: a path is not there or cannot be read, or there is too much.
    """
    found: dict[str, bytes] = {}
    size = 0
    for path in paths:
        for name in [path] if not os.path.isdir(path) else _below(path, wanted):
            try:
                data = Path(name).read_bytes()
            except OSError as error:
                raise Unreadable(f"{name}: {error.strerror}") from None
            if name != path and _POLICY.search(data) and not rego(name):
                continue
            found[os.path.normpath(name)] = data
            size += len(data)
            if size > MOST_BYTES or len(found) > MOST_FILES:
                raise Unreadable(
                    f"{path}: more than {MOST_FILES:,} files or {MOST_BYTES >> 20} MiB"
                )
    return found


def _below(folder: str, wanted: Callable[[str], bool]) -> Iterator[str]:
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and wanted(name):
                yield os.path.join(base, name)

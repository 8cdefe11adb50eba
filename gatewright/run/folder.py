"""The folder in which the workers of a service count; those of dead services are removed.

Whoever uses a folder holds a lock on a file in it, which the kernel releases with the process: a
folder whose lock nobody holds was left behind by a service that was killed.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

_PREFIX: Final = "gatewright-metrics-"
_OWNER: Final = "owner.lock"


class Folder:
    """One folder that this process uses."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def make(cls) -> "Folder":
        """A new one, after those of dead services of this user were removed.

        Raises:
            OSError: The disk has no place for it.
        """
        _remove_stale(Path(tempfile.gettempdir()))
        # Under another name until it is locked: whoever starts beside us must not take it for one
        # that was left behind.
        fresh = Path(tempfile.mkdtemp(prefix="gatewright-new-"))
        lock = os.open(fresh / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_SH)
        path = fresh.with_name(fresh.name.replace("gatewright-new-", _PREFIX))
        fresh.rename(path)
        return cls(path, lock)

    @classmethod
    def join(cls, path: Path) -> "Folder":
        """That of the service that we take over from, which still uses it.

        Raises:
            OSError: It is gone.
        """
        lock = os.open(path / _OWNER, os.O_RDWR | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_SH)
        return cls(path, lock)

    def leave(self) -> None:
        """Uses it no more; it is removed unless somebody else does."""
        if _locks(self._lock):
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _remove_stale(where: Path) -> None:
    for path in where.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            # O_NOFOLLOW, and only what is ours: anybody may write into this place.
            if path.lstat().st_uid == os.getuid() and not path.is_symlink():
                _remove_if_unused(path)


def _remove_if_unused(path: Path) -> None:
    with contextlib.ExitStack() as held:
        for lock in (path / _OWNER, *path.glob("place_*.lock")):
            # Workers hold the others: they may still drain when their service is dead.
            descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            held.callback(os.close, descriptor)
            if not _locks(descriptor):
                return
        shutil.rmtree(path, ignore_errors=True)


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

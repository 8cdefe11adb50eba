"""Compiled databases on disk, so that a start takes milliseconds where it took seconds.

Hyperscan trusts what it reads back: a database that somebody else wrote could do anything. So it
is read from a folder and a file of our own user only, to which nobody else may write.
"""

import contextlib
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 256 << 20
"""Of one file. All of CRS 4 takes 13 MB."""
MAX_FILES: Final = 64
"""The oldest go."""
_SUFFIX: Final = ".hsdb"
_DIGEST: Final = hashlib.sha256().digest_size


class Cache:
    """Files of one folder, named by what they were made of."""

    def __init__(self, folder: Path) -> None:
        """A folder, which is made when the first file is written.

        Args:
            folder: of the user that runs this, closed to all others for writing.
        """
        self._folder: Final = folder

    def read(self, key: bytes) -> bytes | None:
        """What was written under a key; None: nothing, or nothing that can be trusted."""
        if not self._ours():
            return None
        try:
            handle = os.open(self._path(key), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            if not (stat.S_ISREG(found.st_mode) and _own(found) and found.st_size <= MAX_BYTES):
                return None
            content = file.read(MAX_BYTES)
        digest, stored = content[:_DIGEST], content[_DIGEST:]
        return stored if hashlib.sha256(key + stored).digest() == digest else None

    def write(self, key: bytes, stored: bytes) -> bool:
        """Keep it; whoever reads meanwhile finds what was there before, or the whole of it.

        Returns:
            Whether it was kept. What cannot be kept is made again at the next start.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._ours():
                return False
            handle, name = tempfile.mkstemp(dir=self._folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(hashlib.sha256(key + stored).digest() + stored)
                os.replace(name, self._path(key))
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(name)
                raise
            self._prune()
        except OSError:
            return False
        return True

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Others who want the same wait, and find it made: workers begin at the same time.

        Without a folder that can be written to nobody waits.
        """
        handle = None
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._ours():
                flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
                handle = os.open(self._folder / "lock", flags, 0o600)
                fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            pass
        try:
            yield
        finally:
            if handle is not None:
                os.close(handle)

    def _prune(self) -> None:
        files = sorted(self._folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime)
        for path in files[:-MAX_FILES]:
            path.unlink(missing_ok=True)

    def _path(self, key: bytes) -> Path:
        return self._folder / (hashlib.sha256(key).hexdigest() + _SUFFIX)

    def _ours(self) -> bool:
        try:
            found = os.lstat(self._folder)
        except OSError:
            return False
        return stat.S_ISDIR(found.st_mode) and _own(found)


def _own(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022

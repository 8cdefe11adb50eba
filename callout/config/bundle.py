"""All files of a bundle, in memory; and how they get there."""

import bisect
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from callout.config.pace import breathe
from callout.config.problems import Problem, Rejected

COMPILED = ".compiled/"
"""The one folder with a dot that belongs to a bundle: what `gatewright build` made ahead."""


class Bundle:
    """What is decided by: immutable, told apart by its digest."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """Takes the contents by path relative to the bundle's root: `rego/shop/shop.rego`."""
        self.files: Mapping[str, bytes] = MappingProxyType(dict(sorted(files.items())))
        self._paths = list(self.files)

    def read(self, path: str) -> bytes | None:
        """The content of one file; None if there is none.

        `path` is looked up as written: `..` and absolute paths are simply not there.
        """
        return self.files.get(path.removeprefix("./"))

    def under(self, folder: str) -> dict[str, bytes]:
        """The files in `folder` and below it, by their paths from the bundle's root."""
        prefix = folder.removeprefix("./").rstrip("/") + "/"
        # Every policy with Rego asks: of 10,000 policies in as many files it is 25 s otherwise.
        first = bisect.bisect_left(self._paths, prefix)
        end = bisect.bisect_left(self._paths, prefix[:-1] + "0", first)  # "0" follows "/"
        return {path: self.files[path] for path in self._paths[first:end]}

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all paths and contents, in hexadecimal.

        Lengths are hashed too, so that no two sets of files give the same bytes.
        """
        digest = hashlib.sha256()
        for path, data in self.files.items():
            name = path.encode("utf-8", "surrogateescape")
            digest.update(b"%d:%d:" % (len(name), len(data)))
            digest.update(name)
            digest.update(data)
            breathe()
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class DirectoryLimits:
    """What a directory may hold; beyond it something else was named by mistake."""

    file_bytes: int = 32 * 1024 * 1024
    """Of one file: descriptor sets and word lists are the largest."""
    total_bytes: int = 512 * 1024 * 1024
    """Of all files; they are kept in memory."""
    files: int = 50_000
    """10,000 policies may have a file each, and Rego beside."""
    depth: int = 32
    """Folders within folders; also ends symbolic links in circles."""


def read_directory(
    path: str | os.PathLike[str], limits: DirectoryLimits | None = None
) -> Bundle | Rejected:
    """Reads all files of a directory into memory (an edge: the only I/O of this file).

    Names that begin with a dot are left out (`..data` of a ConfigMap, editors' and Git's files),
    except the folder `.compiled/`. Symbolic links are followed as long as they stay below the
    root, which is how a ConfigMap is laid out.

    Returns:
        Problems without a line when something cannot be read, is too large, or leads outside.
    """
    # A ConfigMap is swapped by turning one link: what was read across the turn is half and half.
    for _ in range(3):
        before = _version(Path(path))
        result = _read_once(Path(path), limits or DirectoryLimits())
        if _version(Path(path)) == before:
            break
    return result


def _version(root: Path) -> str | None:
    try:
        return os.readlink(root / "..data")
    except OSError:
        return None  # not a ConfigMap


def _read_once(path: Path, limits: DirectoryLimits) -> Bundle | Rejected:
    reader = _Reader(path, limits)
    try:
        reader.read_folder(reader.root, "", 0)
    except _TooMuch:
        pass  # the problem is recorded
    except OSError as error:
        reader.report("", f"expected a directory, found none: {error.strerror}")
    if reader.problems:
        return Rejected(tuple(reader.problems))
    return Bundle(reader.files)


class _TooMuch(Exception):
    """A limit is passed: reading on would only cost more."""


class _Reader:
    """Walks a directory."""

    def __init__(self, path: Path, limits: DirectoryLimits) -> None:
        self._given = path
        self._limits = limits
        self._size = 0
        self.root = Path(os.path.realpath(path))
        self.files: dict[str, bytes] = {}
        self.problems: list[Problem] = []

    def report(self, name: str, message: str) -> None:
        shown = (name or str(self._given)).encode("utf-8", "replace").decode()
        self.problems.append(Problem(shown, 0, 0, "", message))

    def read_folder(self, folder: Path, prefix: str, depth: int) -> None:
        if depth > self._limits.depth:
            self.report(prefix, f"expected at most {self._limits.depth} folders deep, found more")
            raise _TooMuch
        for entry in sorted(os.scandir(folder), key=lambda each: each.name):
            name = prefix + entry.name
            if entry.name.startswith(".") and name + "/" != COMPILED:
                continue
            try:
                self._read(Path(entry.path), name, depth)
            except OSError as error:
                # vanished in between, unreadable, or links in circles
                self.report(name, f"expected a readable file, found none: {error.strerror}")

    def _read(self, path: Path, name: str, depth: int) -> None:
        real = Path(os.path.realpath(path, strict=True))
        if not real.is_relative_to(self.root):
            self.report(name, "expected a file of the bundle, found a link that leads outside")
            return
        kind = real.stat().st_mode
        if stat.S_ISDIR(kind):
            self.read_folder(real, f"{name}/", depth + 1)
        elif stat.S_ISREG(kind):
            self._read_file(real, name)
        else:
            self.report(name, "expected a file or a folder, found something else")

    def _read_file(self, path: Path, name: str) -> None:
        try:
            name.encode()
        except UnicodeEncodeError:
            self.report(name, "expected a file name in UTF-8")
            return
        most = self._limits.file_bytes
        with path.open("rb") as file:
            data = file.read(most + 1)
        if len(data) > most:
            self.report(name, f"expected at most {most} bytes, found more")
            return
        self._size += len(data)
        self.files[name] = data
        if len(self.files) > self._limits.files or self._size > self._limits.total_bytes:
            message = f"expected at most {self._limits.files} files and {self._limits.total_bytes}"
            self.report("", f"{message} bytes in all, found more")
            raise _TooMuch

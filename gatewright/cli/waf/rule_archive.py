"""The files of a Core Rule Set, out of an archive or a folder: within limits, and without links.

All is read into memory: nothing of an archive is written where it says.
"""

import io
import lzma
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

MOST: Final = 64 * 1024 * 1024
"""Bytes of an archive, and of what is taken from it: the rules of CRS 4 have 1 MB."""
_MOST_PLAIN: Final = 256 * 1024 * 1024
"""Bytes of an archive that is no more compressed, with its tests and documentation."""
_MOST_MEMORY: Final = 128 * 1024 * 1024
"""Bytes for undoing xz: `xz -9` needs 65 MB."""
_MOST_FILES: Final = 20_000
_FOLDERS: Final = ("", "rules", "plugins")
"""Of a rule set: whatever else there is, is nothing to us."""
_KINDS: Final = (".conf", ".data", ".example")


class Refused(Exception):
    """It is not taken; the text says why."""


class _Member(NamedTuple):
    """A file, or what is to be one."""

    name: str
    regular: bool
    size: int
    read: Callable[[int], bytes]
    """At most so many bytes of it."""


def of_archive(data: bytes) -> dict[str, bytes]:
    """The files by their paths from the root of the rule set.

    Args:
        data: a zip, or a tar, which may be compressed with gzip or xz.

    Raises:
        Refused: it is none, is too large, or holds a link or a path that leads out of it.
    """
    try:
        if data.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return _taken(_of_zip(archive))
        with tarfile.open(fileobj=io.BytesIO(_plain(data)), mode="r:") as tar:
            return _taken(_of_tar(tar))
    except (
        *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
        *(OSError, ValueError, RuntimeError, NotImplementedError),
    ):
        raise Refused("expected a zip, a tar, or a tar compressed with gzip or xz") from None


def of_folder(root: Path) -> dict[str, bytes]:
    """Likewise of a folder.

    Raises:
        Refused: as above.
        OSError: it cannot be read.
    """
    return _taken(_of_folder(root))


def _of_zip(archive: zipfile.ZipFile) -> Iterator[_Member]:
    for info in archive.infolist():
        if not info.is_dir():
            kind = stat.S_IFMT(info.external_attr >> 16)

            def read(most: int, info: zipfile.ZipInfo = info) -> bytes:
                with archive.open(info) as file:
                    return file.read(most)

            # Archives that are not made on Unix say no kind.
            yield _Member(info.filename, kind in (0, stat.S_IFREG), info.file_size, read)


def _of_tar(archive: tarfile.TarFile) -> Iterator[_Member]:
    for member in archive:
        if not member.isdir():

            def read(most: int, member: tarfile.TarInfo = member) -> bytes:
                file = archive.extractfile(member)
                return b"" if file is None else file.read(most)

            regular = member.isreg() and not member.issparse()
            yield _Member(member.name, regular, member.size, read)


def _of_folder(root: Path) -> Iterator[_Member]:
    for folder in _FOLDERS:
        place = root / folder
        if not place.is_dir():
            continue
        for path in sorted(place.iterdir()):
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) or path.suffix not in _KINDS:
                continue

            def read(most: int, path: Path = path) -> bytes:
                with path.open("rb") as file:
                    return file.read(most)

            name = path.relative_to(root).as_posix()
            yield _Member(name, stat.S_ISREG(found.st_mode), found.st_size, read)


def _taken(members: Iterable[_Member]) -> dict[str, bytes]:
    found: dict[str, _Member] = {}
    for count, member in enumerate(members):
        if count >= _MOST_FILES:
            raise Refused(f"expected at most {_MOST_FILES} files, found more")
        path = _checked(member.name)
        if not member.regular:
            raise Refused(f"expected files only, found a link or a device: {path}")
        if path in found:
            raise Refused(f"expected each file once, found two of {path}")
        found[path] = member
    root = _root(found)
    files: dict[str, bytes] = {}
    room = MOST
    for path, member in found.items():
        inner = path.removeprefix(root)
        folder, _, name = inner.rpartition("/")
        wanted = path.startswith(root) and folder in _FOLDERS and name.endswith(_KINDS)
        if not wanted:
            continue
        # What it says of its size is not believed.
        data = member.read(room + 1)
        room -= len(data)
        if room < 0 or len(data) != member.size:
            raise Refused(f"expected at most {MOST} bytes of rules, each file of the size it says")
        files[inner] = data
    return files


def _root(names: Iterable[str]) -> str:
    """The folder that holds the rule set: releases have all in one of their own."""
    setups = sorted(
        (name for name in names if posixpath.basename(name).startswith("crs-setup.conf")),
        key=lambda name: (name.count("/"), name),
    )
    if not setups:
        raise Refused("expected the OWASP Core Rule Set, found no crs-setup.conf")
    folder = posixpath.dirname(setups[0])
    return f"{folder}/" if folder else ""


def _checked(name: str) -> str:
    path = name.removeprefix("./")
    if (
        not path.isprintable()
        or "\\" in path
        or len(path) > 1024
        or path != posixpath.normpath(path)
        or path.startswith(("/", "../"))
        or path in ("", ".", "..")
    ):
        raise Refused("expected paths within the archive, found one that leads elsewhere")
    return path


def _plain(data: bytes) -> bytes:
    """The tar that is in it; stops where there is too much."""
    decoder: lzma.LZMADecompressor | zlib._Decompress
    if data.startswith(b"\xfd7zXZ"):
        decoder = lzma.LZMADecompressor(memlimit=_MOST_MEMORY)
    elif data.startswith(b"\x1f\x8b"):
        decoder = zlib.decompressobj(wbits=31)
    else:
        return data
    inflated = decoder.decompress(data, _MOST_PLAIN + 1)
    if len(inflated) > _MOST_PLAIN:
        raise Refused(f"expected at most {_MOST_PLAIN} bytes, inflated, found more")
    if not decoder.eof:
        raise Refused("expected a whole archive, found the beginning of one")
    return inflated

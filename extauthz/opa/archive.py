"""A bundle's tarball as files in memory, within limits; nothing of it is written to disk."""

import io
import posixpath
import tarfile
import zlib
from typing import Final

from extauthz.opa.problems import BundleRefused

MOST_FILES: Final = 100_000
"""Files, folders and links of one bundle; each has a header of 512 bytes at least."""
_HEADERS: Final = 1024 * MOST_FILES
"""Bytes of a tarball beside what its files hold."""
_PIECE: Final = 1024 * 1024


def unpack(data: bytes, most: int) -> dict[str, bytes]:
    """The regular files of a gzipped tarball by their paths, without a slash at the beginning.

    Links, devices and folders are left out, as OPA does.

    Args:
        data: the tarball.
        most: bytes of all files together.

    Raises:
        BundleRefused: not such a tarball, too large, a path that leads outside or comes twice.
    """
    files: dict[str, bytes] = {}
    room = most
    try:
        plain = io.BytesIO(_inflated(data, most + _HEADERS))
        with tarfile.open(fileobj=plain, mode="r:") as archive:
            for count, member in enumerate(archive):
                if count >= MOST_FILES:
                    raise BundleRefused(f"the bundle has more than {MOST_FILES} files")
                if not member.isreg() or member.issparse():
                    continue
                path = checked_path(member.name)
                content = archive.extractfile(member)
                if path in files or content is None:
                    raise BundleRefused("the bundle has a file twice")
                files[path] = content.read(room + 1)
                room -= len(files[path])
                if room < 0:
                    raise BundleRefused(f"bundle file '{path}' exceeded max size ({most} bytes)")
                if len(files[path]) != member.size:
                    raise BundleRefused("archive read failed: it ends too early")
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError):
        raise BundleRefused("archive read failed: expected a gzipped tarball") from None
    return files


def _inflated(data: bytes, most: int) -> bytes:
    """Stops where there is too much: a thousandth is enough to send."""
    whole = bytearray()
    left = data
    while left:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            whole += member.decompress(left, _PIECE)
            left = member.unconsumed_tail
            if len(whole) > most:
                raise BundleRefused("the bundle is larger than size_limit_bytes, unpacked")
            if not left and not member.eof:
                raise EOFError
        left = member.unused_data
    return bytes(whole)


def checked_path(name: str) -> str:
    """A file's path within its bundle.

    Raises:
        BundleRefused: it leads outside, or is no text.
    """
    path = name.lstrip("/")
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise BundleRefused("the bundle has a file whose name is not UTF-8") from None
    outside = path in ("", "..") or path.startswith("../") or path != posixpath.normpath(path)
    if outside or not path.isprintable() or "\\" in path or len(path) > 4096:
        raise BundleRefused("the bundle has a file whose path leads elsewhere")
    return path

"""Bundles that are files of this machine: `file:///PATH`, a tarball or a folder (an edge)."""

import os
import stat
from pathlib import Path

from extauthz.opa.archive import MOST_FILES, unpack
from extauthz.opa.problems import BundleRefused


def read_local(path: Path, most: int) -> dict[str, bytes]:
    """The files of a bundle by their paths in it.

    Args:
        path: a gzipped tarball, or a folder; hidden files count: `.manifest` is one.
        most: bytes of all files together.

    Raises:
        BundleRefused: it cannot be read, or is too large.
    """
    try:
        if path.is_dir():
            return _folder(path, most)
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise BundleRefused(f"cannot read the bundle: {error.strerror}") from None
    if len(data) > most:
        raise BundleRefused("the bundle is larger than size_limit_bytes")
    return unpack(data, most)


def _folder(root: Path, most: int) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    room = most
    for folder, folders, names in os.walk(root):
        # A ConfigMap is mounted as `policy.rego -> ..data/policy.rego`, `..data -> ..2026_11_21`:
        # what is in there is counted by its link, and not once more.
        folders[:] = [each for each in folders if not each.startswith("..")]
        for name in names:
            path = Path(folder, name)
            if not stat.S_ISREG(path.stat().st_mode):
                continue
            with path.open("rb") as file:
                data = file.read(room + 1)
            room -= len(data)
            files[path.relative_to(root).as_posix()] = data
            if room < 0 or len(files) > MOST_FILES:
                raise BundleRefused("the bundle is larger than size_limit_bytes")
    return files

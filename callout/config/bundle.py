"""All files of a bundle, in memory."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType

COMPILED = ".compiled/"
"""The one folder with a dot that belongs to a bundle: what `gatewright build` made ahead."""


class Bundle:
    """What is decided by: immutable, told apart by its digest."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """Takes the contents by path relative to the bundle's root: `rego/shop/shop.rego`."""
        self.files: Mapping[str, bytes] = MappingProxyType(dict(sorted(files.items())))

    def read(self, path: str) -> bytes | None:
        """The content of one file; None if there is none.

        `path` is looked up as written: `..` and absolute paths are simply not there.
        """
        return self.files.get(path.removeprefix("./"))

    def under(self, folder: str) -> dict[str, bytes]:
        """The files in `folder` and below it, by their paths from the bundle's root."""
        prefix = folder.removeprefix("./").rstrip("/") + "/"
        return {path: data for path, data in self.files.items() if path.startswith(prefix)}

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
        return digest.hexdigest()

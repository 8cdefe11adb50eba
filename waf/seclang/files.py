"""Where rule files come from, and what an Include means in them."""

import bisect
import fnmatch
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

Files: TypeAlias = Mapping[str, bytes]
"""Contents by path. What is not in it cannot be included, whatever a rule file says: a bundle's
files, or those that the configuration names."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Beyond them something else was named by mistake: CRS has 0.8 MB of rules in 30 files."""

    file_bytes: int = 16 * 1024 * 1024
    """Of one rule file."""
    total_bytes: int = 64 * 1024 * 1024
    """Of all that is read, files that are included again counted again: a minute at most."""
    directive_characters: int = 1024 * 1024
    """Of one directive, its joined lines together: the longest of the CRS has 13,000."""
    files: int = 2000
    """Rule files read, each as often as it is included."""
    depth: int = 16
    """Files that include files."""
    rules: int = 50_000
    """In all files, links of chains too: the CRS has 700."""
    problems: int = 200
    """Told at most: the first ones say enough."""


_WILD: Final = re.compile(r"[*?\[]")


class Catalogue:
    """The files, with their names in order for patterns."""

    def __init__(self, files: Files) -> None:
        """`files` is not copied."""
        self._files = files
        self._names = sorted(files)

    def read(self, path: str) -> bytes | None:
        """The content; None if there is no such file."""
        return self._files.get(path)

    def matching(self, pattern: str) -> tuple[str, ...] | None:
        """The files that a path or a pattern names, in order; None: it leads out of them all.

        A star stands for no slash, as in Apache and Coraza.
        """
        path = posixpath.normpath(pattern)
        if path == ".." or path.startswith("../"):
            return None
        wild = _WILD.search(path)
        if wild is None:
            return (path,) if path in self._files else ()
        prefix = path[: wild.start()]
        depth = path.count("/")
        fits = re.compile(fnmatch.translate(path)).match
        found = []
        for name in self._names[bisect.bisect_left(self._names, prefix) :]:
            if not name.startswith(prefix):
                break
            if name.count("/") == depth and fits(name):
                found.append(name)
        return tuple(found)


def resolve(written: str, including: str) -> str:
    """The path that an Include in the file `including` means: relative to that file's folder."""
    return posixpath.join(posixpath.dirname(including), written)

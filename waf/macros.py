"""`%{tx.score}` in the arguments of operators and actions.

What: a macro names one variable, `%{REMOTE_ADDR}`, or one member of a collection, with a dot or a
colon: `%{tx.score}`, `%{REQUEST_HEADERS.host}`. It stands for the first value found, and for
nothing when there is none.
Where engines differ: ModSecurity 2 leaves the text of an unknown macro as it is, 3 and Coraza put
nothing in its place. Here an unknown variable is a fault of the rule file.
"""

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from waf.state import State

Expand: TypeAlias = Callable[[State], bytes]
"""The text with its macros replaced."""
Lookup: TypeAlias = Callable[[str, str | None], Expand]
"""Makes the reader of one variable: collection in upper case, selector."""

_MACRO: Final = re.compile(r"%\{([^{}]+)\}")


class MacroProblem(Exception):
    """A macro names what there is not."""


def has_macro(text: str) -> bool:
    """Whether the text changes with the transaction."""
    return _MACRO.search(text) is not None


def encode(text: str) -> bytes:
    """The bytes that the rule file had."""
    return text.encode("utf-8", "surrogateescape")


def compile_text(text: str, lookup: Lookup) -> bytes | Expand:
    """What the text stands for: bytes when it is the same for every transaction.

    Raises:
        MacroProblem: a variable is unknown.
    """
    pieces = _MACRO.split(text)
    if len(pieces) == 1:
        return encode(text)
    parts: list[bytes | Expand] = []
    for position, piece in enumerate(pieces):
        if position % 2:
            collection, selector = split_name(piece)
            parts.append(lookup(collection, selector))
        elif piece:
            parts.append(encode(piece))
    if len(parts) == 1 and not isinstance(parts[0], bytes):
        return parts[0]

    def expand(state: State) -> bytes:
        return b"".join([part if isinstance(part, bytes) else part(state) for part in parts])

    return expand


def split_name(name: str) -> tuple[str, str | None]:
    """`tx.score` or `tx:score` as collection and selector."""
    for position, character in enumerate(name):
        if character in ".:":
            return name[:position].strip().upper(), name[position + 1 :].strip()
    return name.strip().upper(), None

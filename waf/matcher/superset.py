r"""Expressions that find, in values joined by line ends, at least what they find in one of them.

A rule's expression is RE2's, over Latin-1. In joined values `^` and `$` must match at line ends,
and so must `\A` and `\z`. What else looks at its surroundings is `\b` and `\B`, for which a line
end is what the end of a value is. There are no lookarounds, and no way to ask that something is
absent: what matches a part of a value matches it wherever it stands.
"""

import re
from typing import Final

_TOKEN: Final = re.compile(
    rb"\\([\s\S])"  # 1: an escape
    rb"|\[:\^?[a-z]+:\]"  # a class of POSIX, within a class
    rb"|(\[\^?\]?)|(\])"  # 2, 3: a class begins, ends
    rb"|\(\?([a-zA-Z]*)(?:-([a-zA-Z]*))?[:)]"  # 4, 5: flags
    rb"|(\x00)"  # 6
)
_LINE_ENDS: Final = {b"A": b"^", b"z": b"$"}
# RE2 knows no vertical tab in `\s`, Hyperscan does: `\S` would miss it; `\v` is but that in RE2.
_OUTSIDE: Final = {b"s": rb"[\t\n\f\r\x20]", b"S": rb"[^\t\n\f\r\x20]", b"v": rb"\x0b"}
_INSIDE: Final = {
    b"s": rb"\t\n\f\r\x20",
    b"S": rb"\x00-\x08\x0b\x0e-\x1f\x21-\xff",
    b"v": rb"\x0b",
}
_OTHERWISE: Final = frozenset(b"pPCQE0123456789")
"""Escapes that the two engines may read in different ways."""
_HIGH: Final = re.compile(rb"[\x80-\xff]|\\x(?:[89a-fA-F]|\{)")


def for_joined(expression: bytes) -> bytes | None:
    r"""The expression for RE2 over joined values; None: there is none.

    Args:
        expression: of RE2.
    """
    spelled = _respell(expression, _LINE_ENDS, {}, frozenset(b"Q"))
    return None if spelled is None else b"(?m)" + spelled


def for_hyperscan(expression: bytes) -> bytes | None:
    r"""Likewise for Hyperscan, with its flags DOTALL and MULTILINE; None: RE2 is to do it.

    It folds the case of ASCII only, RE2 that of Latin-1.
    """
    spelled = _respell(expression, _LINE_ENDS | _OUTSIDE, _INSIDE, _OTHERWISE)
    if spelled is None or (_ignores_case(expression) and _HIGH.search(expression)):
        return None
    return spelled


def _respell(
    expression: bytes,
    outside: dict[bytes, bytes],
    inside: dict[bytes, bytes],
    refused: frozenset[int],
) -> bytes | None:
    in_class = False
    possible = True

    def spelled(match: re.Match[bytes]) -> bytes:
        nonlocal in_class, possible
        escape, opening, closing, _, cleared, nul = match.groups()
        if escape is not None:
            if escape[0] in refused or escape == b"\0":
                possible = False
            return (inside if in_class else outside).get(escape, match[0])
        if opening is not None:  # within a class a `[` is itself, and a `]` right after it the end
            in_class = not in_class or not opening.endswith(b"]")
        elif closing is not None:
            in_class = False
        elif nul is not None:
            return rb"\x00"
        elif cleared and b"m" in cleared and not in_class:
            possible = False
        return match[0]

    result = _TOKEN.sub(spelled, expression)
    return result if possible else None


def _ignores_case(expression: bytes) -> bool:
    return any(b"i" in (match[4] or b"") for match in _TOKEN.finditer(expression))

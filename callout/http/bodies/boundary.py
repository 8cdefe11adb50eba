"""The boundary of a multipart body, and how its Content-Type says it."""

import re
from typing import Final

from callout.http.bodies.media_type import MediaType
from callout.http.bodies.oddities import Oddities, Oddity

_BOUNDARY: Final = re.compile(rb"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]").fullmatch
"""RFC 2046, 5.1.1."""
_QUOTED: Final = re.compile(rb"boundary\s*+=\s*+\"", re.IGNORECASE)
_WHITESPACE: Final = re.compile(rb"boundary(?:\s++=|=\s)", re.IGNORECASE)
_NO_SEMICOLON: Final = re.compile(rb"[^;\s]\s++boundary\s*+=", re.IGNORECASE)
_CONTINUED: Final = re.compile(rb"boundary\*[0-9]*+\*?").fullmatch


def boundaries(kind: MediaType) -> tuple[bytes, ...]:
    """Every boundary that some reader takes from a Content-Type, the usual one first."""
    plain = [value for name, value in kind.parameters if name == b"boundary"]
    # RFC 2231: `boundary*0=a; boundary*1=b` is `ab`.
    continued = b"".join(value for name, value in kind.parameters if _CONTINUED(name))
    return tuple(dict.fromkeys([*plain, continued] if continued else plain))


def oddities_of(boundary: bytes | None, kind: MediaType) -> Oddities:
    """What is odd about a boundary, and about how it was written."""
    raw = kind.raw
    oddities: set[Oddity] = set()
    if boundary is None:
        oddities.add("boundary_missing")
    elif _BOUNDARY(boundary) is None:
        oddities.add("boundary_invalid")
    if _QUOTED.search(raw):
        oddities.add("boundary_quoted")
    if _WHITESPACE.search(raw):
        oddities.add("boundary_whitespace")
    if _NO_SEMICOLON.search(raw):
        oddities.add("missing_semicolon")
    return frozenset(oddities)

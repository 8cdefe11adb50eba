"""Named values: what forms, queries, cookies and JSON come to."""

from dataclasses import dataclass
from typing import TypeAlias

from callout.http.bodies.oddities import NONE, Oddities

Pair: TypeAlias = tuple[bytes, bytes]
"""(name, value)."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs in the order of the body, repeated names included."""

    pairs: tuple[Pair, ...]
    oddities: Oddities = NONE


@dataclass(frozen=True, slots=True)
class Leaves(Pairs):
    """Pairs of JSON."""

    arrays: tuple[bytes, ...] = ()
    """Names of arrays that are not empty, outer ones first: rules ask how a name ends, and that of
    a leaf in an array ends in an index."""

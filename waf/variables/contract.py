"""What a variable is: one value, or a collection of named ones, read off a transaction's state."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from waf.state import Pair, State


@dataclass(frozen=True, slots=True)
class Single:
    """One value, always there; empty when nothing is known."""

    read: Callable[[State], bytes]
    volatile: bool = False
    """It may change between two rules of a phase: never kept."""


@dataclass(frozen=True, slots=True)
class Many:
    """Named values, none or more, in the order in which they were sent."""

    read: Callable[[State], Sequence[Pair]]
    volatile: bool = False
    """It may change between two rules of a phase: never kept."""


Variable: TypeAlias = Single | Many

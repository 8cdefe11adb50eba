"""What an operator is: made once from its argument, then asked about values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Captures: TypeAlias = tuple[bytes | None, ...]
"""What matched: [0] the whole of it, then at most nine groups (TX.1 to TX.9); None: a group that
took no part. Of an operator without groups, [0] alone."""
Test: TypeAlias = Callable[[bytes], Captures | None]
"""None: the value does not match. Pure; never raises, whatever the value."""


class OperatorProblem(Exception):
    """The argument of an operator cannot be used; its author must change the rule."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an operator may need while it is made."""

    read: Callable[[str], bytes]
    """The content of a file that the argument names, relative to the rule's own file.

    Raises:
        OperatorProblem: there is none, or it may not be read.
    """


class Operator(Protocol):
    """Makes the test of one argument, in which macros are already expanded."""

    def __call__(self, argument: bytes, around: Surroundings) -> Test:
        """Compile the argument.

        Raises:
            OperatorProblem: it cannot be used.
        """
        ...

"""What an operator is: made once from its argument, then asked about values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

Captures: TypeAlias = tuple[bytes | None, ...]
"""What matched: [0] the whole of it, then at most nine groups (TX.1 to TX.9); None: a group that
took no part. Of an operator without groups, [0] alone."""
Test: TypeAlias = Callable[[bytes], Captures | None]
"""None: the value does not match. Pure; never raises, whatever the value."""

UNDECIDED: Final[Captures] = (b"",)
"""What a test that had to give up returns (told by `is`): the value counts as a match, and for a
negated operator too, as what cannot be decided is refused. Only a pattern that backtracks gives
up."""


class OperatorProblem(Exception):
    """The argument of an operator cannot be used; its author must change the rule."""


def _no_dataset(name: str) -> bytes:
    raise OperatorProblem(f"no SecDataset named {name!r} stands before it")


@dataclass(frozen=True, slots=True)
class Sought:
    """What stands in every value that a test matches: one of these, and more may be asked of it."""

    expression: bytes = b""
    """Of RE2 over Latin-1, whose dot matches line ends."""
    words: tuple[bytes, ...] = ()
    """Instead of an expression, ASCII letters of either case."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an operator may need while it is made."""

    read: Callable[[str], bytes]
    """The content of a file that the argument names, relative to the rule's own file.

    Raises:
        OperatorProblem: there is none, or it may not be read.
    """
    dataset: Callable[[str], bytes] = _no_dataset
    """The lines of a SecDataset.

    Raises:
        OperatorProblem: there is none of this name.
    """
    warn: Callable[[str], None] = lambda _: None
    """Told what is allowed and yet costs something: that a pattern backtracks."""
    seek: Callable[[Sought], None] = lambda _: None
    """Told what can be looked for in many values at once, before the test is asked about each."""


class Operator(Protocol):
    """Makes the test of one argument, in which macros are already expanded."""

    def __call__(self, argument: bytes, around: Surroundings) -> Test:
        """Compile the argument.

        Raises:
            OperatorProblem: it cannot be used.
        """
        ...

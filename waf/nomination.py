"""Which rules of a phase could match at all, told from all of its values at once."""

from collections.abc import Callable, Sequence
from typing import Protocol

from waf.rules import Group
from waf.state import Found


class Nomination(Protocol):
    """Asked once for each phase of a transaction, before its rules run."""

    def __call__(
        self,
        phase: int,
        values: Callable[[Group], Sequence[Sequence[Found]]],
        look: Callable[[], None],
    ) -> Sequence[int]:
        """Positions, within the phase, of the rules that could match, in their order.

        Args:
            phase: 1 to 5.
            values: what the rules of a group test, transformed, target by target; groups that
                name the same get the same objects. Not asked for volatile groups.
            look: looks at the time; raises what ends the phase when there is none left.

        Returns:
            At least those of every rule that will match.
        """
        ...

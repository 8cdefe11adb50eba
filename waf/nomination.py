"""Which rules of a phase could match at all, told from all of its values at once."""

from collections.abc import Callable, Sequence
from typing import Protocol

from waf.rules import Group
from waf.state import Found
from waf.targets import Read


class Findings(Protocol):
    """The values of a phase, as they are at its beginning, of groups that are not volatile."""

    def found(self, read: Read) -> Sequence[Found]:
        """What one target finds: the same object each time."""
        ...

    def marks(self, found: Sequence[Found]) -> int:
        """Which marks the values have: a chain that wants none of them changes nothing."""
        ...

    def transformed(self, group: Group, found: Sequence[Found]) -> Sequence[Found]:
        """What the chain of a group makes of that: the same object when it changes nothing."""
        ...

    def parts(self, group: Group) -> Sequence[Sequence[Found]]:
        """Both for all targets of a group, without those that find nothing."""
        ...


class Nomination(Protocol):
    """Asked once for each phase of a transaction, before its rules run."""

    def __call__(self, phase: int, values: Findings, look: Callable[[], None]) -> Sequence[int]:
        """Positions, within the phase, of the rules that could match, in their order.

        Args:
            phase: 1 to 5.
            values: what rules test.
            look: looks at the time; raises what ends the phase when there is none left.

        Returns:
            At least those of every rule that will match.
        """
        ...

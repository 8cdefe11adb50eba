"""Which rules of a group could match at all, told from all of its values at once."""

from collections.abc import Container, Sequence
from typing import Protocol

from waf.rules import Group


class Nomination(Protocol):
    """Asked once for a group and the values of a transaction."""

    def __call__(self, group: Group, values: Sequence[bytes]) -> Container[int] | None:
        """Indexes of the rules of the group that could match one of the values, transformed.

        Returns:
            At least every rule that will match; None: ask each.
        """
        ...

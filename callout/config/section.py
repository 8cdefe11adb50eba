"""What one service adds to the schema of a Policy; `gatewright` lists all of them in one table."""

from collections.abc import Sequence
from typing import Protocol

from callout.config.bundle import Bundle
from callout.config.problems import Rejected
from callout.config.source import Source


class Section(Protocol):
    """One block of a Policy and what the service makes of it. Pure: no I/O, no clock.

    A section names this class as its base, so that `unions` has its default.
    """

    key: str
    """The block's key in a Policy: `auth`, `limits`."""
    unions: frozenset[tuple[str, ...]] = frozenset()
    """Paths below the block whose mapping's keys are alternatives, such as `("decide",)`: a more
    specific policy replaces such a value as a whole. (An entry of a list without names is
    replaced with its list in any case.)"""

    def compile_block(self, block: Source, bundle: Bundle) -> object | Rejected:
        """Checks and compiles the block of one effective (merged) policy.

        Called once for each combination of policies that gives the block something, at load or
        on the first request that needs the combination. `null`s are gone already.

        Args:
            block: the merged block, of any YAML type; problems are made by `block.problem`.
            bundle: the files that the block may name.

        Returns:
            What `Effective.block(key)` gives on the hot path, or all problems.
        """
        ...

    def compile_part(self, bundle: Bundle, policies: Sequence[Source]) -> object | Rejected:
        """Compiles what is the same for all policies: `Snapshot.parts[key]`.

        Args:
            bundle: all files.
            policies: whole Policy documents as written, not merged, in the order of their names.
        """
        ...

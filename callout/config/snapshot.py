"""Files to a Snapshot, or to all problems: the one loader of `serve`, `up` and `check`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from callout.config.bundle import Bundle
from callout.config.policies import PolicyIndex
from callout.config.problems import Problem, Rejected
from callout.config.section import Section


@dataclass(frozen=True)
class Snapshot:
    """Everything that decides, at one moment: immutable, swapped with one assignment."""

    digest: str
    """Of the bundle that it was made from."""
    policies: PolicyIndex
    parts: Mapping[str, object]
    """What each section made of the bundle as a whole, by its key."""
    warnings: tuple[Problem, ...]
    """What its author should look at, although it works as written."""


def build(bundle: Bundle, sections: Sequence[Section]) -> Snapshot | Rejected:
    """Reads, checks and compiles a bundle. Pure: the same bundle gives the same result.

    Returns:
        All problems of all files at once, if there is any error.
    """
    raise NotImplementedError

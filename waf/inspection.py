"""A policy's block `inspect`, ready to be used."""

from dataclasses import dataclass

from waf.nomination import Nomination
from waf.rules import RuleSet


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is looked at of one direction, and what becomes of the rest."""

    most: int
    """Bytes of a body."""
    over: int | None
    """The status for a larger one. None: it passes, and its beginning is looked at."""
    coding: int | None
    """The status for one that cannot be inflated. None: it is looked at as it is."""
    endless: int | None
    """The status for one without an end. None: it passes."""


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """Shared by all requests of a policy."""

    rules: RuleSet
    """Shared by all policies that say the same of them."""
    nominate: Nomination | None
    """Tells rules that cannot match; None: every rule is asked."""
    request: Sizes
    response: Sizes | None
    """None: nobody looks at responses."""
    seconds: float
    """How long the rules may take."""
    failed: int | None
    """The status when we fail. None: the request passes."""

"""Rules as they run: compiled, with everything that can be known before a request comes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from callout.config.problems import Problem
from waf.actions.contract import Step, Verdict
from waf.macros import Expand
from waf.operators.contract import Sought, Test
from waf.settings import EngineSettings
from waf.state import Labels, State
from waf.targets import TargetSet

Transformation: TypeAlias = Callable[[bytes], bytes]


class Chain:
    """Transformations in order. Equal ones, and equal beginnings, are the same object."""

    __slots__ = ("index", "marks", "steps")

    def __init__(
        self, index: int, prefix: "Chain | None", function: Transformation, marks: int
    ) -> None:
        """The chain that does `prefix`, then `function`.

        Args:
            index: its number within the rule set.
            prefix: None: this is the first.
            function: returns its very argument when it changes nothing.
            marks: what a value must have for the function to change it.
        """
        self.index: Final = index
        self.marks: Final[int] = marks if prefix is None else marks | prefix.marks
        """What a value must have for any of the steps to change it."""
        self.steps: Final[tuple[tuple[int, Transformation], ...]] = (
            *(() if prefix is None else prefix.steps),
            (marks, function),
        )
        """Each function, with what a value must have for it."""


class Group:
    """What a rule tests: targets under a chain. Rules that test the same share one."""

    __slots__ = ("chain", "index", "multi_match", "targets")

    def __init__(
        self, index: int, targets: TargetSet, chain: Chain | None, multi_match: bool
    ) -> None:
        """A group.

        Args:
            index: its number within the rule set.
            targets: what is looked at.
            chain: None: values are tested as they came.
            multi_match: every step of the chain that changed a value gives one to be tested.
        """
        self.index: Final = index
        self.targets: Final = targets
        self.chain: Final = chain
        self.multi_match: Final = multi_match


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRule:
    """A SecRule, a SecAction or a link of a chain."""

    index: int
    """Its number within the rule set; a link has that of its chain."""
    labels: Labels
    group: Group | None
    """None: a SecAction, which matches always."""
    test: Test | None
    """None: a SecAction, or `dynamic`."""
    dynamic: Callable[[State], Test | None] | None
    """Makes the test when its argument has macros; None of it: it cannot be made now."""
    sought: Sought | None
    """What stands in every value that the test matches; None: that cannot be told, or the rule
    is negated."""
    negated: bool
    capture: bool
    steps: tuple[Step, ...]
    """Run for each value that matches."""
    links: "tuple[CompiledRule, ...]"
    verdict: Verdict
    """Never `block`."""
    status: int
    location: bytes | Expand
    allow: str
    after: int | None
    """Where in the phase the rules go on when this one matched; None: with the next."""
    logged: bool
    audited: bool
    message: bytes | Expand
    log_data: bytes | Expand


@dataclass(frozen=True, slots=True, eq=False)
class RuleSet:
    """Rules by phase, ready to run; shared by all transactions."""

    settings: EngineSettings
    phases: Mapping[int, tuple[CompiledRule, ...]]
    """By number, 1 to 5."""
    chains: int
    """How many chains, for the memory of a transaction."""
    tx: Mapping[bytes, bytes]
    """What TX begins with."""
    answered: frozenset[bytes] = frozenset()
    """Members of TX, names in lower case: with other values of these, the rules were others."""
    warnings: tuple[Problem, ...] = ()
    """What is allowed and yet not what was meant, or costs something."""

    def rules(self) -> tuple[CompiledRule, ...]:
        """Every rule that begins a chain, or is alone."""
        return tuple(rule for phase in sorted(self.phases) for rule in self.phases[phase])

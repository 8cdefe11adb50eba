"""The rules of a phase by what is looked for, and where."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from waf.matcher.linear import Search
from waf.operators.contract import Sought, Test
from waf.rules import Chain, CompiledRule, Group
from waf.targets import Read

Positions: TypeAlias = tuple[int, ...]


@dataclass(slots=True)
class GroupDraft:
    """Rules of a phase that test the same values."""

    group: Group
    always: list[int] = field(default_factory=list)
    """Rules of which nothing can be told before they are asked; without a value they cannot
    match either."""
    sought: dict[Sought, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class PhaseDraft:
    """Rules of a phase."""

    constant: list[int] = field(default_factory=list)
    """Rules that are asked in every transaction: they test what other rules write, or nothing."""
    groups: dict[int, GroupDraft] = field(default_factory=dict)
    tests: dict[Sought, Test] = field(default_factory=dict)
    """Of one of the rules that seek it."""


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """Rules of a phase that test the same values, and that Hyperscan does not nominate."""

    group: Group
    always: Positions
    linear: tuple[tuple[Search, Positions], ...]


@dataclass(frozen=True, slots=True)
class PhasePlan:
    """A phase, as its rules are nominated."""

    constant: Positions
    groups: tuple[GroupPlan, ...]
    scans: tuple[tuple[Read, tuple[tuple[int, Group], ...]], ...]
    """What Hyperscan searches: of each target, one group for each chain that it is tested under,
    and what values must have for the chain to change them. Many targets find nothing, and many
    chains change nothing, which is told here in a tenth of the time of a call."""
    numbers: tuple[Sought, ...]
    """What Hyperscan searches for, by its number."""
    positions: tuple[Positions, ...]
    """By number: the rules that seek it."""


NO_PHASE: Final = PhasePlan((), (), (), (), ())


def draft(rules: Sequence[CompiledRule]) -> PhaseDraft:
    """Sorts the rules of a phase."""
    phase = PhaseDraft()
    for position, rule in enumerate(rules):
        group = rule.group
        if group is None or group.targets.volatile:
            phase.constant.append(position)
            continue
        drafted = phase.groups.setdefault(group.index, GroupDraft(group))
        # What matches nothing at all stands in every text: to look for it tells nothing.
        if rule.test is None or rule.sought is None or rule.test(b"") is not None:
            drafted.always.append(position)
        else:
            drafted.sought.setdefault(rule.sought, []).append(position)
            phase.tests.setdefault(rule.sought, rule.test)
    return phase


def plan(
    phase: PhaseDraft,
    scanned: Callable[[Sought], bool],
    linear: Callable[[Sought, Test], Search | None],
) -> PhasePlan:
    """Decides how each thing is looked for.

    Args:
        phase: its rules.
        scanned: whether Hyperscan does it.
        linear: else how RE2 does; None: nobody does.
    """
    numbers: dict[Sought, list[int]] = {}
    groups: list[GroupPlan] = []
    scans: dict[Read, dict[tuple[Chain | None, bool], Group]] = {}
    for group in phase.groups.values():
        always = list(group.always)
        searches: list[tuple[Search, Positions]] = []
        found = False
        for sought, positions in group.sought.items():
            if scanned(sought):
                numbers.setdefault(sought, []).extend(positions)
                found = True
            elif (search := linear(sought, phase.tests[sought])) is not None:
                searches.append((search, tuple(positions)))
            else:
                always.extend(positions)
        if found:
            tested = group.group
            for read in tested.targets.reads:
                chains = scans.setdefault(read, {})
                chains.setdefault((tested.chain, tested.multi_match), tested)
        if always or searches:
            groups.append(GroupPlan(group.group, tuple(always), tuple(searches)))
    return PhasePlan(
        tuple(phase.constant),
        tuple(groups),
        tuple(
            (
                read,
                tuple(
                    (0 if group.chain is None else group.chain.marks, group)
                    for group in chains.values()
                ),
            )
            for read, chains in scans.items()
        ),
        tuple(numbers),
        tuple(map(tuple, numbers.values())),
    )

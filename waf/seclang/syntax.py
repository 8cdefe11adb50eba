"""What a rule file says, as values: the result of parsing, before any rule is put to work.

Text is `str` decoded with `utf-8, surrogateescape`: encoded likewise it is the file's own bytes.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from callout.config.problems import Problem


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written."""

    file: str
    """As it was named: relative to the bundle, or the path that an Include found."""
    line: int
    """From 1: the line on which the directive begins."""


@dataclass(frozen=True, slots=True)
class Target:
    """One of the things that a rule looks at: `&REQUEST_HEADERS:/^x-/`, `!ARGS:token`."""

    collection: str
    """Upper case: `ARGS`, `REQUEST_HEADERS`, `TX`, `XML`."""
    selector: str | None = None
    """What follows the colon, as written, without the slashes of a regular expression; None: all
    of the collection."""
    pattern: bool = False
    """The selector is a regular expression."""
    kind: Literal["value", "count", "except"] = "value"
    """`&` counts, `!` takes away from the targets before it."""


@dataclass(frozen=True, slots=True)
class OperatorCall:
    """`!@rx ^GET$`. A rule without `@` is `rx`."""

    name: str
    """Lower case, without `@`."""
    argument: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class ActionCall:
    """`setvar:'tx.score=+5'`; of `ctl`, `t` and `setvar` the argument is the whole rest."""

    name: str
    """Lower case: `id`, `t`, `ctl`."""
    argument: str | None = None
    """Without its quotes; None: nothing follows a colon."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A SecRule with the links of its chain; a SecAction, which has no operator."""

    place: Place
    targets: tuple[Target, ...]
    """Empty for a SecAction."""
    operator: OperatorCall | None
    actions: tuple[ActionCall, ...]
    """In the order in which they are written."""
    links: tuple["Rule", ...] = ()
    """The rest of the chain, which this rule begins; a link has none itself."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A SecMarker: where a `skipAfter` goes."""

    place: Place
    name: str


@dataclass(frozen=True, slots=True)
class Setting:
    """Any other directive: `SecRuleEngine On`, `SecRuleUpdateTargetById 942100 "!ARGS:q"`."""

    place: Place
    name: str
    """As the table of directives spells it, whatever the file's case: `SecRuleEngine`."""
    arguments: tuple[str, ...]
    """Without quotes."""


Item: TypeAlias = Rule | Marker | Setting


@dataclass(frozen=True, slots=True)
class Program:
    """Rule files with their Includes, in the order in which they take effect."""

    items: tuple[Item, ...]
    warnings: tuple[Problem, ...] = field(default=(), compare=False)
    """What works, and not as its author may think."""

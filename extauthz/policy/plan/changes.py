"""Holds a plan to changing only values that it made: anything else could change the data."""

from typing import NamedTuple, TypeAlias

from extauthz.policy.plan.facts import Facts
from extauthz.policy.plan.ir import CHANGES, Block, Local, Statement, walk
from extauthz.policy.problems import PlanError, PlanProblem
from extauthz.policy.translator.names import Names

MAKERS = frozenset({"MakeArrayStmt", "MakeObjectStmt", "MakeSetStmt", "ResetLocalStmt"})
_SCALAR = frozenset(
    {"AssignIntStmt", "LenStmt", "MakeNullStmt", "MakeNumberIntStmt", "MakeNumberRefStmt"}
)
"""They give what cannot be changed. The planner uses their locals for collections, too."""
_COPYING = frozenset({"AssignVarStmt", "CallStmt", "DotStmt", "ObjectMergeStmt"})
_HANDING_ON = frozenset({"DotStmt", "AssignVarStmt", "AssignVarOnceStmt"})


Sources: TypeAlias = dict[Local, list[tuple[Statement, Local | None]]]
"""By local: the statements that give it a value, and the local that each hands on."""


class Changes(NamedTuple):
    """What must be copied, so that only values that the function made are changed."""

    parts: bool
    """What is put into an object: a part of a made value is changed."""
    taken: set[int]
    """What these statements (`id`) give: the local may hold a made value or another's."""


def changes_of(blocks: list[Block], names: Names, facts: Facts) -> Changes:
    """Check a function.

    Raises:
        PlanError: it changes a value that it did not make.
    """
    sources: Sources = {}
    changed: dict[Local, Statement] = {}
    for statement in walk(blocks):
        if statement.kind in CHANGES and id(statement) not in facts.folded:
            changed.setdefault(statement[CHANGES[statement.kind]], statement)
        for local in [*statement.writes(), *filter(None, [statement.fields.get("inner")])]:
            source = statement.fields.get("source")
            found = source if isinstance(source, Local) else None
            sources.setdefault(local, []).append((statement, found))
    parts = False
    taken: set[int] = set()
    seen: set[Local] = set()
    pending = list(changed.items())

    origin = _Origin(sources, names, facts)
    while pending:
        local, statement = pending.pop()
        if local in seen:
            continue
        seen.add(local)
        if origin.is_foreign(local):
            raise _foreign(statement)
        for giving, source in sources.get(local, []):
            if giving.kind in MAKERS or giving.kind in _SCALAR:
                continue
            if (
                giving.kind in _HANDING_ON
                and source is not None
                and not origin.is_foreign(source)
                and (origin.is_made(source) or source in changed or source in seen)
            ):
                parts |= giving.kind == "DotStmt"
                pending.append((source, statement))
            elif giving.kind in _COPYING and local not in names.single:
                # the planner uses one local for several values, and not all paths tell them apart
                taken.add(id(giving))
            else:
                raise _foreign(statement)
    return Changes(parts, taken)


class _Origin:
    """Where the values of locals come from.

    Not closures: one that calls itself is a cycle, and building a snapshot must leave none
    (`callout.config.uncollected`): 17 KB a reload stayed for ever.
    """

    def __init__(self, sources: Sources, names: Names, facts: Facts) -> None:
        self._sources = sources
        self._names = names
        self._facts = facts
        self._made: dict[Local, bool] = {}

    def is_foreign(self, local: Local) -> bool:
        return local in self._facts.constants or local in self._names.params

    def is_made(self, local: Local) -> bool:
        """Whether it holds nothing but what this function made."""
        made = self._made
        if local not in made:
            made[local] = True  # where locals hand on to each other, until something else is found
            made[local] = not self.is_foreign(local) and all(
                giving.kind in MAKERS
                or giving.kind in _SCALAR
                or (giving.kind in _HANDING_ON and source is not None and self.is_made(source))
                for giving, source in self._sources.get(local, [])
            )
        return made[local]


def _foreign(statement: Statement) -> PlanError:
    message = f"{statement.kind}: changes a value that it did not make"
    return PlanError(PlanProblem(*statement.place, message))

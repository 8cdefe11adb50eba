"""Holds a plan to changing only values that it made: anything else could change the data."""

from typing import NamedTuple

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
    sources: dict[Local, list[tuple[Statement, Local | None]]] = {}
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

    def is_foreign(local: Local) -> bool:
        return local in facts.constants or local in names.params

    made: dict[Local, bool] = {}

    def is_made(local: Local) -> bool:
        """Whether it holds nothing but what this function made."""
        if local not in made:
            made[local] = True  # where locals hand on to each other, until something else is found
            made[local] = not is_foreign(local) and all(
                giving.kind in MAKERS
                or giving.kind in _SCALAR
                or (giving.kind in _HANDING_ON and source is not None and is_made(source))
                for giving, source in sources.get(local, [])
            )
        return made[local]

    while pending:
        local, statement = pending.pop()
        if local in seen:
            continue
        seen.add(local)
        if is_foreign(local):
            raise _foreign(statement)
        for giving, source in sources.get(local, []):
            if giving.kind in MAKERS or giving.kind in _SCALAR:
                continue
            if (
                giving.kind in _HANDING_ON
                and source is not None
                and not is_foreign(source)
                and (is_made(source) or source in changed or source in seen)
            ):
                parts |= giving.kind == "DotStmt"
                pending.append((source, statement))
            elif giving.kind in _COPYING and local not in names.single:
                # the planner uses one local for several values, and not all paths tell them apart
                taken.add(id(giving))
            else:
                raise _foreign(statement)
    return Changes(parts, taken)


def _foreign(statement: Statement) -> PlanError:
    message = f"{statement.kind}: changes a value that it did not make"
    return PlanError(PlanProblem(*statement.place, message))

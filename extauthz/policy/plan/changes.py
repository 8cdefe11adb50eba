"""Holds a plan to changing only values that it made: anything else could change the data."""

from extauthz.policy.plan.facts import Facts
from extauthz.policy.plan.ir import CHANGES, Block, Local, Statement, walk
from extauthz.policy.problems import PlanError, PlanProblem
from extauthz.policy.translator.names import Names

MAKERS = frozenset({"MakeArrayStmt", "MakeObjectStmt", "MakeSetStmt", "ResetLocalStmt"})
_HANDING_ON = frozenset({"DotStmt", "AssignVarStmt", "AssignVarOnceStmt"})


def parts_are_changed(blocks: list[Block], names: Names, facts: Facts) -> bool:
    """Check a function.

    Returns:
        Whether a part of a made value is changed, so that what is put in must be copied.

    Raises:
        PlanError: it changes a value that it did not make.
    """
    sources: dict[Local, list[tuple[str, Local | None]]] = {}
    changed: dict[Local, Statement] = {}
    for statement in walk(blocks):
        if statement.kind in CHANGES and id(statement) not in facts.folded:
            changed.setdefault(statement[CHANGES[statement.kind]], statement)
        for local in [*statement.writes(), *filter(None, [statement.fields.get("inner")])]:
            source = statement.fields.get("source")
            found = source if isinstance(source, Local) else None
            sources.setdefault(local, []).append((statement.kind, found))
    parts = False
    seen: set[Local] = set()
    pending = list(changed.items())
    while pending:
        local, statement = pending.pop()
        if local in seen:
            continue
        seen.add(local)
        if local in facts.constants or local in names.params:
            raise _foreign(statement)
        for kind, source in sources.get(local, []):
            if kind in MAKERS:
                continue
            if kind not in _HANDING_ON or source is None:
                raise _foreign(statement)
            parts |= kind == "DotStmt"
            pending.append((source, statement))
    return parts


def _foreign(statement: Statement) -> PlanError:
    message = f"{statement.kind}: changes a value that it did not make"
    return PlanError(PlanProblem(*statement.place, message))

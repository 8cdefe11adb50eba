"""Whether a policy can allow anything at all, found in its plan.

An author is told of a policy that cannot, so this must never say so of one that can: whatever is
not understood may be anything. What is followed are constants, and which statements can be reached
with them, through all functions, until nothing more is found. Of OPA's 2,000 compliance cases, none
that gives `true` is said to never do so; 1,000 rules take a tenth of a second.
"""

from collections.abc import Iterable, Mapping
from enum import IntFlag
from typing import Any, Final, TypeAlias

from extauthz.policy.plan.facts import Facts, Path, learn
from extauthz.policy.plan.ir import DATA, INPUT, Block, Local, Operand, Plan, Statement, walk
from extauthz.policy.problems import refuse
from extauthz.policy.translator.names import Names, rename
from extauthz.policy.values.representation import equal


class May(IntFlag):
    """What a value may be; nothing: it is never defined."""

    TRUE = 1
    FALSE = 2
    OTHER = 4
    ALLOWED = 8
    """An object whose `allowed` may be true."""


NEVER: Final = May(0)
ANYTHING: Final = May.TRUE | May.FALSE | May.OTHER | May.ALLOWED
ALLOWANCE: Final = May.TRUE | May.ALLOWED
_Known: TypeAlias = Mapping[Path, Any]
"""What parts of the input are here, as they were compared before."""
_ENDS: Final = frozenset({"BreakStmt", "ReturnLocalStmt"})
_OTHER: Final = frozenset(
    {"AssignIntStmt", "LenStmt", "MakeArrayStmt", "MakeNullStmt", "MakeNumberIntStmt"}
    | {"MakeNumberRefStmt", "MakeObjectStmt", "MakeSetStmt"}
)


def can_allow(plan: Plan, entrypoint: str) -> bool:
    """Whether some input and data could make the entrypoint `true`, or an object that allows.

    Args:
        plan: as `read_plan` gave it; used up by this.
        entrypoint: its name there.

    Raises:
        PlanError: the plan is broken.
    """
    blocks = plan.entrypoints.get(entrypoint)
    if blocks is None:
        raise refuse(f"the plan has no entrypoint {entrypoint!r}")
    given = dict.fromkeys(plan.functions, NEVER)
    parts = {
        name: _Part(rename(each.params, each.blocks), each.blocks)
        for name, each in plan.functions.items()
    }
    callers: dict[str, set[str]] = {}
    for name, part in parts.items():
        for statement in walk(part.blocks):
            if statement.kind == "CallStmt":
                callers.setdefault(statement["func"], set()).add(name)
    pending = set(parts)
    while pending:
        name = pending.pop()
        found = parts[name].follow(given)
        if found != given[name]:
            given[name] = found
            pending |= callers.get(name, set())
    asked = _Part(rename([INPUT, DATA], blocks), blocks)
    asked.follow(given)
    return bool(asked.results & ALLOWANCE)


class _Part:
    """A function, or the entrypoint."""

    def __init__(self, names: Names, blocks: list[Block]) -> None:
        self.blocks = blocks
        self.facts: Facts = learn(names, blocks)
        self.input = names.params[0]
        self.may: dict[Local, May] = dict.fromkeys(names.params, ANYTHING)
        self.same = _aliases(blocks)
        self.returns = NEVER
        self.results = NEVER
        """What is put into any object: of an entrypoint, into its results."""
        self.given: Mapping[str, May] = {}
        self.grown = False

    def follow(self, given: Mapping[str, May]) -> May:
        """Follow all that can be reached when functions give this; what it returns."""
        self.given = given
        self.grown = True
        while self.grown:
            self.grown = False
            for block in self.blocks:
                self.block(block, {})
        return self.returns

    def block(self, block: Block, known: _Known) -> None:
        here = dict(known)
        for statement in block:
            if not self.passes(statement, here) or statement.kind in _ENDS:
                return

    def passes(self, statement: Statement, here: dict[Path, Any]) -> bool:
        """Take a statement's effects; False: what follows it in its block is never reached."""
        kind = statement.kind
        if kind == "NotStmt":
            self.block(statement["block"], here)
            return bool(statement["block"])
        if kind in ("EqualStmt", "NotEqualStmt"):
            return self.compares(statement, here)
        if kind == "IsDefinedStmt":
            return bool(self.value(statement["source"]))
        if kind == "ScanStmt":
            source = statement["source"]
            if self.facts.is_constant(source) and not self.facts.constant(source):
                return True
        if kind == "CallStmt" and statement["func"] in self.given:
            self.add(statement["result"], self.given[statement["func"]])
            return bool(self.given[statement["func"]])
        if kind == "ReturnLocalStmt":
            self.returns |= self.value(statement["source"])
        else:
            self.assign(statement)
        for inner in statement.blocks():
            self.block(inner, {} if kind == "WithStmt" else here)
        return True

    def compares(self, statement: Statement, here: dict[Path, Any]) -> bool:
        a, b = statement["a"], statement["b"]
        wanted = statement.kind == "EqualStmt"
        if self.facts.is_constant(a):
            a, b = b, a
        if not self.facts.is_constant(b):
            return True
        constant = self.facts.constant(b)
        if self.facts.is_constant(a):
            return equal(self.facts.constant(a), constant) is wanted
        if isinstance(constant, bool):
            flag = May.TRUE if constant else May.FALSE
            if not (self.value(a) & flag if wanted else self.value(a) & ~flag):
                return False
        path = self.facts.path(a)
        if path is not None and path[0] == self.input:
            if path in here:
                return equal(here[path], constant) is wanted
            if wanted:
                here[path] = constant
        return True

    def assign(self, statement: Statement) -> None:
        kind = statement.kind
        if kind in ("AssignVarStmt", "AssignVarOnceStmt"):
            self.add(statement["target"], self.value(statement["source"]))
        elif kind in ("ObjectInsertStmt", "ObjectInsertOnceStmt"):
            key = statement["key"]
            key = self.facts.constant(key) if self.facts.is_constant(key) else None
            value = self.value(statement["value"])
            if key in ("allowed", None) and value & May.TRUE:
                for each in self.same.get(statement["object"], (statement["object"],)):
                    self.add(each, May.ALLOWED)
            self.results |= value
        elif kind == "ObjectMergeStmt":
            parts = self.value(statement["a"]) | self.value(statement["b"])
            self.add(statement["target"], May.OTHER | parts & May.ALLOWED)
        elif kind in _OTHER:
            self.add(statement["target"], May.OTHER)
        elif kind != "ResetLocalStmt":
            for local in statement.writes():
                self.add(local, ANYTHING)
            if "inner" in statement.fields:
                self.add(statement["inner"], ANYTHING)

    def value(self, operand: Operand) -> May:
        if self.facts.is_constant(operand):
            return _of(self.facts.constant(operand))
        return self.may.get(operand, NEVER) if isinstance(operand, Local) else ANYTHING

    def add(self, local: Local, may: May) -> None:
        before = self.may.get(local, NEVER)
        if may & ~before:
            self.may[local] = before | may
            self.grown = True


def _of(constant: Any) -> May:
    if constant is True:
        return May.TRUE
    if constant is False:
        return May.FALSE
    if isinstance(constant, dict):  # an object, or a set
        return May.OTHER | (May.ALLOWED if constant.get("allowed") is True else NEVER)
    return May.OTHER


def _aliases(blocks: Iterable[Block]) -> dict[Local, set[Local]]:
    """Locals that may hold one and the same object, which is changed through any of them."""
    found: dict[Local, set[Local]] = {}
    for statement in walk(list(blocks)):
        if statement.kind in ("AssignVarStmt", "AssignVarOnceStmt"):
            source, target = statement["source"], statement["target"]
            if isinstance(source, Local):
                joined = found.get(source, {source}) | found.get(target, {target})
                for each in joined:
                    found[each] = joined
    return found

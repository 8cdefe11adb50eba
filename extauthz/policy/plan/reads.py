"""Which parts of the input a policy can look at, found in its plan.

Whoever builds the input may leave out the rest. So this must never say too little: anything but a
look-up by a constant name counts as reading all of what it is applied to, and under `with` the
replaced input counts as if it were the real one.
"""

from collections.abc import Container, Iterable
from typing import Final, TypeAlias

from callout.config.pace import breathe
from extauthz.policy.plan.ir import STATEMENTS, Block, Local, Role, Statement, walk
from extauthz.policy.translator.names import Names

Reads: TypeAlias = frozenset[tuple[str, ...]] | None
"""Paths into the input, each with all that is below it; None: anything.

An object on the way to a path must exist where the whole input has it, even if nothing in it does.
"""

_Path: TypeAlias = tuple[str, ...]


def reads_of(parts: Iterable[tuple[Names, list[Block]]], functions: Container[str]) -> Reads:
    """The reads of an entrypoint and of all functions that it may call.

    Args:
        parts: each with its locals renamed.
        functions: names of the functions among them; they get the input as their first argument.
    """
    found: set[_Path] = set()
    for names, blocks in parts:
        found |= _Reading(names, blocks, functions).found
    if () in found:
        return None
    return frozenset(
        path for path in found if not any(path[:end] in found for end in range(1, len(path)))
    )


class _Reading:
    def __init__(self, names: Names, blocks: list[Block], functions: Container[str]) -> None:
        self.names = names
        self.functions = functions
        self.found: set[_Path] = set()
        self.paths: dict[Local, set[_Path]] = {names.params[0]: {()}}
        self.statements = list(walk(blocks))
        self.room = room_for(len(self.statements))
        rounds = 0
        while self.spread() and rounds < MOST_ROUNDS and self.room:
            rounds += 1
            breathe()
        if rounds == MOST_ROUNDS or not self.room:
            self.found.add(())
            return
        for statement in self.statements:
            self.note(statement)

    def spread(self) -> bool:
        """Follow look-ups and assignments; any local may hold several parts of the input."""
        before = sum(map(len, self.paths.values()))
        for statement in self.statements:
            if statement.kind == "DotStmt" and isinstance(statement["key"], str):
                for path in self.held(statement["source"]):
                    self.hold(statement["target"], (*path, statement["key"]))
            elif statement.kind in ("AssignVarStmt", "AssignVarOnceStmt"):
                for path in self.held(statement["source"]):
                    self.hold(statement["target"], path)
            elif statement.kind == "WithStmt":
                whole = self.held(statement["value"]) & {()} if not statement["path"] else set()
                for path in self.held(statement["local"]) | whole:
                    self.hold(statement["inner"], path)
        return sum(map(len, self.paths.values())) > before

    def held(self, operand: object) -> set[_Path]:
        return set(self.paths.get(operand, ())) if isinstance(operand, Local) else set()

    def hold(self, local: Local, path: _Path) -> None:
        # a loop that looks ever deeper (`x = x.next`) is cut here: its root is then read as a whole
        if len(path) > _DEEPEST:
            self.found.add(path[:1])
        else:
            held = self.paths.setdefault(local, set())
            if path not in held:
                self.room = self.room and self.room - 1 if len(held) < MOST_HELD else 0
                if self.room:
                    held.add(path)

    def note(self, statement: Statement) -> None:
        """Add what the statement reads otherwise than by following it (see `spread`)."""
        kind = statement.kind
        if kind == "DotStmt" and isinstance(statement["key"], str):
            if not self.names.reads[statement["target"]]:
                self.found |= self.held(statement["target"])
            return
        if kind in ("AssignVarStmt", "AssignVarOnceStmt"):
            if not self.names.reads[statement["target"]]:
                self.found |= self.held(statement["source"])
            return
        if kind == "WithStmt":
            # the planner gives a block its original input back in this way
            passed_on = {()} if not statement["path"] else set()
            self.found |= self.held(statement["value"]) - passed_on
            return
        scope = 1 if kind == "CallStmt" and statement["func"] in self.functions else 0
        if kind == "CallDynamicStmt":
            scope = 2
        for name, role in STATEMENTS[kind].items():
            value = statement[name]
            if role is Role.OPERANDS or role is Role.READS:
                for operand in value[scope:] if name == "args" else value:
                    self.found |= self.held(operand)
            elif role in (Role.OPERAND, Role.READ):
                self.found |= self.held(value)


_DEEPEST = 50
MOST_ROUNDS: Final = 100
"""Of following what is handed on against the order in which it is written. Planned Rego needs 2."""


MOST_HELD: Final = 64
"""Parts of the input that one local may be. Of locals that are either of two fields of one another
the fiftieth would be 2 ** 50. With more than this, anything may be read."""


def room_for(statements: int) -> int:
    """How many parts of the input the locals of so many statements may be, all together.

    Planned Rego stays below one for each statement.
    """
    return 1000 + 4 * statements

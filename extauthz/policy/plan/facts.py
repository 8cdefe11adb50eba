"""What is known about the values of a function before any code is made for it.

Only locals that are assigned in one place are spoken of, so each fact holds wherever the local is
read: it is a constant, or another local, or a fixed path into the input or the data.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from extauthz.policy.errors import BuiltinError
from extauthz.policy.plan.ir import CHANGES, Block, Local, Operand, Statement, walk
from extauthz.policy.problems import PlanError, PlanProblem
from extauthz.policy.translator.names import Names
from extauthz.policy.values import numbers
from extauthz.policy.values.representation import RegoSet, encode

Path: TypeAlias = tuple[Any, ...]
"""A parameter's local (input or data), then constant keys."""

MAX_MEMBERS: Final = 250_000
"""Of a constant, counted as often as they are there: sixty statements can put one into itself
twice, sixty times. What is written out has an instruction for each (`reader.MAX_STATEMENTS`)."""
MAX_CONSTANT_DEPTH: Final = 200
"""Of constants inside each other, as of request bodies: comparing and copying them recurse."""

_EMPTY: Final = {"MakeArrayStmt": list, "MakeObjectStmt": dict, "MakeSetStmt": RegoSet}


@dataclass(slots=True)
class Facts:
    """See the module."""

    constants: dict[Local, Any] = field(default_factory=dict)
    aliases: dict[Local, Local] = field(default_factory=dict)
    paths: dict[Local, Path] = field(default_factory=dict)
    hoisted: set[Path] = field(default_factory=set)
    """Paths worth looking up once, at the start of the function."""
    stored: set[Local] = field(default_factory=set)
    """Parts of the data, by whatever path."""
    folded: set[int] = field(default_factory=set)
    """`id` of statements that only build a constant."""

    def resolve(self, operand: Operand) -> Operand:
        """The local that `operand` is another name of, or itself."""
        return self.aliases.get(operand, operand) if isinstance(operand, Local) else operand

    def is_constant(self, operand: Operand) -> bool:
        """Whether the operand's value is known now."""
        return not isinstance(operand, Local) or self.resolve(operand) in self.constants

    def constant(self, operand: Operand) -> Any:
        """The value of an operand of which `is_constant` holds."""
        resolved = self.resolve(operand)
        return self.constants[resolved] if isinstance(resolved, Local) else resolved

    def path(self, operand: Operand) -> Path | None:
        """Where in the input or data the operand's value lies, if that is fixed."""
        resolved = self.resolve(operand)
        return self.paths.get(resolved) if isinstance(resolved, Local) else None


def learn(names: Names, blocks: list[Block]) -> Facts:
    """Collect the facts about a function whose locals were renamed."""
    learner = _Learner(names)
    learner.changes = Counter(
        statement[CHANGES[statement.kind]]
        for statement in walk(blocks)
        if statement.kind in CHANGES
    )
    for local in names.single.intersection(names.params[:2]):
        learner.facts.paths[local] = (local,)
    learner.facts.stored.update(names.single.intersection(names.params[1:2]))
    for block in blocks:
        learner.block(block, 0)
    learner.choose_hoisted()
    return learner.facts


def sorted_paths(facts: Facts) -> list[Path]:
    """The hoisted paths, each after those that it goes through."""
    return sorted(facts.hoisted, key=len)


class _Learner:
    def __init__(self, names: Names) -> None:
        self.names = names
        self.facts = Facts()
        self.changes: Counter[Local] = Counter()
        self.sizes: dict[int, tuple[int, int]] = {}
        """`id` of a composite constant -> its members, all counted, and its depth."""
        self.uses: Counter[Path] = Counter()
        self.kept: list[Any] = []
        """Whatever `sizes` knows: no other value may get its `id`."""

    def block(self, block: Block, loops: int) -> None:
        self.fold(block)
        for statement in block:
            self.statement(statement, loops)
            for inner in statement.blocks():
                self.block(inner, loops + (statement.kind == "ScanStmt"))

    def statement(self, statement: Statement, loops: int) -> None:
        facts = self.facts
        if (
            statement.kind == "AssignVarStmt"
            and statement["target"] in self.names.single
            and statement["target"] not in self.changes  # then it is a copy: see `changes`
        ):
            source = facts.resolve(statement["source"])
            if facts.is_constant(source):
                facts.constants[statement["target"]] = facts.constant(source)
            elif (
                source in self.names.single
                and source not in facts.stored  # a variable is no path of the data any more
            ):
                facts.aliases[statement["target"]] = source
        elif statement.kind == "DotStmt":
            if facts.resolve(statement["source"]) in facts.stored:
                facts.stored.update({statement["target"]} & self.names.single)
            path = facts.path(statement["source"])
            if path is not None and facts.is_constant(statement["key"]):
                path = (*path, encode(facts.constant(statement["key"])))
                self.uses[path] += 2 if loops else 1
                if statement["target"] in self.names.single:
                    facts.paths[statement["target"]] = path

    def choose_hoisted(self) -> None:
        for path, count in self.uses.items():
            if count > 1:
                self.facts.hoisted.update(path[:end] for end in range(2, len(path) + 1))

    def fold(self, block: Block) -> None:
        """Find the constants that `block` builds, composite ones too.

        A composite is constant when all changes to it stand in this block, each with a constant,
        and nothing reads it before the last of them.
        """
        growing: dict[Local, Any] = {}
        steps: dict[Local, list[Statement]] = {}
        left: dict[Local, int] = {}
        for statement in block:
            made = scalar(statement)
            if made is not None:
                if statement["target"] in self.names.single:
                    self.facts.constants[statement["target"]] = made[0]
                    self.facts.folded.add(id(statement))
                continue
            if statement.kind in _EMPTY and statement["target"] in self.names.single:
                target = statement["target"]
                growing[target] = _EMPTY[statement.kind]()
                self.kept.append(growing[target])
                steps[target] = [statement]
                left[target] = self.changes[target]
            changed = statement[CHANGES[statement.kind]] if statement.kind in CHANGES else None
            for local in statement.reads():
                if local in growing and local != changed:
                    growing.pop(local)  # read before it was complete
            if changed in growing:
                if self.grow(growing[changed], statement):
                    steps[changed].append(statement)
                    left[changed] -= 1
                else:
                    growing.pop(changed)
            for inner in walk(statement.blocks()):
                for local in inner.reads():
                    growing.pop(local, None)
            for local in [local for local in growing if not left[local]]:
                self.facts.constants[local] = growing.pop(local)
                self.facts.folded.update(map(id, steps[local]))

    def grow(self, value: Any, statement: Statement) -> bool:
        """Take one step of building a constant; False: it is none."""
        facts = self.facts
        if not facts.is_constant(statement["value"]):
            return False
        added = facts.constant(statement["value"])
        members, depth = self.sizes.get(id(added), (1, 0))
        before, deepest = self.sizes.get(id(value), (1, 1))
        self.sizes[id(value)] = size = (before + members, max(deepest, depth + 1))
        if size[0] > MAX_MEMBERS or size[1] > MAX_CONSTANT_DEPTH:
            message = (
                f"a constant of more than {MAX_MEMBERS:,} members, or nested more than"
                f" {MAX_CONSTANT_DEPTH} deep"
            )
            raise PlanError(PlanProblem(*statement.place, message))
        if statement.kind == "ArrayAppendStmt" and type(value) is list:
            value.append(added)
        elif statement.kind == "SetAddStmt" and type(value) is RegoSet:
            value.setdefault(encode(added), added)
        elif (
            statement.kind == "ObjectInsertStmt"
            and type(value) is dict
            and facts.is_constant(statement["key"])
        ):
            value[encode(facts.constant(statement["key"]))] = added
        else:
            return False
        return True


def scalar(statement: Statement) -> tuple[Any] | None:
    """The value that a statement makes from nothing, in a tuple; None: it is another kind."""
    if statement.kind == "MakeNullStmt":
        return (None,)
    if statement.kind in ("MakeNumberIntStmt", "AssignIntStmt"):
        return (statement["value"],)
    if statement.kind == "MakeNumberRefStmt":
        text = statement["index"]
        if not numbers.NUMBER.fullmatch(text):
            raise PlanError(PlanProblem(*statement.place, f"{text[:40]!r} is not a number"))
        try:
            return (numbers.parse(text),)
        except BuiltinError as error:
            raise PlanError(PlanProblem(*statement.place, error.message)) from None
    return None

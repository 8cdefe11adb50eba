"""Writes one function of a plan: what all statements need.

The rules of the target: a local that has no value is `U` (undefined), or is not assigned at all
where every read comes after an assignment. Statements themselves are in `write_*.py`.
"""

import ast
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from extauthz.policy.plan.changes import changes_of
from extauthz.policy.plan.facts import Path, learn, sorted_paths
from extauthz.policy.plan.ir import Block, Function, Local, Operand, Statement, walk
from extauthz.policy.plan.recording import Recording, looked_at, noted_as
from extauthz.policy.problems import PlanError, PlanProblem
from extauthz.policy.translator import inline, nodes, syntax
from extauthz.policy.translator.early import returned_constant
from extauthz.policy.translator.flow import Flow, is_loop, loop_depth
from extauthz.policy.translator.index import Indexed, arrange
from extauthz.policy.translator.names import Names
from extauthz.policy.translator.write_index import write_indexed
from extauthz.policy.values.representation import decode

MAX_LOOPS: Final = 14
"""Python allows 20 loops inside each other; a scan deeper than this becomes a function inside."""

Write: TypeAlias = "Callable[[Writer, Statement, Statement | None], bool | None]"
"""Writes a statement; sees the one that follows it, and says whether it took it along."""


class Program(NamedTuple):
    """What the functions of a plan share while they are written."""

    functions: Mapping[str, Function]
    numbers: Mapping[str, int]
    """Function name -> its number; in Python it is called `f` and that number."""
    remembered: frozenset[str]
    """Functions whose value is kept in the evaluation's memo."""
    constants: dict[str, Any]
    """Python name -> a constant that has no literal."""
    builtins: Mapping[str, str]
    """Builtin -> the Python name that it is bound to."""
    arity: Mapping[str, int]
    writers: Mapping[str, Write]
    """By kind of statement: all of them."""
    recording: Recording | None
    """What statements read of the input, if the code shall note it."""
    strict: bool
    """Whether an error of a builtin stops the evaluation."""
    prints: bool
    """Whether `print` says something."""
    steps: int
    """What all functions cost at most, apart from what they count themselves."""


def own(local: Local) -> str:
    """What a local is called in Python."""
    return f"v{local.number}"


def broken(statement: Statement, message: str) -> PlanError:
    """A fault of the plan at a statement."""
    return PlanError(PlanProblem(*statement.place, f"{statement.kind}: {message}"))


class Writer:
    """Writes one function, or entrypoint."""

    def __init__(self, program: Program, names: Names, blocks: list[Block]) -> None:
        """Learn about the function.

        Args:
            program: what it may call.
            names: of its locals, which are renamed.
            blocks: its body.
        """
        self.program = program
        self.names = names
        self.flow = Flow()
        self.facts = learn(names, blocks)
        self.hoists = {path: f"h{number}" for number, path in enumerate(sorted_paths(self.facts))}
        self.fixed = {*self.hoists.values(), *map(own, names.params)}
        """Names that are assigned once, at the start."""
        self.memo = "m"
        """The name of the memo that counts here."""
        self.base = 0
        """How many Python loops are open outside of the Python function that is being written."""
        self.forget_dead(blocks)
        self.sure = self.surely_defined(blocks)
        self.early = loop_depth(blocks) <= MAX_LOOPS
        """Whether rules may end as soon as their answer is clear: not out of functions inside."""
        decisive = returned_constant(blocks, names, self.facts) if self.early else None
        self.decisive: set[Local] = decisive[0] if decisive else set()
        """Locals whose assignment is the function's answer."""
        self.decided: Local | None = blocks[-1][0]["source"] if decisive else None
        """The answer's own local; None: there is no such shortcut."""
        self.once = self.given_in_one_place(blocks)
        """Locals that only one `AssignVarOnce` gives a value: outside of loops, no conflict."""
        changes = changes_of(blocks, names, self.facts)
        self.copies = changes.parts
        """Whether objects must be copied when they are put into another."""
        self.taken = changes.taken
        self.takes = False
        """Whether what the statement gives must be copied."""

    def forget_dead(self, blocks: list[Block]) -> None:
        """Do not count reads that only hand a value to a local that nobody reads."""
        reads = self.names.reads
        for statement in reversed([s for s in walk(blocks) if s.kind == "AssignVarStmt"]):
            source, target = statement["source"], statement["target"]
            if isinstance(source, Local) and not reads[target] and target in self.names.single:
                reads[source] -= 1

    def surely_defined(self, blocks: list[Block]) -> set[Local]:
        """Locals that have a value wherever they are read."""
        sure = self.names.single - set(self.names.params[:2])
        given = {
            "AssignVarStmt": ("source", "target"),
            # the planner restores an input that may have been undefined in this way
            "WithStmt": ("value", "inner"),
        }
        for statement in walk(blocks):
            if statement.kind == "ResetLocalStmt":
                sure.discard(statement["target"])
            elif statement.kind in given and not statement.fields.get("path"):
                source, target = given[statement.kind]
                if not self.is_sure(statement[source], sure):
                    sure.discard(statement[target])
        return sure

    def given_in_one_place(self, blocks: list[Block]) -> set[Local]:
        """See `once`."""
        places: Counter[Local] = Counter()
        for statement in walk(blocks):
            if statement.kind != "ResetLocalStmt":
                places.update(statement.writes())
        return {local for local, count in places.items() if count == 1}

    def is_sure(self, operand: Operand, sure: set[Local]) -> bool:
        """Whether an operand cannot be undefined, given the locals that cannot."""
        return self.facts.is_constant(operand) or self.facts.resolve(operand) in sure

    def function_body(self, blocks: list[Block]) -> list[ast.stmt]:
        """The whole body."""
        flow = self.flow
        start: list[ast.stmt] = []
        flow.body = start
        for local in sorted(self.names.unset - self.decisive - {self.decided}):
            flow.emit(syntax.assign(own(local), syntax.UNDEFINED))
        for path, name in self.hoists.items():
            flow.emit(syntax.assign(name, self.look_up(path[:-1], path[-1])))
        program = self.program
        for part in arrange(blocks, self.names, self.facts, program.functions, program.strict):
            if isinstance(part, Indexed):
                write_indexed(self, part)
            else:
                self.block(part)
        flow.body = start
        flow.emit(nodes.Return(syntax.UNDEFINED))
        return start

    def block(self, block: Block, success: ast.stmt | None = None) -> None:
        """Write a block; `success` runs when its end is reached with everything defined."""
        flow = self.flow
        before, checked = flow.body, flow.checked
        if before is None:
            return
        flow.checked = set(checked)
        frame = flow.open(is_loop(block))
        at = len(before)
        if frame.is_loop:
            flow.body = []
            before.append(loop := syntax.once(flow.body))
        self.statements(block)
        if success is not None:
            flow.emit(success)
        if frame.is_loop:
            loop.body.append(nodes.Break())
        flow.frames.pop()
        flow.passed(frame, before, at)
        flow.checked = checked

    def statements(self, block: Block) -> None:
        """Write the statements of a block."""
        skip = False
        for index, statement in enumerate(block):
            if self.flow.body is None:
                return
            self.note(statement)
            if skip or id(statement) in self.facts.folded:
                skip = False
                continue
            following = block[index + 1] if index + 1 < len(block) else None
            self.takes = id(statement) in self.taken
            skip = bool(self.program.writers[statement.kind](self, statement, following))

    def note(self, statement: Statement) -> None:
        """Note in the memo what a statement reads of the input, before it runs (`Recording`).

        Also for code that leaves a statement out because of a value that it would have read.
        """
        if self.program.recording is not None:
            self.note_down(self.program.recording.notes(statement))

    def note_asked(self, local: Local) -> None:
        """Note that code is about to choose statements by a value known at the start."""
        recording, path = self.program.recording, self.facts.path(local)
        # an argument was noted as a whole by the call; the data is the same for everybody
        if recording is not None and path is not None and path[0] == self.names.params[0]:
            self.note_down((recording.number(looked_at(path[1:])),))

    def note_down(self, numbers: Sequence[int]) -> None:
        """Write numbers of reads into the memo, unless they surely are there."""
        if self.memo != "m":
            return  # what is noted under `with` is not seen, and not needed
        for number in numbers:
            mark = f"#{number}"
            if mark not in self.flow.checked:
                self.flow.checked.add(mark)
                key = syntax.constant(noted_as(number))
                self.flow.emit(syntax.put(syntax.name(self.memo), key, syntax.constant(None)))

    def value(self, operand: Operand) -> ast.expr:
        """The operand as an expression; undefined if it is."""
        facts = self.facts
        if facts.is_constant(operand):
            return self.literal(facts.constant(operand))
        resolved = facts.resolve(operand)
        assert isinstance(resolved, Local)  # noqa: S101
        path = facts.paths.get(resolved)
        if path in facts.hoisted:
            return syntax.name(self.hoist_name(path))
        return syntax.name(own(resolved))

    def defined(self, operand: Operand) -> ast.expr:
        """The operand as an expression, after a guard that it is defined, where that may fail."""
        expression = self.value(operand)
        if not self.is_sure(operand, self.sure):
            assert isinstance(expression, ast.Name)  # noqa: S101
            self.check(expression.id)
        return expression

    def check(self, name: str) -> None:
        """Go on only if the value of `name` is not undefined."""
        if name not in self.flow.checked:
            self.flow.guard(syntax.is_not(syntax.name(name), syntax.UNDEFINED))
            if name in self.fixed:
                self.flow.checked.add(name)

    def literal(self, value: Any) -> ast.expr:
        """A constant."""
        if value is None or (isinstance(value, str | int)):
            return syntax.constant(value)
        return self.shared_constant(value)

    def shared_constant(self, value: Any) -> ast.expr:
        """A constant that has no literal."""
        name = f"K{len(self.program.constants)}"
        self.program.constants[name] = value
        return syntax.name(name)

    def hoist_name(self, path: Path | None) -> str:
        """The name of the value at a path that is looked up at the start."""
        assert path is not None  # noqa: S101
        if len(path) == 1:
            return own(path[0])
        return self.hoists[path]

    def look_up(self, parent: Path, key: Any) -> ast.expr:
        """A look-up from a hoisted path."""
        stored = parent[0] == self.names.params[1]
        return self.get(syntax.name(self.hoist_name(parent)), decode(key), stored)

    def get(self, source: ast.expr, key: Any, stored: bool) -> ast.expr:
        """A look-up by a constant key; `stored`: in the data."""
        if type(key) is str:
            shape = inline.GET_FIELD
        elif type(key) is int and key >= 0:
            shape = inline.GET_STORED_INDEX if stored else inline.GET_INDEX
        else:
            memo = [syntax.name(self.memo)] if stored else []
            return syntax.call("stored" if stored else "dot", source, self.literal(key), *memo)
        return syntax.fill(shape, s=source, k=self.literal(key), m=syntax.name(self.memo))

    def key(self, operand: Operand) -> ast.expr:
        """The operand as the key of a set or object."""
        value = self.defined(operand)
        if self.facts.is_constant(operand) and isinstance(self.facts.constant(operand), str):
            return value
        if isinstance(value, ast.Name):
            return syntax.fill(inline.KEY, a=value)
        return syntax.call("encode", value)

    def give(self, target: Local, value: ast.expr) -> None:
        """Assign a value that may be undefined, and go on only if it is not."""
        if self.takes:
            value = syntax.call("copy", value)
        if self.names.reads[target]:
            value = syntax.bind(own(target), value)
        self.flow.guard(syntax.is_not(value, syntax.UNDEFINED))

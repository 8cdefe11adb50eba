"""Writes one function of a plan as a Python function: a table of one writer a statement.

The rules of the target: a local that has no value is `U` (undefined), or is not assigned at all
where every read comes after an assignment. A function takes the input, the data, the evaluation's
memo and its own parameters, and gives its value or `U`.
"""

import ast
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from extauthz.policy import inline, syntax
from extauthz.policy.early import returned_constant, settled_by
from extauthz.policy.facts import Path, learn, scalar, sorted_paths
from extauthz.policy.flow import Flow, is_left_from_inside
from extauthz.policy.ir import CHANGES, FOUND_UNDEFINED, Block, Function, Local, Operand, Statement, walk
from extauthz.policy.names import Names
from extauthz.policy.problems import PlanError, PlanProblem
from extauthz.policy.values import decode

MAX_LOOPS: Final = 14
"""Python allows 20 loops inside each other; a scan deeper than this becomes a function inside."""


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


def write_function(program: Program, function: Function, names: Names) -> ast.FunctionDef:
    """Write a function of the policy, whose locals are renamed.

    Raises:
        PlanError: the plan is broken.
    """
    body = _Writer(program, names, function.blocks).function_body(function.blocks)
    own = list(map(_own, names.params))
    name = f"f{program.numbers[function.name]}"
    return syntax.function(name, [*own[:2], "m", *own[2:]], body)


def write_entrypoint(
    program: Program, name: str, blocks: list[Block], names: Names
) -> ast.FunctionDef:
    """Write an entrypoint: a function of input, data and memo that gives the list of results."""
    body = [
        syntax.assign("results", ast.List([], ast.Load())),
        *_Writer(program, names, blocks).function_body(blocks)[:-1],
        ast.Return(syntax.name("results")),
    ]
    return syntax.function(name, [*map(_own, names.params), "m"], body)


class _Writer:
    def __init__(self, program: Program, names: Names, blocks: list[Block]) -> None:
        self.program = program
        self.flow = Flow()
        self.names = names
        self.facts = learn(self.names, blocks)
        self.forget_dead(blocks)
        self.hoists = {path: f"h{number}" for number, path in enumerate(sorted_paths(self.facts))}
        self.fixed = {*self.hoists.values(), *map(_own, self.names.params)}
        """Names that are assigned once, at the start."""
        self.memo = "m"
        self.in_closure = False
        self.sure = self.surely_defined(blocks)
        deep = _scan_depth(blocks) > MAX_LOOPS
        decisive = None if deep else returned_constant(blocks, self.names, self.facts)
        self.decisive: set[Local] = decisive[0] if decisive else set()
        self.decided: Local | None = blocks[-1][0]["source"] if decisive else None
        self.early = not deep
        self.copies = self.check_changes(blocks)

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
        for statement in walk(blocks):
            if statement.kind == "ResetLocalStmt":
                sure.discard(statement["target"])
            elif statement.kind == "AssignVarStmt" and not self.is_sure(statement["source"], sure):
                sure.discard(statement["target"])
            elif statement.kind == "WithStmt" and not statement["path"]:
                # the planner restores an input that may have been undefined in this way
                if not self.is_sure(statement["value"], sure):
                    sure.discard(statement["inner"])
        return sure

    def is_sure(self, operand: Operand, sure: set[Local]) -> bool:
        return self.facts.is_constant(operand) or self.facts.resolve(operand) in sure

    # -- the function as a whole

    def function_body(self, blocks: list[Block]) -> list[ast.stmt]:
        flow = self.flow
        start: list[ast.stmt] = []
        flow.body = start
        for local in sorted(self.names.unset - self.decisive - {self.decided}):
            flow.emit(syntax.assign(_own(local), syntax.UNDEFINED))
        for path, name in self.hoists.items():
            flow.emit(syntax.assign(name, self.look_up(path[:-1], path[-1])))
        for block in blocks:
            self.block(block)
        flow.body = start
        flow.emit(ast.Return(syntax.UNDEFINED))
        return start

    def check_changes(self, blocks: list[Block]) -> bool:
        """Refuse a plan that changes a value that it did not make: it could change the data.

        Returns:
            Whether a part of a made value is changed, so that what is put in must be copied.
        """
        sources: dict[Local, list[tuple[str, Local | None]]] = {}
        changed: dict[Local, Statement] = {}
        for statement in walk(blocks):
            if statement.kind in CHANGES and id(statement) not in self.facts.folded:
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
            if local in self.facts.constants or local in self.names.params:
                raise self.broken(statement, "changes a value that it did not make")
            for kind, source in sources.get(local, []):
                if kind in _MAKERS:
                    continue
                if kind not in _HANDING_ON or source is None:
                    raise self.broken(statement, "changes a value that it did not make")
                parts |= kind == "DotStmt"
                pending.append((source, statement))
        return parts

    def broken(self, statement: Statement, message: str) -> PlanError:
        return PlanError(PlanProblem(*statement.place, f"{statement.kind}: {message}"))

    # -- blocks

    def block(self, block: Block, success: ast.stmt | None = None) -> None:
        """Write a block; `success` runs when its end is reached with everything defined."""
        flow = self.flow
        before, checked = flow.body, flow.checked
        if before is None:
            return
        flow.checked = set(checked)
        frame = flow.open(is_left_from_inside(block))
        at = len(before)
        if frame.is_loop:
            flow.body = []
            before.append(loop := syntax.once(flow.body))
        self.statements(block)
        if success is not None:
            flow.emit(success)
        if frame.is_loop:
            loop.body.append(ast.Break())
        flow.frames.pop()
        flow.passed(frame, before, at)
        flow.checked = checked

    def statements(self, block: Block) -> None:
        skip = False
        for index, statement in enumerate(block):
            if self.flow.body is None:
                return
            if skip or id(statement) in self.facts.folded:
                skip = False
                continue
            following = block[index + 1] if index + 1 < len(block) else None
            skip = bool(WRITERS[statement.kind](self, statement, following))

    # -- operands

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
        return syntax.name(_own(resolved))

    def defined(self, operand: Operand) -> ast.expr:
        """The operand as an expression, after a guard that it is defined, where that may fail."""
        expression = self.value(operand)
        if not self.is_sure(operand, self.sure):
            assert isinstance(expression, ast.Name)  # noqa: S101
            self.check(expression.id)
        return expression

    def check(self, name: str) -> None:
        if name not in self.flow.checked:
            self.flow.guard(syntax.is_not(syntax.name(name), syntax.UNDEFINED))
            if name in self.fixed:
                self.flow.checked.add(name)

    def literal(self, value: Any) -> ast.expr:
        if value is None or isinstance(value, str | int) and not isinstance(value, Decimal):
            return syntax.constant(value)
        name = f"K{len(self.program.constants)}"
        self.program.constants[name] = value
        return syntax.name(name)

    def hoist_name(self, path: Path | None) -> str:
        assert path is not None  # noqa: S101
        if len(path) == 1:
            return _own(path[0])
        return self.hoists[path]

    def look_up(self, parent: Path, key: Any) -> ast.expr:
        stored = parent[0] == self.names.params[1]
        return self.get(syntax.name(self.hoist_name(parent)), decode(key), stored)

    def get(self, source: ast.expr, key: Any, stored: bool) -> ast.expr:
        """A look-up by a constant key; `stored`: in the data."""
        if type(key) is str:
            shape = inline.GET_FIELD
        elif type(key) is int and key >= 0:
            shape = inline.GET_STORED_INDEX if stored else inline.GET_INDEX
        else:
            return syntax.call("stored" if stored else "dot", source, self.literal(key))
        return syntax.fill(shape, s=source, k=self.literal(key))

    def key(self, operand: Operand) -> ast.expr:
        """The operand as the key of a set or object."""
        value = self.defined(operand)
        if self.facts.is_constant(operand) and isinstance(self.facts.constant(operand), str):
            return value
        if isinstance(value, ast.Name):
            return syntax.fill(inline.KEY, a=value)
        return syntax.call("encode", value)

    def conflict(self, statement: Statement, message: str) -> ast.expr:
        """What is said when the statement gives a second value."""
        return syntax.constant(f"{statement.place.file}:{statement.place.line}: {message}")

    def give(self, target: Local, value: ast.expr) -> None:
        """Assign a value that may be undefined, and go on only if it is not."""
        if self.names.reads[target]:
            value = syntax.bind(_own(target), value)
        self.flow.guard(syntax.is_not(value, syntax.UNDEFINED))

    # -- one writer a statement; a true result means that the next one was taken along

    def assign_var(self, statement: Statement, _: Statement | None) -> None:
        target = statement["target"]
        if target in self.facts.constants:
            return
        source = self.value(statement["source"])
        if target in self.facts.aliases or not self.names.reads[target]:
            return
        self.flow.emit(syntax.assign(_own(target), source))
        self.settle(target)

    def assign_once(self, statement: Statement, _: Statement | None) -> None:
        target = statement["target"]
        source = self.defined(statement["source"])
        if target in self.decisive or target == self.decided:
            self.flow.emit(ast.Return(source))
            self.flow.dead()
            return
        first = syntax.when(
            syntax.is_(syntax.name(_own(target)), syntax.UNDEFINED),
            [syntax.assign(_own(target), source)],
        )
        what = "functions" if len(self.names.params) > 2 else "complete rules"
        inputs = " for same inputs" if len(self.names.params) > 2 else ""
        message = self.conflict(statement, f"{what} must not produce multiple outputs{inputs}")
        checked = syntax.call("once", syntax.name(_own(target)), source, message)
        first.orelse = [ast.Expr(checked)]
        self.flow.emit(first)
        self.settle(target)

    def settle(self, target: Local) -> None:
        """Leave the outermost scan that this assignment settles."""
        for frame in self.flow.frames:
            if frame.exit == target:
                self.flow.jump(frame, leave=True)
                return

    def reset(self, statement: Statement, _: Statement | None) -> None:
        if statement["target"] not in self.decisive:
            self.flow.emit(syntax.assign(_own(statement["target"]), syntax.UNDEFINED))

    def assign_int(self, statement: Statement, _: Statement | None) -> None:
        self.flow.emit(
            syntax.assign(_own(statement["target"]), syntax.constant(statement["value"]))
        )

    def make(self, statement: Statement, _: Statement | None) -> None:
        empty: ast.expr = {
            "MakeArrayStmt": ast.List([], ast.Load()),
            "MakeObjectStmt": ast.Dict([], []),
            "MakeSetStmt": syntax.call("Set"),
        }[statement.kind]
        self.flow.emit(syntax.assign(_own(statement["target"]), empty))

    def make_scalar(self, statement: Statement, _: Statement | None) -> None:
        value = scalar(statement)
        assert value is not None  # noqa: S101
        self.flow.emit(syntax.assign(_own(statement["target"]), self.literal(value[0])))

    def dot(self, statement: Statement, following: Statement | None) -> bool:
        facts, target = self.facts, statement["target"]
        is_known = facts.is_constant(statement["key"])
        path = facts.paths.get(target)
        if is_known and path in facts.hoisted:
            if not self.is_asked_again(target, following):
                self.check(self.hoist_name(path))
            return False
        source, key = self.source(statement), self.defined(statement["key"])
        if is_known:
            stored = facts.resolve(statement["source"]) in facts.stored
            value = self.get(source, facts.constant(statement["key"]), stored)
        elif facts.resolve(statement["source"]) in facts.stored:
            value = syntax.fill(inline.GET_STORED, s=source, k=key)
        else:
            value = syntax.fill(inline.GET, s=source, k=key)
        self.give(target, value)
        return False

    def is_asked_again(self, target: Local, following: Statement | None) -> bool:
        """Whether the next statement looks into `target` and so finds out if it is undefined."""
        return (
            following is not None
            and following.kind == "DotStmt"
            and following["source"] == target
            and self.facts.paths.get(following["target"]) in self.facts.hoisted
        )

    def source(self, statement: Statement) -> ast.expr:
        """The source of a look-up; of undefined, `dot` gives undefined."""
        return self.value(statement["source"])

    def equal(self, statement: Statement, _: Statement | None) -> None:
        a, b = statement["a"], statement["b"]
        if self.facts.is_constant(a):
            a, b = b, a
        left, right = self.defined(a), self.defined(b)
        negated = statement.kind == "NotEqualStmt"
        if self.facts.is_constant(b) and not self.facts.is_constant(a):
            known = self.facts.constant(b)
            if known is None or isinstance(known, bool):
                test = syntax.is_not(left, right) if negated else syntax.is_(left, right)
                self.flow.guard(test)
                return
            if isinstance(known, str):
                shape = inline.OTHER_TEXT if negated else inline.SAME_TEXT
                self.flow.guard(syntax.fill(shape, a=left, b=right))
                return
            if isinstance(known, int) and not negated:
                self.flow.guard(syntax.fill(inline.EQUAL_NUMBER, a=left, b=right))
                return
        shape = inline.NOT_EQUAL if negated else inline.EQUAL
        self.flow.guard(syntax.fill(shape, a=left, b=right))

    def is_type(self, statement: Statement, _: Statement | None) -> None:
        kind = {"IsArrayStmt": "list", "IsObjectStmt": "dict", "IsSetStmt": "Set"}[statement.kind]
        value = self.value(statement["source"])
        self.flow.guard(syntax.is_(syntax.call("type", value), syntax.name(kind)))

    def is_defined(self, statement: Statement, _: Statement | None) -> None:
        if statement["source"] in self.decisive:
            self.flow.dead()
        else:
            self.defined(statement["source"])

    def is_undefined(self, statement: Statement, _: Statement | None) -> None:
        if statement["source"] == self.decided:
            return  # a rule that had given it a value would have returned
        value = self.value(statement["source"])
        self.flow.guard(syntax.is_(value, syntax.UNDEFINED))

    def length(self, statement: Statement, _: Statement | None) -> None:
        value = syntax.call("length", self.defined(statement["source"]))
        self.give(statement["target"], value)

    def append(self, statement: Statement, _: Statement | None) -> None:
        array, value = self.value(statement["array"]), self.defined(statement["value"])
        method = ast.Attribute(array, "append", ast.Load())
        self.flow.emit(ast.Expr(ast.Call(method, [value], [])))

    def set_add(self, statement: Statement, _: Statement | None) -> None:
        value = self.defined(statement["value"])
        key = self.key(statement["value"])
        self.flow.emit(syntax.put(self.value(statement["set"]), key, value))

    def insert(self, statement: Statement, _: Statement | None) -> None:
        key, value = self.key(statement["key"]), self.defined(statement["value"])
        if self.copies:
            value = syntax.call("copy", value)
        target = self.value(statement["object"])
        if statement.kind == "ObjectInsertStmt":
            self.flow.emit(syntax.put(target, key, value))
        else:
            message = self.conflict(statement, "object keys must be unique")
            once = syntax.call("insert_once", target, key, value, message)
            self.flow.emit(ast.Expr(once))

    def merge(self, statement: Statement, _: Statement | None) -> None:
        merged = syntax.call("merge", self.value(statement["a"]), self.value(statement["b"]))
        self.give(statement["target"], merged)

    def nop(self, _statement: Statement, _: Statement | None) -> None:
        """Nothing."""

    def result(self, statement: Statement, _: Statement | None) -> None:
        append = ast.Attribute(syntax.name("results"), "append", ast.Load())
        value = self.defined(statement["value"])
        self.flow.emit(ast.Expr(ast.Call(append, [value], [])))

    def return_local(self, statement: Statement, _: Statement | None) -> None:
        if self.in_closure:
            raise self.broken(statement, "inside of iterations that are nested too deeply")
        decided = statement["source"] == self.decided
        value = syntax.UNDEFINED if decided else self.value(statement["source"])
        self.flow.emit(ast.Return(value))
        self.flow.dead()

    def block_stmt(self, statement: Statement, _: Statement | None) -> None:
        for block in statement["blocks"]:
            self.block(block)

    def break_stmt(self, statement: Statement, _: Statement | None) -> None:
        self.leave(statement, statement["index"])

    def leave(self, statement: Statement, depth: int) -> None:
        frames = self.flow.frames
        if depth >= len(frames) or any(frame.is_scan for frame in frames[len(frames) - depth :]):
            raise self.broken(statement, "jumps out of an iteration, or further than there are blocks")
        if depth == 0:
            self.flow.dead()
        else:
            self.flow.jump(frames[-1 - depth])

    def not_stmt(self, statement: Statement, _: Statement | None) -> None:
        flag = self.flow.fresh("n")
        self.flow.emit(syntax.assign(flag, syntax.TRUE))
        self.block(statement["block"], success=syntax.assign(flag, syntax.FALSE))
        self.flow.guard(syntax.name(flag))

    def with_stmt(self, statement: Statement, _: Statement | None) -> None:
        flow = self.flow
        value = self.value(statement["value"])
        if statement["path"]:
            value = self.defined(statement["value"])
            path = ast.Tuple([syntax.constant(part) for part in statement["path"]], ast.Load())
            value = syntax.call("upsert", self.value(statement["local"]), path, value)
        memo, outer = flow.fresh("m"), self.memo
        done = flow.fresh("w")
        flow.emit(
            syntax.assign(_own(statement["inner"]), value),
            syntax.assign(memo, syntax.call("fork", syntax.name(outer))),
            syntax.assign(done, syntax.FALSE),
        )
        self.memo = memo
        self.block(statement["block"], success=syntax.assign(done, syntax.TRUE))
        self.memo = outer
        flow.guard(syntax.name(done))

    def scan(self, statement: Statement, _: Statement | None) -> None:
        flow = self.flow
        source = self.defined(statement["source"])
        before = flow.body
        assert before is not None  # noqa: S101
        key, value = statement["key"], statement["value"]
        names = [_own(local) if self.names.reads[local] else None for local in (key, value)]
        ordered = self.is_order_seen(statement)
        target, items = _iteration(source, names[0], names[1], ordered)
        body: list[ast.stmt] = []
        if names[0]:
            body.append(_decoded(names[0]))
        loop = ast.For(target, items, body, [])
        leave = settled_by(statement, self.names, self.facts) if self.early else None
        outline = flow.loops() and flow.loops() % MAX_LOOPS == 0
        at = len(before)
        checked, flow.checked = flow.checked, set(flow.checked)
        closure, self.in_closure = self.in_closure, self.in_closure or bool(outline)
        frame = flow.open(is_loop=True, is_scan=True, leave=leave)
        flow.body = body
        self.statements(statement["block"])
        flow.frames.pop()
        if not body:
            body.append(ast.Pass())
        self.in_closure = closure
        flow.checked = checked
        if outline:
            self.outline(statement, loop, before)
        else:
            before.append(loop)
        flow.passed(frame, before, at)

    def outline(self, statement: Statement, loop: ast.For, before: list[ast.stmt]) -> None:
        """Put a scan into a function of its own, which shares the locals of this one."""
        outer = self.flow.fresh("scan")
        inside: Counter[Local] = Counter()
        written: set[Local] = set()
        for inner in [statement, *walk([statement["block"]])]:
            inside.update(inner.reads())
            inside.update(local for local in inner.writes())
            written.update(inner.writes())
        shared = sorted(
            _own(local) for local in written if inside[local] < self.names.occurrences[local]
        )
        body: list[ast.stmt] = [ast.Nonlocal(shared)] if shared else []
        before.append(syntax.function(outer, [], [*body, loop]))
        before.append(ast.Expr(syntax.call(outer)))

    def is_order_seen(self, scan: Statement) -> bool:
        """Whether what the scan leaves behind depends on the order of its rounds (an array)."""
        made: set[Local] = set()
        grown: set[Local] = set()
        for statement in walk([scan["block"]]):
            if statement.kind in _MAKERS:
                made.add(statement["target"])
            elif statement.kind in ("ArrayAppendStmt", "ObjectInsertStmt"):
                grown.add(statement[CHANGES[statement.kind]])
            elif statement.kind == "AssignVarStmt" and statement["target"] not in self.names.single:
                if not self.facts.is_constant(statement["source"]):
                    return True
        return bool(grown - made)

    # -- calls

    def call(self, statement: Statement, following: Statement | None) -> bool:
        name = statement["func"]
        if name in self.program.functions:
            self.call_function(statement, self.program.functions[name])
            return False
        return self.call_builtin(statement, following)

    def call_function(self, statement: Statement, function: Function) -> None:
        arguments, target = statement["args"], statement["result"]
        if len(arguments) != len(function.params):
            raise self.broken(statement, f"{function.name} takes {len(function.params)} arguments")
        scope = [self.value(argument) for argument in arguments[:2]]
        own = [self.defined(argument) for argument in arguments[2:]]
        number = self.program.numbers[function.name]
        memo = syntax.name(self.memo)
        value: ast.expr = syntax.call(f"f{number}", *scope, memo, *own)
        if function.name not in self.program.remembered:
            self.give(target, value)
            return
        flow, name = self.flow, _own(target)
        slot = ast.Subscript(memo, syntax.constant(number), ast.Store())
        get = ast.Call(
            ast.Attribute(memo, "get", ast.Load()),
            [syntax.constant(number), syntax.name("MISSING")],
            [],
        )
        flow.emit(syntax.assign(name, get))
        fresh: ast.stmt = ast.Assign([ast.Name(name, ast.Store()), slot], value)
        flow.emit(syntax.when(syntax.is_(syntax.name(name), syntax.name("MISSING")), [fresh]))
        flow.guard(syntax.is_not(syntax.name(name), syntax.UNDEFINED))

    def call_builtin(self, statement: Statement, following: Statement | None) -> bool:
        name, target = statement["func"], statement["result"]
        if name == "internal.print":
            return False
        bound = self.program.builtins.get(name)
        if bound is None:
            raise PlanError(PlanProblem(*statement.place, f"unsupported builtin {name}"))
        arguments = [self.defined(argument) for argument in statement["args"]]
        if len(arguments) != self.program.arity[name]:
            raise self.broken(statement, f"{name} takes {self.program.arity[name]} arguments")
        if name in inline.PREDICATES:
            a, b = arguments
            test = syntax.fill(inline.PREDICATES[name], a=a, b=b)
            if self.is_condition(target, following):
                self.flow.guard(test)
                return True
            self.give(target, test)
        elif name in inline.INLINE:
            a, b = arguments
            self.give(target, syntax.fill(inline.INLINE[name], a=a, b=b))
        else:
            if name in NEEDS_MEMO:
                arguments.insert(0, syntax.name(self.memo))
            self.give(target, syntax.call(bound, *arguments))
        return False

    def is_condition(self, result: Local, following: Statement | None) -> bool:
        """Whether the next statement only asks whether `result` is not false."""
        return (
            following is not None
            and following.kind == "NotEqualStmt"
            and following["a"] == result
            and following["b"] is False
            and self.names.reads[result] == 1
        )

    def call_dynamic(self, statement: Statement, _: Statement | None) -> None:
        flow, target = self.flow, statement["result"]
        if len(statement["args"]) != 2:
            raise self.broken(statement, "takes the input and the data")
        path = ast.Tuple([self.defined(part) for part in statement["path"]], ast.Load())
        scope = [self.value(argument) for argument in statement["args"]]
        found = syntax.call("dynamic", path, *scope, syntax.name(self.memo))
        name = _own(target)
        flow.guard(syntax.is_not(syntax.bind(name, found), syntax.name("MISSING")))
        undefined = syntax.when(syntax.is_(syntax.name(name), syntax.UNDEFINED), [])
        before = flow.body
        assert before is not None  # noqa: S101
        before.append(undefined)
        flow.body = undefined.body
        self.leave(statement, FOUND_UNDEFINED)
        flow.body = before


NEEDS_MEMO: Final = frozenset({"time.now_ns"})
"""Builtins that must give one value for a whole evaluation: they get the memo first."""

_MAKERS: Final = frozenset({"MakeArrayStmt", "MakeObjectStmt", "MakeSetStmt", "ResetLocalStmt"})
_HANDING_ON: Final = frozenset({"DotStmt", "AssignVarStmt", "AssignVarOnceStmt"})

_Write = Callable[[_Writer, Statement, Statement | None], bool | None]

WRITERS: Final[dict[str, _Write]] = {
    "ArrayAppendStmt": _Writer.append,
    "AssignIntStmt": _Writer.assign_int,
    "AssignVarOnceStmt": _Writer.assign_once,
    "AssignVarStmt": _Writer.assign_var,
    "BlockStmt": _Writer.block_stmt,
    "BreakStmt": _Writer.break_stmt,
    "CallDynamicStmt": _Writer.call_dynamic,
    "CallStmt": _Writer.call,
    "DotStmt": _Writer.dot,
    "EqualStmt": _Writer.equal,
    "IsArrayStmt": _Writer.is_type,
    "IsDefinedStmt": _Writer.is_defined,
    "IsObjectStmt": _Writer.is_type,
    "IsSetStmt": _Writer.is_type,
    "IsUndefinedStmt": _Writer.is_undefined,
    "LenStmt": _Writer.length,
    "MakeArrayStmt": _Writer.make,
    "MakeNullStmt": _Writer.make_scalar,
    "MakeNumberIntStmt": _Writer.make_scalar,
    "MakeNumberRefStmt": _Writer.make_scalar,
    "MakeObjectStmt": _Writer.make,
    "MakeSetStmt": _Writer.make,
    "NopStmt": _Writer.nop,
    "NotEqualStmt": _Writer.equal,
    "NotStmt": _Writer.not_stmt,
    "ObjectInsertOnceStmt": _Writer.insert,
    "ObjectInsertStmt": _Writer.insert,
    "ObjectMergeStmt": _Writer.merge,
    "ResetLocalStmt": _Writer.reset,
    "ResultSetAddStmt": _Writer.result,
    "ReturnLocalStmt": _Writer.return_local,
    "ScanStmt": _Writer.scan,
    "SetAddStmt": _Writer.set_add,
    "WithStmt": _Writer.with_stmt,
}
"""Every instruction of the IR. What is not here is refused when the plan is read."""


def _own(local: Local) -> str:
    return f"v{local.number}"


def _scan_depth(blocks: list[Block]) -> int:
    return max(
        (
            _scan_depth(statement.blocks()) + (statement.kind == "ScanStmt")
            for block in blocks
            for statement in block
        ),
        default=0,
    )


def _iteration(
    source: ast.expr, key: str | None, value: str | None, ordered: bool
) -> tuple[ast.expr, ast.expr]:
    """The target and the iterable of a `for` over a collection."""
    prefix = "ordered_" if ordered else ""
    if key is None:
        target: ast.expr = ast.Name(value or "unused", ast.Store())
        call = syntax.call(f"{prefix}items_of", source)
        is_list = syntax.is_(syntax.call("type", source), syntax.name("list"))
        return target, ast.IfExp(is_list, source, call)
    pair = [ast.Name(key, ast.Store()), ast.Name(value or "unused", ast.Store())]
    return ast.Tuple(list(pair), ast.Store()), syntax.call(f"{prefix}pairs_of", source)


def _decoded(key: str) -> ast.stmt:
    """Keys of objects and sets are encoded (see `values`)."""
    is_text = syntax.is_not(syntax.call("type", syntax.name(key)), syntax.name("str"))
    return syntax.when(is_text, [syntax.assign(key, syntax.call("decode", syntax.name(key)))])

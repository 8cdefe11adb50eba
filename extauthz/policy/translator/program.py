"""Makes a program of a plan: which functions are needed, which are remembered, and the code."""

import ast
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any, Final

from callout.config.pace import breathe
from extauthz.policy.builtins.nondeterministic import NONDETERMINISTIC
from extauthz.policy.builtins.table import BUILTINS
from extauthz.policy.outside.permits import GATED
from extauthz.policy.plan.ir import DATA, INPUT, Block, Function, Place, Plan, prune, walk
from extauthz.policy.plan.reads import Reads, reads_of
from extauthz.policy.plan.recording import Read, recording
from extauthz.policy.printing import PRINT
from extauthz.policy.problems import MOST_PROBLEMS, PlanError, PlanProblem, refuse
from extauthz.policy.translator import runtime
from extauthz.policy.translator.bind import bind
from extauthz.policy.translator.inline import NEEDS
from extauthz.policy.translator.names import rename
from extauthz.policy.translator.nesting import too_deep
from extauthz.policy.translator.spending import steps_of
from extauthz.policy.translator.translate import WRITERS, write_entrypoint, write_function
from extauthz.policy.translator.writer import Program
from extauthz.policy.values.representation import Value

ENTRYPOINT: Final = "entrypoint"
FILE: Final = "<rego>"
"""What Python calls the code; no text of the policy, of which not all can be a file's name."""
Evaluate = Callable[[Value, Value, dict[Any, Any]], list[Value]]


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Compiled:
    """An entrypoint that can be evaluated."""

    evaluate: Evaluate
    """Takes input, data and a fresh memo; gives the result set. Raises `RegoError`, and what
    Python raises for the unforeseen (`RecursionError`)."""
    reads: Reads
    nondeterministic: frozenset[str]
    """Builtins that it may call whose answers do not follow from their operands."""
    forget: Callable[[], None]
    """Takes the code apart, once it is not used any more: its functions know each other by name,
    which is a cycle, and whoever holds many policies does not collect garbage."""
    recorded: tuple[Read, ...] | None = None
    """What the numbers in the memo mean; None: the code does not note what it reads."""


def compile_plan(
    plan: Plan,
    entrypoint: str,
    strict: bool = False,
    recorded: bool = False,
    permitted: Container[str] = (),
) -> Compiled:
    """Translate one entrypoint of `plan`, which is used up by it.

    Args:
        plan: as `read_plan` gave it.
        entrypoint: its name there: `shop/allow`.
        strict: an error of a builtin stops the evaluation, as with OPA's strict builtin errors;
            else the expression is undefined.
        recorded: the code notes in the memo what it reads of the input (`recording.noted_in`):
            35 ns each time that it reads, and 0.6 us to begin and to tell of six
            (`make bench-cache`: `noting` beside `evaluation`).
        permitted: builtins that look outside and may (`outside.permits.GATED`), and `PRINT`.

    Raises:
        PlanError: with all builtins that are missing, or the first other fault.
    """
    blocks = plan.entrypoints.get(entrypoint)
    if blocks is None:
        known = ", ".join(sorted(plan.entrypoints)) or "none"
        raise refuse(f"the plan has no entrypoint {entrypoint!r} (it has: {known})")
    needed = _reachable(plan, blocks)
    for part in [blocks, *(function.blocks for function in needed.values())]:
        prune(part)
    used = _check_builtins(plan, blocks, needed, permitted)
    names = {name: rename(function.params, function.blocks) for name, function in needed.items()}
    own = rename([INPUT, DATA], blocks)
    parts = [(own, blocks), *((names[name], function.blocks) for name, function in needed.items())]
    reads = reads_of(parts, needed)
    by_path = {function.name for function in needed.values() if function.path}
    noting = (
        recording(
            {
                # no name of a function: those of a plan begin with `g`
                "": (own, blocks),
                **{name: (names[name], function.blocks) for name, function in needed.items()},
            },
            by_path,
            lambda name: name in NONDETERMINISTIC,
        )
        if recorded
        else None
    )
    constants: dict[str, Any] = {}
    numbers = {name: number for number, name in enumerate(needed)}
    program = Program(
        functions=needed,
        numbers=numbers,
        remembered=_remembered(blocks, needed),
        constants=constants,
        builtins={name: f"call_{name.replace('.', '_')}" for name in BUILTINS},
        arity={name: builtin.arity for name, builtin in BUILTINS.items()},
        writers=WRITERS,
        strict=strict,
        prints=PRINT in permitted,
        steps=sum(steps_of(list(walk(part))) for _, part in parts),
        recording=noting,
    )
    definitions = [
        _code(write_function(program, function, names[name]), function.blocks)
        for name, function in needed.items()
    ]
    definitions.append(_code(write_entrypoint(program, ENTRYPOINT, blocks, own), blocks))
    namespace = _namespace(used, strict)
    namespace.update(constants)
    for code in definitions:
        exec(code, namespace)  # noqa: S102  # our own tree: constants and numbered names
    namespace["dynamic"] = runtime.dynamic_caller(
        {f.path: (numbers[f.name], namespace[f"f{numbers[f.name]}"]) for f in needed.values()}
    )
    nondeterministic = frozenset(used & NONDETERMINISTIC.keys())
    noted = None if noting is None else tuple(noting.reads)
    return Compiled(namespace[ENTRYPOINT], reads, nondeterministic, namespace.clear, noted)


def _code(function: ast.FunctionDef, blocks: list[Block]) -> CodeType:
    """Of one function: compiling all at once keeps the interpreter for tenths of a second.

    Args:
        function: as it was written.
        blocks: what it was written of.
    """
    reason = too_deep(function)
    if not reason:
        try:
            code = compile(ast.Module([function], []), FILE, "exec", dont_inherit=True)
        except (RecursionError, SyntaxError, MemoryError) as error:
            reason = f"Python does not compile it: {error}"
    if reason:
        place = next((s.place for s in walk(blocks) if s.place.file), Place("", 0, 0))
        raise PlanError(PlanProblem(*place, f"the rule is nested too deeply: {reason}"))
    breathe()
    return code


def _reachable(plan: Plan, blocks: list[Block]) -> dict[str, Function]:
    """The functions that the entrypoint may call: by name, or by path if it calls so."""
    found: dict[str, Function] = {}
    pending = [blocks]
    while pending:
        for statement in walk(pending.pop()):
            called: list[Function] = []
            if statement.kind == "CallStmt" and statement["func"] in plan.functions:
                called = [plan.functions[statement["func"]]]
            elif statement.kind == "CallDynamicStmt":
                called = [function for function in plan.functions.values() if function.path]
            for function in called:
                if function.name not in found:
                    found[function.name] = function
                    pending.append(function.blocks)
    return found


def _check_builtins(
    plan: Plan, blocks: list[Block], needed: Mapping[str, Function], permitted: Container[str]
) -> set[str]:
    used: set[str] = set()
    problems: dict[str, PlanProblem] = {}
    for part in [blocks, *(function.blocks for function in needed.values())]:
        for statement in walk(part):
            name = statement["func"] if statement.kind == "CallStmt" else None
            if name is None or name in plan.functions or name == PRINT:
                continue
            used.add(name)
            if name not in BUILTINS:
                what = "builtin" if name in plan.builtins else "function"
                problem = PlanProblem(*statement.place, f"unsupported {what} {name}")
                problems.setdefault(str(problem), problem)
            elif name in GATED and name not in permitted:
                message = f"the builtin {name} needs `allow.{GATED[name]}` in the policy's `decide`"
                problem = PlanProblem(*statement.place, message)
                problems.setdefault(str(problem), problem)
    if problems:
        raise PlanError(*list(problems.values())[:MOST_PROBLEMS])
    return used


def _remembered(blocks: list[Block], needed: Mapping[str, Function]) -> frozenset[str]:
    """Rules whose value is worth keeping for the evaluation.

    Not one that is asked for in a single place that is reached at most once: the memo's look-up
    costs as much as a small rule.
    """
    sites: dict[str, int] = {}
    _count_sites(blocks, 1, needed, sites)
    for function in needed.values():
        # a rule runs once where it is remembered, a function with arguments any number of times
        _count_sites(function.blocks, 1 if len(function.params) == 2 else 2, needed, sites)
    return frozenset(
        name for name, number in sites.items() if number > 1 and len(needed[name].params) == 2
    )


def _count_sites(
    part: list[Block], weight: int, needed: Mapping[str, Function], sites: dict[str, int]
) -> None:
    for block in part:
        for statement in block:
            if statement.kind == "CallStmt" and statement["func"] in needed:
                name = statement["func"]
                sites[name] = sites.get(name, 0) + weight
            elif statement.kind == "CallDynamicStmt":
                sites.update({f.name: 2 for f in needed.values() if f.path})
            inner = 2 if statement.kind == "ScanStmt" else weight
            _count_sites(statement.blocks(), inner, needed, sites)


def _namespace(used: set[str], strict: bool) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__builtins__": {}, **runtime.NAMESPACE}
    for name in used | set(NEEDS):
        builtin = BUILTINS[name]
        function = bind(name, builtin, strict, is_paid=name not in NEEDS)
        namespace[f"call_{name.replace('.', '_')}"] = function
    return namespace

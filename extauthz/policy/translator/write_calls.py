"""Calls of rules, functions and builtins."""

import ast

from extauthz.policy.plan.ir import FOUND_UNDEFINED, Function, Local, Statement
from extauthz.policy.printing import PRINT, Print
from extauthz.policy.problems import PlanError, PlanProblem
from extauthz.policy.translator import inline, nodes, syntax
from extauthz.policy.translator.write_control import leave
from extauthz.policy.translator.writer import Writer, broken, own


def call(w: Writer, statement: Statement, following: Statement | None) -> bool:
    """Call a function of the policy, or a builtin."""
    name = statement["func"]
    if name in w.program.functions:
        call_function(w, statement, w.program.functions[name])
        return False
    return call_builtin(w, statement, following)


def call_function(w: Writer, statement: Statement, function: Function) -> None:
    """Call a function of the policy; a remembered rule only if the memo has it not."""
    arguments, target = statement["args"], statement["result"]
    if len(arguments) != len(function.params):
        raise broken(statement, f"{function.name} takes {len(function.params)} arguments")
    scope = [w.value(argument) for argument in arguments[:2]]
    others = [w.defined(argument) for argument in arguments[2:]]
    number = w.program.numbers[function.name]
    memo = syntax.name(w.memo)
    value: ast.expr = syntax.call(f"f{number}", *scope, memo, *others)
    if function.name not in w.program.remembered:
        w.give(target, value)
        return
    flow, name = w.flow, own(target)
    slot = nodes.Subscript(memo, syntax.constant(number), ast.Store())
    get = nodes.Call(
        nodes.Attribute(memo, "get", ast.Load()),
        [syntax.constant(number), syntax.name("MISSING")],
        [],
    )
    flow.emit(syntax.assign(name, get))
    fresh: ast.stmt = nodes.Assign([nodes.Name(name, ast.Store()), slot], value)
    flow.emit(syntax.when(syntax.is_(syntax.name(name), syntax.name("MISSING")), [fresh]))
    flow.guard(syntax.is_not(syntax.name(name), syntax.UNDEFINED))


def call_builtin(w: Writer, statement: Statement, following: Statement | None) -> bool:
    """Call a builtin, inline if it is one of the hot ones."""
    name, target = statement["func"], statement["result"]
    if name == PRINT:
        if not w.program.prints:
            return False
        place = w.shared_constant(Print(statement.place))
        said = [w.defined(argument) for argument in statement["args"]]
        w.flow.emit(nodes.Expr(syntax.call("printed", place, *said)))
        return False
    bound = w.program.builtins.get(name)
    if bound is None:
        raise PlanError(PlanProblem(*statement.place, f"unsupported builtin {name}"))
    arguments = [w.defined(argument) for argument in statement["args"]]
    if len(arguments) != w.program.arity[name]:
        raise broken(statement, f"{name} takes {w.program.arity[name]} arguments")
    if name in inline.PREDICATES:
        a, b = arguments
        test = syntax.fill(inline.PREDICATES[name], a=a, b=b)
        if is_condition(w, target, following):
            w.flow.guard(test)
            return True
        w.give(target, test)
    elif name in inline.INLINE:
        a, b = arguments
        w.give(target, syntax.fill(inline.INLINE[name], a=a, b=b))
    else:
        w.give(target, syntax.call(bound, syntax.name(w.memo), *arguments))
    return False


def is_condition(w: Writer, result: Local, following: Statement | None) -> bool:
    """Whether the next statement only asks whether `result` is not false."""
    return (
        following is not None
        and following.kind == "NotEqualStmt"
        and following["a"] == result
        and following["b"] is False
        and w.names.reads[result] == 1
    )


def call_dynamic(w: Writer, statement: Statement, _: Statement | None) -> None:
    """Call the rule at a path that is known only when it is evaluated."""
    flow, target = w.flow, statement["result"]
    if len(statement["args"]) != 2:
        raise broken(statement, "takes the input and the data")
    path = nodes.Tuple([w.defined(part) for part in statement["path"]], ast.Load())
    scope = [w.value(argument) for argument in statement["args"]]
    found = syntax.call("dynamic", path, *scope, syntax.name(w.memo))
    name = own(target)
    flow.guard(syntax.is_not(syntax.bind(name, found), syntax.name("MISSING")))
    undefined = syntax.when(syntax.is_(syntax.name(name), syntax.UNDEFINED), [])
    before = flow.body
    assert before is not None  # noqa: S101
    before.append(undefined)
    flow.body = undefined.body
    leave(w, statement, FOUND_UNDEFINED)
    flow.body = before

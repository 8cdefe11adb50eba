"""Code that counts the steps of a decision; see `policy.budget`."""

import ast

from extauthz.policy.budget import CREDIT
from extauthz.policy.plan.ir import Function, walk
from extauthz.policy.translator import syntax
from extauthz.policy.translator.writer import Program

STATEMENTS_PER_STEP = 20
"""About a microsecond."""


def steps_of(statements: int) -> int:
    """What so many statements cost at most."""
    return 1 + statements // STATEMENTS_PER_STEP


def credit(memo: ast.expr, context: ast.expr_context | None = None) -> ast.expr:
    """`memo[CREDIT]`."""
    return ast.Subscript(memo, syntax.constant(CREDIT), context or ast.Load())


def paid_call(program: Program, function: Function) -> list[ast.stmt]:
    """What a function does first: pay, unless it does little, or runs once for an evaluation.

    Functions that call each other twice are exponential in their number, so it is not enough to
    count iterations.
    """
    statements = list(walk(function.blocks))
    calls = any(
        s.kind == "CallDynamicStmt" or s.fields.get("func") in program.functions for s in statements
    )
    steps = steps_of(len(statements))
    if len(function.params) == 2 or (steps == 1 and not calls):
        return []
    spent = syntax.call("spend", syntax.name("m"), syntax.constant(steps))
    return [ast.Expr(spent)]

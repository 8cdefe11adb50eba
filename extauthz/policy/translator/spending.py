"""Code that counts the steps of a decision; see `policy.budget`."""

import ast
from collections.abc import Container, Sequence
from typing import Final

from extauthz.policy.budget import CREDIT
from extauthz.policy.plan.ir import Function, Statement, walk
from extauthz.policy.translator import nodes, syntax

STATEMENTS_PER_STEP: Final = 20
"""About a microsecond."""
UNCOUNTED: Final = (256, 16)
"""Members of an array that are iterated over for nothing, outside of other iterations and inside of
one. Whoever can run them more than once pays `steps_of` for that, so they are a constant; to count
them would cost a role-based policy 15 %."""


def steps_of(statements: Sequence[Statement]) -> int:
    """What so many statements cost at most, apart from what they count themselves."""
    scans = sum(statement.kind == "ScanStmt" for statement in statements)
    return 1 + len(statements) // STATEMENTS_PER_STEP + scans * UNCOUNTED[1]


def credit(memo: ast.expr, context: ast.expr_context | None = None) -> ast.expr:
    """`memo[CREDIT]`."""
    return nodes.Subscript(memo, syntax.constant(CREDIT), context or ast.Load())


def paid_call(function: Function, functions: Container[str]) -> list[ast.stmt]:
    """What a function does first: pay, unless it does little, or runs once for an evaluation.

    Functions that call each other twice are exponential in their number, so it is not enough to
    count iterations.
    """
    statements = list(walk(function.blocks))
    calls = any(
        each.kind == "CallDynamicStmt" or each.fields.get("func") in functions
        for each in statements
    )
    steps = steps_of(statements)
    if len(function.params) == 2 or (steps == 1 and not calls):
        return []
    spent = syntax.call("spend", syntax.name("m"), syntax.constant(steps))
    return [nodes.Expr(spent)]

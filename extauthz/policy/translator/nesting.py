"""How deep written code is, before Python's compiler sees it, which recurses in C."""

import ast
from typing import Final

MAX_DEPTH: Final = 300
"""Statements inside each other. Of CPython 3.11 `compile` takes about 900 with the usual recursion
limit of 1,000, from which it subtracts what already is on the stack."""
MAX_LOOPS: Final = 20
"""CPython's own limit; only blocks that are left from inside count (iterations: `outline`)."""


def too_deep(function: ast.FunctionDef) -> str:
    """Why this is nested too deeply to be compiled; empty: it is not."""
    pending: list[tuple[list[ast.stmt], int, int]] = [(function.body, 1, 0)]
    while pending:
        body, depth, loops = pending.pop()
        if depth > MAX_DEPTH:
            return f"conditions are nested more than {MAX_DEPTH} deep"
        if loops > MAX_LOOPS:
            return f"more than {MAX_LOOPS} blocks that are left from inside are in each other"
        for statement in body:
            if isinstance(statement, ast.If):
                pending.append((statement.body, depth + 1, loops))
                if statement.orelse:
                    pending.append((statement.orelse, depth + 1, loops))
            elif isinstance(statement, ast.For | ast.While):
                pending.append((statement.body, depth + 1, loops + 1))
            elif isinstance(statement, ast.FunctionDef):
                pending.append((statement.body, depth + 1, 0))
    return ""

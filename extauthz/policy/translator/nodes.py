"""Python's syntax nodes, all of which stand at one place.

`compile` asks each node for its line. To write that into 90,000 nodes afterwards
(`ast.fix_missing_locations`) was a tenth of translating 1,000 rules; a class says it for nothing.
"""

import ast


class _Placed:
    lineno: int = 1
    col_offset: int = 0
    end_lineno: int | None = 1
    end_col_offset: int | None = 0


class Assign(_Placed, ast.Assign):
    """`a = b`."""


class Attribute(_Placed, ast.Attribute):
    """`a.b`."""


class BinOp(_Placed, ast.BinOp):
    """`a + b`."""


class BoolOp(_Placed, ast.BoolOp):
    """`a and b`."""


class Break(_Placed, ast.Break):
    """`break`."""


class Call(_Placed, ast.Call):
    """`a(b)`."""


class Compare(_Placed, ast.Compare):
    """`a is b`."""


class Constant(_Placed, ast.Constant):
    """A literal."""


class Continue(_Placed, ast.Continue):
    """`continue`."""


class Dict(_Placed, ast.Dict):
    """`{}`."""


class Expr(_Placed, ast.Expr):
    """An expression as a statement."""


class For(_Placed, ast.For):
    """`for a in b:`."""


class FunctionDef(_Placed, ast.FunctionDef):
    """`def a():`."""


class If(_Placed, ast.If):
    """`if a:`."""


class IfExp(_Placed, ast.IfExp):
    """`a if b else c`."""


class List(_Placed, ast.List):
    """`[]`."""


class Name(_Placed, ast.Name):
    """`a`."""


class NamedExpr(_Placed, ast.NamedExpr):
    """`(a := b)`."""


class Nonlocal(_Placed, ast.Nonlocal):
    """`nonlocal a`."""


class Parameter(_Placed, ast.arg):
    """`a` of `def f(a):`."""


class Pass(_Placed, ast.Pass):
    """`pass`."""


class Return(_Placed, ast.Return):
    """`return a`."""


class Starred(_Placed, ast.Starred):
    """`*a`."""


class Subscript(_Placed, ast.Subscript):
    """`a[b]`."""


class Tuple(_Placed, ast.Tuple):
    """`(a, b)`."""


class UnaryOp(_Placed, ast.UnaryOp):
    """`not a`."""


class While(_Placed, ast.While):
    """`while a:`."""

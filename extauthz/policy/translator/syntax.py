"""Python syntax trees in small pieces.

Code for a policy is built as a tree and never as text, so nothing that a policy says can become
code. The templates below are our own text, parsed once; what a policy says enters them as
constants and as names that we numbered.
"""

import ast
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from extauthz.policy.translator import nodes

Holes: TypeAlias = Mapping[str, ast.expr]
Fill: TypeAlias = Callable[[Holes], Any]


class Template(NamedTuple):
    """An expression with holes."""

    fill: Fill
    """Gives the expression, for what is put into the holes."""


def template(text: str) -> Template:
    """Parse an expression; its one-letter lower-case names are the holes."""
    return Template(_filler(ast.parse(text, mode="eval").body))


def fill(shape: Template, **holes: ast.expr) -> ast.expr:
    """The template's expression with names or constants for its holes.

    What is asked about a constant (`type("GET") is str`) is answered here.
    """
    filled = shape.fill(holes)
    assert isinstance(filled, ast.expr)  # noqa: S101
    return filled


def _filler(part: Any) -> Fill:
    """What makes a part of the tree; made once, since a policy fills thousands of templates."""
    if isinstance(part, list):
        items = [_filler(item) for item in part]
        return lambda holes: [item(holes) for item in items]
    if isinstance(part, ast.Name) and len(part.id) == 1 and part.id.islower():
        hole = part.id
        return lambda holes: holes[hole]
    if not isinstance(part, ast.expr):
        return lambda _: part
    make = getattr(nodes, type(part).__name__)
    fields = [_filler(value) for _, value in ast.iter_fields(part)]
    if not any(
        isinstance(inner, ast.Name) and len(inner.id) == 1 and inner.id.islower()
        for inner in ast.walk(part)
    ):
        whole = make(*[field({}) for field in fields])
        return lambda _: whole
    if not isinstance(part, ast.Compare | ast.BoolOp | ast.IfExp):
        return lambda holes: make(*[field(holes) for field in fields])
    return lambda holes: _answered(make(*[field(holes) for field in fields]))


def _answered(node: ast.AST) -> ast.AST:
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Is | ast.IsNot):
        asked, kind = node.left, node.comparators[0]
        if (
            isinstance(asked, ast.Call)
            and isinstance(asked.args[0], ast.Constant)
            and isinstance(asked.func, ast.Name)
            and asked.func.id == "type"
            and isinstance(kind, ast.Name)
        ):
            is_kind = type(asked.args[0].value).__name__ == kind.id
            return nodes.Constant(is_kind == isinstance(node.ops[0], ast.Is))
    elif isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        values = [v for v in node.values if not (isinstance(v, ast.Constant) and v.value is True)]
        if any(isinstance(value, ast.Constant) and value.value is False for value in values):
            return nodes.Constant(False)
        return nodes.BoolOp(node.op, values) if len(values) > 1 else [*values, TRUE][0]
    elif isinstance(node, ast.IfExp) and isinstance(node.test, ast.Constant):
        return node.body if node.test.value else node.orelse
    return node


def name(identifier: str) -> ast.Name:
    """A variable that is read."""
    return nodes.Name(identifier, ast.Load())


def constant(value: str | int | bool | None) -> ast.Constant:
    """A literal."""
    return nodes.Constant(value)


def call(function: str, *arguments: ast.expr) -> ast.Call:
    """`function(arguments)`."""
    return nodes.Call(name(function), list(arguments), [])


def bind(identifier: str, value: ast.expr) -> ast.NamedExpr:
    """`(identifier := value)`."""
    return nodes.NamedExpr(nodes.Name(identifier, ast.Store()), value)


def assign(identifier: str, value: ast.expr) -> ast.Assign:
    """`identifier = value`."""
    return nodes.Assign([nodes.Name(identifier, ast.Store())], value)


def put(collection: ast.expr, key: ast.expr, value: ast.expr) -> ast.Assign:
    """`collection[key] = value`."""
    return nodes.Assign([nodes.Subscript(collection, key, ast.Store())], value)


def is_(value: ast.expr, other: ast.expr) -> ast.Compare:
    """`value is other`."""
    return nodes.Compare(value, [ast.Is()], [other])


def is_not(value: ast.expr, other: ast.expr) -> ast.Compare:
    """`value is not other`."""
    return nodes.Compare(value, [ast.IsNot()], [other])


def when(test: ast.expr, body: list[ast.stmt]) -> ast.If:
    """`if test: body`; an empty `body` may be filled by the caller, or not."""
    return nodes.If(test, body or [nodes.Pass()], [])


def once(body: list[ast.stmt]) -> ast.While:
    """`while True: body`: a block that `break` can leave."""
    return nodes.While(nodes.Constant(True), body, [])


def function(identifier: str, parameters: list[str], body: list[ast.stmt]) -> ast.FunctionDef:
    """`def identifier(parameters): body`."""
    arguments = ast.arguments(
        [], [nodes.Parameter(parameter) for parameter in parameters], None, [], [], None, []
    )
    definition = nodes.FunctionDef(identifier, arguments, body, [], None, None)
    if "type_params" in definition._fields:
        definition.type_params = []  # type: ignore[attr-defined]  # Python >= 3.12
    return definition


UNDEFINED: Final = name("U")
TRUE: Final = constant(True)
FALSE: Final = constant(False)

"""Python syntax trees in small pieces.

Code for a policy is built as a tree and never as text, so nothing that a policy says can become
code. The templates below are our own text, parsed once; what a policy says enters them as
constants and as names that we numbered.
"""

import ast
from typing import Any, Final, NamedTuple


class Template(NamedTuple):
    """An expression with holes."""

    tree: ast.expr


def template(text: str) -> Template:
    """Parse an expression; its one-letter lower-case names are the holes."""
    return Template(ast.parse(text, mode="eval").body)


def fill(shape: Template, **holes: ast.expr) -> ast.expr:
    """The template's expression with names or constants for its holes.

    What is asked about a constant (`type("GET") is str`) is answered here.
    """
    filled = _filled(shape.tree, holes)
    assert isinstance(filled, ast.expr)  # noqa: S101
    return filled


def _filled(node: ast.AST, holes: dict[str, ast.expr]) -> ast.AST:
    if isinstance(node, ast.Name):
        return holes.get(node.id, node)
    changes: dict[str, Any] = {}
    for field, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            changes[field] = _filled(value, holes)
        elif isinstance(value, list):
            changes[field] = [_filled(v, holes) if isinstance(v, ast.AST) else v for v in value]
        else:
            changes[field] = value
    return _answered(type(node)(**changes))


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
            return ast.Constant(is_kind == isinstance(node.ops[0], ast.Is))
    elif isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        values = [v for v in node.values if not (isinstance(v, ast.Constant) and v.value is True)]
        if any(isinstance(value, ast.Constant) and value.value is False for value in values):
            return ast.Constant(False)
        return ast.BoolOp(node.op, values) if len(values) > 1 else [*values, TRUE][0]
    elif isinstance(node, ast.IfExp) and isinstance(node.test, ast.Constant):
        return node.body if node.test.value else node.orelse
    return node


def name(identifier: str) -> ast.Name:
    """A variable that is read."""
    return ast.Name(identifier, ast.Load())


def constant(value: str | int | bool | None) -> ast.Constant:
    """A literal."""
    return ast.Constant(value)


def call(function: str, *arguments: ast.expr) -> ast.Call:
    """`function(arguments)`."""
    return ast.Call(name(function), list(arguments), [])


def bind(identifier: str, value: ast.expr) -> ast.NamedExpr:
    """`(identifier := value)`."""
    return ast.NamedExpr(ast.Name(identifier, ast.Store()), value)


def assign(identifier: str, value: ast.expr) -> ast.Assign:
    """`identifier = value`."""
    return ast.Assign([ast.Name(identifier, ast.Store())], value)


def put(collection: ast.expr, key: ast.expr, value: ast.expr) -> ast.Assign:
    """`collection[key] = value`."""
    return ast.Assign([ast.Subscript(collection, key, ast.Store())], value)


def is_(value: ast.expr, other: ast.expr) -> ast.Compare:
    """`value is other`."""
    return ast.Compare(value, [ast.Is()], [other])


def is_not(value: ast.expr, other: ast.expr) -> ast.Compare:
    """`value is not other`."""
    return ast.Compare(value, [ast.IsNot()], [other])


def when(test: ast.expr, body: list[ast.stmt]) -> ast.If:
    """`if test: body`; an empty `body` may be filled by the caller, or not."""
    return ast.If(test, body or [ast.Pass()], [])


def once(body: list[ast.stmt]) -> ast.While:
    """`while True: body`: a block that `break` can leave."""
    return ast.While(ast.Constant(True), body, [])


def function(identifier: str, parameters: list[str], body: list[ast.stmt]) -> ast.FunctionDef:
    """`def identifier(parameters): body`."""
    arguments = ast.arguments(
        [], [ast.arg(parameter) for parameter in parameters], None, [], [], None, []
    )
    definition = ast.FunctionDef(identifier, arguments, body, [], None, None)
    if "type_params" in definition._fields:
        definition.type_params = []  # type: ignore[attr-defined]  # Python >= 3.12
    return definition


UNDEFINED: Final = name("U")
TRUE: Final = constant(True)
FALSE: Final = constant(False)

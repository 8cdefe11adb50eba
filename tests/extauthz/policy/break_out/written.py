"""Looks at what the translator gives to Python's compiler, and at what comes out of it."""

import ast
import re
from collections.abc import Iterator
from decimal import Decimal
from types import CodeType, FunctionType
from typing import Any, Final

import pytest

from extauthz.policy.builtins.table import BUILTINS
from extauthz.policy.translator import program, runtime
from extauthz.policy.values.representation import RegoSet

NUMBERED: Final = re.compile(r"([vhfKnmwrcibx]|scan)[0-9]+")
"""Locals, looked-up paths, functions, constants; the rest is the writer's own."""
FIXED: Final = frozenset(
    {"m", "results", "unused", "entrypoint", "dynamic"}
    | runtime.NAMESPACE.keys()
    | {f"call_{name.replace('.', '_')}" for name in BUILTINS}
)
METHODS: Final = frozenset({"append", "endswith", "get", "startswith"})
NODES: Final = frozenset(
    {"And", "Assign", "Attribute", "BinOp", "BoolOp", "Break", "Call", "Compare", "Constant"}
    | {"Continue", "Dict", "Expr", "For", "FunctionDef", "Gt", "GtE", "If", "IfExp", "In", "Is"}
    | {"IsNot", "List", "Load", "Lt", "LtE", "Module", "Name", "NamedExpr", "Nonlocal", "Not"}
    | {
        "NotEq",
        "Or",
        "Parameter",
        "Pass",
        "Return",
        "Starred",
        "Store",
        "Sub",
        "Subscript",
        "Tuple",
    }
    | {"UnaryOp", "While", "Add", "Eq", "arguments"}
)
"""No import, no `global`, no `class`, no `lambda`, no f-string, no decorator, no `await`."""


def is_known(name: str) -> bool:
    """Whether code for a policy may name this."""
    return name in FIXED or NUMBERED.fullmatch(name) is not None


class Written:
    """All that was compiled since this was made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trees: list[ast.Module] = []
        self.codes: list[CodeType] = []
        self.namespaces: list[dict[str, Any]] = []
        monkeypatch.setattr(program, "compile", self._compile, raising=False)
        namespace = program._namespace

        def kept(*arguments: Any) -> dict[str, Any]:
            self.namespaces.append(namespace(*arguments))
            return self.namespaces[-1]

        monkeypatch.setattr(program, "_namespace", kept)

    def _compile(self, tree: ast.Module, *rest: Any, **options: Any) -> CodeType:
        self.trees.append(tree)
        self.codes.append(compile(tree, *rest, **options))
        return self.codes[-1]

    def check(self) -> None:
        """Nothing in it reaches Python."""
        assert self.trees
        for tree in self.trees:
            for node in ast.walk(tree):
                _check_node(node)
        for code in [inner for outer in self.codes for inner in _codes(outer)]:
            names = [*code.co_names, *code.co_varnames, *code.co_cellvars, *code.co_freevars]
            assert [name for name in names if not is_known(name) and name not in METHODS] == []
            assert code.co_filename == "<rego>"
            assert code.co_name == "<module>" or is_known(code.co_name)
            for constant in code.co_consts:
                _check_constant(constant)
        assert self.namespaces
        for namespace in self.namespaces:
            assert namespace["__builtins__"] == {}
            for name, value in namespace.items():
                assert name == "__builtins__" or is_known(name)
                if re.fullmatch("K[0-9]+", name):
                    _check_value(value)
                elif re.fullmatch("f[0-9]+", name) or name == "entrypoint":
                    assert isinstance(value, FunctionType)
                    assert value.__globals__ is namespace


def _check_node(node: ast.AST) -> None:
    assert type(node).__name__ in NODES, ast.dump(node)
    if isinstance(node, ast.Name):
        assert is_known(node.id)
    elif isinstance(node, ast.Attribute):
        assert node.attr in METHODS
    elif isinstance(node, ast.FunctionDef):
        assert is_known(node.name)
        assert node.decorator_list == []
        assert node.returns is None
        assert node.args.defaults == []
    elif isinstance(node, ast.arg):
        assert is_known(node.arg)
        assert node.annotation is None
    elif isinstance(node, ast.Nonlocal):
        assert all(map(is_known, node.names))
    elif isinstance(node, ast.Constant):
        assert type(node.value) in (str, int, bool, type(None))
    elif isinstance(node, ast.Call):
        assert node.keywords == []


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _check_constant(constant: object) -> None:
    if isinstance(constant, tuple):
        for part in constant:
            _check_constant(part)
    else:
        assert type(constant) in (str, int, bool, type(None), CodeType)


def _check_value(value: Any) -> None:
    """A Rego value, or the table of an index, which is made of dicts and tuples of such."""
    kinds = (str, int, bool, type(None), list, dict, RegoSet, tuple)
    assert isinstance(value, Decimal) or type(value) in kinds
    if isinstance(value, list | tuple):
        for item in value:
            _check_value(item)
    elif isinstance(value, dict):
        for item in value.values():
            _check_value(item)

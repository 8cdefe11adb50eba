"""Reads `plan.json`: untrusted text in, a checked `Plan` or a `PlanError` out."""

import json
from collections.abc import Callable
from typing import Any, Final

from callout.config.pace import breathe
from extauthz.policy.plan.ir import (
    STATEMENTS,
    Block,
    Function,
    Local,
    Operand,
    Place,
    Plan,
    Role,
    Statement,
)
from extauthz.policy.problems import PlanError, PlanProblem, refuse

MAX_BYTES: Final = 64 * 2**20
"""Of the plan as JSON; 1,000 rules are 4 MB."""
MAX_STATEMENTS: Final = 250_000
"""Of the whole plan: about 10,000 rules. They take 10 s to translate, and 1 GB meanwhile."""
MAX_LOCAL: Final = 10_000_000
MAX_NESTING: Final = 100
"""Blocks inside blocks. Rego nests one for each iteration, `not` and `with` around a point."""
MAX_LINE: Final = 2**31


def read_plan(data: bytes) -> Plan:
    """Read and check a plan.

    Raises:
        PlanError: it is not one.
    """
    if len(data) > MAX_BYTES:
        raise refuse(f"the plan has more than {MAX_BYTES:,} bytes")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise refuse(f"the plan is not JSON: {error}") from None
    reader = _Reader(_object(document, "the plan"))
    return reader.plan()


class _Reader:
    def __init__(self, document: dict[str, Any]) -> None:
        static = _object(document.get("static") or {}, "static")
        self.document = document
        self.strings = _constants(static, "strings")
        self.files = _constants(static, "files")
        self.builtins = frozenset(
            _text(_object(item, "builtin_funcs").get("name"), "builtin_funcs.name")
            for item in _list(static.get("builtin_funcs"), "builtin_funcs")
        )
        self.place = Place("", 0, 0)
        self.nesting = 0
        self.statements = 0

    def plan(self) -> Plan:
        plans = _object(self.document.get("plans") or {}, "plans").get("plans")
        entrypoints: dict[str, list[Block]] = {}
        for item in _list(plans, "plans.plans"):
            entry = _object(item, "plans.plans")
            name = _text(entry.get("name"), "plan.name")
            if name in entrypoints:
                raise refuse(f"the plan has two entrypoints named {name!r}")
            entrypoints[name] = self.blocks(entry.get("blocks"))
        functions: dict[str, Function] = {}
        funcs = _object(self.document.get("funcs") or {}, "funcs").get("funcs")
        for item in _list(funcs, "funcs.funcs"):
            function = self.function(_object(item, "funcs.funcs"))
            if function.name in functions:
                raise refuse(f"the plan has two functions named {function.name!r}")
            functions[function.name] = function
        return Plan(entrypoints, functions, self.builtins)

    def function(self, item: dict[str, Any]) -> Function:
        name = _text(item.get("name"), "func.name")
        params = [self.local(number) for number in _list(item.get("params"), "func.params")]
        if len(params) < 2 or len(set(params)) != len(params):
            raise refuse(f"the parameters of function {name!r} are not input, data and others")
        path = tuple(_text(part, "func.path") for part in _list(item.get("path"), "func.path"))
        returns = self.local(item.get("return"))
        return Function(name, path, params, returns, self.blocks(item.get("blocks")))

    def blocks(self, value: Any) -> list[Block]:
        return [self.block(block) for block in _list(value, "blocks")]

    def block(self, value: Any) -> Block:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise self.error(f"blocks are nested more than {MAX_NESTING} deep")
        statements = [
            self.statement(_object(item, "stmts"))
            for item in _list(_object(value, "block").get("stmts"), "stmts")
        ]
        self.nesting -= 1
        self.statements += len(statements)
        if self.statements > MAX_STATEMENTS:
            raise self.error(f"the plan has more than {MAX_STATEMENTS:,} instructions")
        breathe()
        return statements

    def statement(self, item: dict[str, Any]) -> Statement:
        kind = item.get("type")
        fields = _object(item.get("stmt"), "stmt")
        self.place = self.place_of(fields)
        roles = STATEMENTS.get(kind) if isinstance(kind, str) else None
        if roles is None:
            raise self.error(f"unsupported instruction {kind!r}")
        checked: dict[str, Any] = {}
        place = self.place
        for name, role in roles.items():
            value = fields.get(name)
            if value is None and name == "index":
                value = fields.get("Index")  # how OPA before v1.20 wrote MakeNumberRefStmt's field
            checked[name] = _READERS[role](self, value)
            self.place = place
        return Statement(kind or "", checked, place)

    def place_of(self, fields: dict[str, Any]) -> Place:
        index, row, column = (fields.get(name, 0) for name in ("file", "row", "col"))
        if not (type(index) is type(row) is type(column) is int):
            raise refuse("a statement's place (file, row, col) is not made of integers")
        known = 0 <= index < len(self.files)
        if not (0 <= row < MAX_LINE and 0 <= column < MAX_LINE):
            raise refuse("a statement's place (row, col) is no place in a file")
        return Place(self.files[index] if known else "", row, column)

    def error(self, message: str) -> PlanError:
        return PlanError(PlanProblem(*self.place, message))

    def local(self, value: Any) -> Local:
        if type(value) is not int or not 0 <= value <= MAX_LOCAL:
            raise self.error(f"expected the number of a local, found {_shown(value)}")
        return Local(value)

    def string(self, value: Any) -> str:
        if type(value) is not int or not 0 <= value < len(self.strings):
            raise self.error(f"expected an index of the string table, found {_shown(value)}")
        return self.strings[value]

    def operand(self, value: Any) -> Operand:
        pair = value if isinstance(value, dict) else {}
        kind, inner = pair.get("type"), pair.get("value")
        if kind == "local":
            return self.local(inner)
        if kind == "string_index":
            return self.string(inner)
        if kind == "bool" and type(inner) is bool:
            return inner
        raise self.error(f"expected an operand, found {_shown(value)}")

    def integer(self, value: Any) -> int:
        if type(value) is not int or not -(2**63) <= value < 2**63:
            raise self.error(f"expected an integer of 64 bits, found {_shown(value)}")
        return value

    def depth(self, value: Any) -> int:
        if type(value) is not int or not 0 <= value <= MAX_NESTING:
            raise self.error(f"expected a number of blocks, found {_shown(value)}")
        return value

    def name(self, value: Any) -> str:
        return _text(value, "func")

    def strings_of(self, value: Any) -> tuple[str, ...]:
        return tuple(self.string(item) for item in _list(value, "path"))

    def operands(self, value: Any) -> list[Operand]:
        return [self.operand(item) for item in _list(value, "args")]

    def locals_of(self, value: Any) -> list[Local]:
        return [self.local(item) for item in _list(value, "args")]


_READERS: Final[dict[Role, Callable[[_Reader, Any], Any]]] = {
    Role.OPERAND: _Reader.operand,
    Role.OPERANDS: _Reader.operands,
    Role.READ: _Reader.local,
    Role.READS: _Reader.locals_of,
    Role.WRITE: _Reader.local,
    Role.UPDATE: _Reader.local,
    Role.RENEW: _Reader.local,
    Role.INTEGER: _Reader.integer,
    Role.DEPTH: _Reader.depth,
    Role.STRING: _Reader.string,
    Role.STRINGS: _Reader.strings_of,
    Role.FUNCTION: _Reader.name,
    Role.BLOCK: _Reader.block,
    Role.BLOCKS: _Reader.blocks,
}


def _constants(static: dict[str, Any], name: str) -> list[str]:
    return [
        _text(_object(item, f"static.{name}").get("value"), f"static.{name}.value")
        for item in _list(static.get(name), f"static.{name}")
    ]


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise refuse(f"{what}: expected an object, found {_shown(value)}")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if value is None:
        return []  # Go writes a missing list as null: `args` of a call without arguments
    if not isinstance(value, list):
        raise refuse(f"{what}: expected a list, found {_shown(value)}")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise refuse(f"{what}: expected a string, found {_shown(value)}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # nobody could be told of it, and Go knows no such text
            raise refuse(f"{what}: half of a surrogate pair") from None
    return value


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return repr(value)[:40]

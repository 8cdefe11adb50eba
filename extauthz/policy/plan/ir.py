"""OPA's intermediate representation (openpolicyagent.org/docs/ir, OPA v1.22), as checked values.

Every statement is one class with its fields in a dictionary, and `STATEMENTS` says what each
field of each statement is. Reading, checking and renaming of locals all follow that one table.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

from callout.config.pace import breathe


class Local(NamedTuple):
    """A local variable of a function or plan."""

    number: int


Operand: TypeAlias = Local | str | bool
"""A local, or a constant: strings are already looked up in the plan's string table."""

INPUT: Final = Local(0)
DATA: Final = Local(1)


class Role(Enum):
    """What a field of a statement is, and with that how it is checked."""

    OPERAND = "operand"
    OPERANDS = "operands"
    READ = "a local that is read, or changed in place"
    READS = "locals that are read"
    WRITE = "a local that gets a new value"
    UPDATE = "a local that is read and may get its first value"
    RENEW = "a local that has a new value inside the block, and its old one after it"
    INTEGER = "a signed integer of 64 bits"
    DEPTH = "how many blocks to leave"
    STRING = "an index into the string table"
    STRINGS = "indices into the string table"
    FUNCTION = "a name of a function or builtin"
    BLOCK = "block"
    BLOCKS = "blocks"


STATEMENTS: Final[dict[str, dict[str, Role]]] = {
    "ArrayAppendStmt": {"array": Role.READ, "value": Role.OPERAND},
    "AssignIntStmt": {"value": Role.INTEGER, "target": Role.WRITE},
    "AssignVarOnceStmt": {"source": Role.OPERAND, "target": Role.UPDATE},
    "AssignVarStmt": {"source": Role.OPERAND, "target": Role.WRITE},
    "BlockStmt": {"blocks": Role.BLOCKS},
    "BreakStmt": {"index": Role.DEPTH},
    "CallDynamicStmt": {"args": Role.READS, "path": Role.OPERANDS, "result": Role.WRITE},
    "CallStmt": {"func": Role.FUNCTION, "args": Role.OPERANDS, "result": Role.WRITE},
    "DotStmt": {"source": Role.OPERAND, "key": Role.OPERAND, "target": Role.WRITE},
    "EqualStmt": {"a": Role.OPERAND, "b": Role.OPERAND},
    "IsArrayStmt": {"source": Role.OPERAND},
    "IsDefinedStmt": {"source": Role.READ},
    "IsObjectStmt": {"source": Role.OPERAND},
    "IsSetStmt": {"source": Role.OPERAND},
    "IsUndefinedStmt": {"source": Role.READ},
    "LenStmt": {"source": Role.OPERAND, "target": Role.WRITE},
    "MakeArrayStmt": {"target": Role.WRITE},
    "MakeNullStmt": {"target": Role.WRITE},
    "MakeNumberIntStmt": {"value": Role.INTEGER, "target": Role.WRITE},
    "MakeNumberRefStmt": {"index": Role.STRING, "target": Role.WRITE},
    "MakeObjectStmt": {"target": Role.WRITE},
    "MakeSetStmt": {"target": Role.WRITE},
    "NopStmt": {},
    "NotEqualStmt": {"a": Role.OPERAND, "b": Role.OPERAND},
    "NotStmt": {"block": Role.BLOCK},
    "ObjectInsertOnceStmt": {"object": Role.READ, "key": Role.OPERAND, "value": Role.OPERAND},
    "ObjectInsertStmt": {"object": Role.READ, "key": Role.OPERAND, "value": Role.OPERAND},
    "ObjectMergeStmt": {"a": Role.READ, "b": Role.READ, "target": Role.WRITE},
    "ResetLocalStmt": {"target": Role.WRITE},
    "ResultSetAddStmt": {"value": Role.READ},
    "ReturnLocalStmt": {"source": Role.READ},
    "ScanStmt": {
        "source": Role.READ,
        "key": Role.WRITE,
        "value": Role.WRITE,
        "block": Role.BLOCK,
    },
    "SetAddStmt": {"set": Role.READ, "value": Role.OPERAND},
    "WithStmt": {
        "value": Role.OPERAND,
        "path": Role.STRINGS,
        "local": Role.RENEW,
        "block": Role.BLOCK,
    },
}
"""Statement -> its fields, in the order in which they take effect: reads, writes, blocks.

OPA's documentation also names `ReturnStmt` and an `IsUndefinedStmt` of operands; v1.22 has no
factory for them (ir/marshal.go), so no plan can hold them.
"""

CHANGES: Final[dict[str, str]] = {
    "ArrayAppendStmt": "array",
    "ObjectInsertOnceStmt": "object",
    "ObjectInsertStmt": "object",
    "SetAddStmt": "set",
}
"""Statements that change a value in place, and the field that names it."""

FOUND_UNDEFINED: Final = 3
"""A dynamic call that finds its rule undefined leaves this many blocks (OPA's planner.go)."""


class Place(NamedTuple):
    """Where in the Rego source a statement comes from."""

    file: str
    line: int
    column: int


class Statement:
    """One instruction. `fields` holds what `STATEMENTS` lists, checked."""

    __slots__ = ("_blocks", "fields", "kind", "place")

    def __init__(self, kind: str, fields: dict[str, Any], place: Place) -> None:
        self.kind = kind
        self.fields = fields
        self.place = place
        self._blocks: list[Block] = fields.get("blocks") or (
            [fields["block"]] if "block" in fields else []
        )

    def __getitem__(self, field: str) -> Any:
        return self.fields[field]

    def blocks(self) -> "list[Block]":
        """The blocks inside, in order."""
        return self._blocks

    def reads(self) -> Iterator[Local]:
        """The locals that this statement itself reads (not its blocks)."""
        return self._locals(*_READS[self.kind])

    def writes(self) -> Iterator[Local]:
        """The locals that this statement itself gives a value (not its blocks)."""
        for field in WRITES[self.kind]:
            yield self.fields[field]

    def named(self) -> Iterator[Local]:
        """Every local that this statement itself names, as often as it does."""
        yield from self._locals(*_NAMES[self.kind])
        if "inner" in self.fields:
            yield self.fields["inner"]

    def _locals(self, one: Iterable[str], several: Iterable[str]) -> Iterator[Local]:
        """Those that stand in fields of one operand, and in fields of several."""
        fields = self.fields
        for field in one:
            if isinstance(fields[field], Local):
                yield fields[field]
        for field in several:
            yield from (item for item in fields[field] if isinstance(item, Local))


def _with_role(*wanted: Role) -> dict[str, tuple[str, ...]]:
    return {
        kind: tuple(field for field, role in roles.items() if role in wanted)
        for kind, roles in STATEMENTS.items()
    }


# asked millions of times for 1,000 rules
WRITES: Final = _with_role(Role.WRITE, Role.UPDATE)
"""Fields that name a local which gets a value."""
_LISTS: Final = _with_role(Role.OPERANDS, Role.READS)
_READS: Final = {
    kind: (fields, _LISTS[kind])
    for kind, fields in _with_role(Role.OPERAND, Role.READ, Role.UPDATE).items()
}
_NAMES: Final = {
    kind: (fields, _LISTS[kind])
    for kind, fields in _with_role(
        Role.OPERAND, Role.READ, Role.UPDATE, Role.WRITE, Role.RENEW
    ).items()
}

Block: TypeAlias = list[Statement]


def walk(blocks: list[Block]) -> Iterator[Statement]:
    """Every statement of `blocks` and of the blocks inside them."""
    stack = [iter(block) for block in reversed(blocks)]
    while stack:
        for statement in stack[-1]:
            yield statement
            inner = statement._blocks
            if inner:
                stack.extend(iter(block) for block in reversed(inner))
                break
        else:
            stack.pop()
            breathe()


@dataclass(slots=True)
class Function:
    """A rule, or a function of the policy."""

    name: str
    path: tuple[str, ...]
    """How CallDynamic finds it; empty: it does not."""
    params: list[Local]
    returns: Local
    blocks: list[Block]


@dataclass(slots=True)
class Plan:
    """One checked plan file."""

    entrypoints: dict[str, list[Block]]
    functions: dict[str, Function]
    builtins: frozenset[str]
    """What the plan says that it calls."""


def prune(blocks: list[Block]) -> None:
    """Take out what cannot be reached, and jumps that lead to where control goes anyway."""
    for block in blocks:
        kept = []
        for statement in block:
            inner = statement.blocks()
            prune(inner)
            if statement.kind != "BlockStmt" or not all(map(_only_skips, inner)):
                kept.append(statement)
            if statement.kind in ("BreakStmt", "ReturnLocalStmt"):
                break
        block[:] = kept
        breathe()


def _only_skips(block: Block) -> bool:
    """`{ { break 1 } break n }`, which the planner leaves where nothing is to be asked."""
    if not block or block[0].kind != "BlockStmt":
        return False
    inner = block[0].blocks()
    return bool(inner) and [s.kind for s in inner[0]] == ["BreakStmt"] and inner[0][0]["index"] == 1

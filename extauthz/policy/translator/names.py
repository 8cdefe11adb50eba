"""Gives every value of a function a local of its own.

OPA's planner reuses the numbers of locals from rule to rule. Here each *web* (assignments whose
values can reach a common read) gets its own number, so that a local that is assigned in one place
means one value wherever it is read. All later optimisations rest on that; on a function of 200
rules it is worth a factor of four by itself.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from callout.config.pace import breathe
from extauthz.policy.plan.ir import (
    FOUND_UNDEFINED,
    STATEMENTS,
    WRITES,
    Block,
    Local,
    Role,
    Statement,
    walk,
)


@dataclass(slots=True)
class Names:
    """What is known about the locals of a function after renaming."""

    params: list[Local]
    single: set[Local] = field(default_factory=set)
    """Assigned in one place, which comes before every read of it."""
    unset: set[Local] = field(default_factory=set)
    """May be read before it is assigned: undefined at first."""
    occurrences: Counter[Local] = field(default_factory=Counter)
    """How often each is named."""
    reads: Counter[Local] = field(default_factory=Counter)
    """How often each is read."""


def rename(params: list[Local], blocks: list[Block]) -> Names:
    """Renumber the locals in `blocks`, in place.

    Every `WithStmt` gets a field `inner`: what its local is called inside its block.
    """
    return _Webs().solve(params, blocks)


_ALWAYS = frozenset(
    {"AssignIntStmt", "MakeArrayStmt", "MakeNullStmt", "MakeNumberIntStmt", "MakeNumberRefStmt"}
    | {"BlockStmt", "MakeObjectStmt", "MakeSetStmt", "NopStmt", "ResetLocalStmt"}
    | {"BreakStmt"}
)
"""Statements after which the next one always runs. Any other may end its block; a break ends only
the one that it says: not the end of its own block, which a look-up over two blocks relies on."""

_READS: Final = {
    kind: (
        tuple(n for n, role in roles.items() if role in (Role.OPERAND, Role.READ, Role.RENEW)),
        tuple(n for n, role in roles.items() if role in (Role.OPERANDS, Role.READS)),
    )
    for kind, roles in STATEMENTS.items()
}
_GIVEN: Final = frozenset({Role.WRITE, Role.UPDATE, Role.BLOCK, Role.BLOCKS})
_WRITES: Final = {
    kind: tuple((name, role) for name, role in roles.items() if role in _GIVEN)
    for kind, roles in STATEMENTS.items()
}
_FEW: Final = 4
_Reach = dict[Local, frozenset[int]]


class _Frame:
    """A block that is being visited."""

    def __init__(self) -> None:
        self.before: dict[Local, frozenset[int] | None] = {}
        """What reached the block, of the locals that are assigned in it so far."""
        self.fresh: set[Local] = set()
        """Those of them that were assigned since `ends` was last brought up to date."""
        self.ends: dict[Local, set[int]] = {}
        """What may reach the end of the block, of the locals that are assigned in it."""
        self.ended = False
        """Whether something can end the block before this point."""


class _Webs:
    """Reaching definitions, joined by union-find. An element is one assignment."""

    def __init__(self) -> None:
        self.parent: list[int] = []
        self.standing: dict[int, frozenset[int]] = {}
        self.assigned: dict[tuple[int, str], int] = {}
        self.initial: dict[Local, int] = {}
        self.fixes: list[tuple[int, Any, str | int, bool]] = []
        """Element, and the fields or list where it stands under a name or index; if it is read."""
        self.reach: _Reach = {}
        self.frames: list[_Frame] = []

    def solve(self, params: list[Local], blocks: list[Block]) -> Names:
        entry = [self.element() for _ in params]
        for local, element in zip(params, entry, strict=True):
            self.reach[local] = frozenset({element})
        for block in blocks:
            self.block(block)
        numbers: dict[int, Local] = {}

        def number(element: int) -> Local:
            root = self.root(element)
            local = numbers.get(root)
            if local is None:
                local = numbers[root] = Local(len(numbers))
            return local

        names = Names([number(element) for element in entry])
        occurrences: list[Local] = []
        reads: list[Local] = []
        for element, place, key, is_read in self.fixes:
            local = number(element)
            place[key] = local
            occurrences.append(local)
            if is_read:
                reads.append(local)
        names.occurrences.update(occurrences)
        names.reads.update(reads)
        sources = Counter(number(element) for element in [*entry, *self.assigned.values()])
        unset = {number(element) for element in self.initial.values()}
        names.unset = {local for local in unset if names.reads[local]}
        names.single = {local for local, count in sources.items() if count == 1} - unset
        return names

    # -- elements

    def element(self) -> int:
        self.parent.append(len(self.parent))
        return len(self.parent) - 1

    def root(self, element: int) -> int:
        while self.parent[element] != element:
            self.parent[element] = self.parent[self.parent[element]]
            element = self.parent[element]
        return element

    def one_for(self, elements: Iterable[int]) -> frozenset[int]:
        """The same elements, or one that stands for them until somebody reads it.

        The planner gives all rules of a name the same locals, so an element for each rule before
        would reach the last one, to be read by nobody: quadratic, 3 s for 1,000 rules.
        """
        found = frozenset(elements)
        if len(found) <= _FEW:
            return found
        one = self.element()
        self.standing[one] = found
        return frozenset({one})

    def join(self, elements: Collection[int]) -> int:
        first = next(iter(elements))
        if len(elements) == 1 and first not in self.standing:
            return self.root(first)
        pending = list(elements)
        while pending:
            element = pending.pop()
            pending.extend(self.standing.pop(element, ()))
            self.parent[self.root(element)] = self.root(first)
        return self.root(first)

    def assignment(self, statement: Statement, name: str) -> int:
        """The element of an assignment; asked before and while it is visited."""
        key = (id(statement), name)
        if key not in self.assigned:
            self.assigned[key] = self.element()
        return self.assigned[key]

    def reaching(self, local: Local) -> frozenset[int]:
        if local not in self.reach:
            if local not in self.initial:
                self.initial[local] = self.element()
            return frozenset({self.initial[local]})
        return self.reach[local]

    # -- flow

    def assign(self, local: Local, elements: frozenset[int]) -> None:
        if self.frames:
            self.note(self.frames[-1], local, self.reaching(local))
        self.reach[local] = elements

    def note(self, frame: _Frame, local: Local, before: frozenset[int]) -> None:
        if local not in frame.before:
            frame.before[local] = before
            if frame.ended:
                frame.ends.setdefault(local, set()).update(before)
        frame.fresh.add(local)

    def may_end(self, depth: int = 0) -> None:
        """Control may go to the end of the block that is `depth` blocks out."""
        index = len(self.frames) - 1 - depth
        if index < 0:
            return  # the writer refuses such a jump
        frame = self.frames[index]
        changed = set(frame.fresh)
        for inner in self.frames[index + 1 :]:
            changed |= inner.before.keys()
            for local, before in inner.before.items():
                if before is not None:
                    self.note(frame, local, before)
        for local in changed:
            frame.ends.setdefault(local, set()).update(self.reach[local])
        if not depth:
            frame.fresh.clear()
        frame.ended = True

    def block(self, block: Block) -> None:
        frame = _Frame()
        self.frames.append(frame)
        for statement in block:
            self.statement(statement)
            if statement.kind == "BreakStmt":
                self.may_end(statement["index"])
                break
        else:
            self.may_end()
        self.frames.pop()
        for local, before in frame.before.items():
            for outer in self.frames[-1:]:
                self.note(outer, local, before or frozenset())
            self.reach[local] = self.one_for(frame.ends.get(local) or self.reach[local])
        breathe()

    def statement(self, statement: Statement) -> None:
        fields = statement.fields
        one, several = _READS[statement.kind]
        for name in one:
            if isinstance(fields[name], Local):
                self.read(fields[name], fields, name)
        for name in several:
            for index, item in enumerate(fields[name]):
                if isinstance(item, Local):
                    self.read(item, fields[name], index)
        if statement.kind not in _ALWAYS and self.frames:
            self.may_end()
            if statement.kind == "CallDynamicStmt":
                self.may_end(FOUND_UNDEFINED)
        for name, role in _WRITES[statement.kind]:
            self.visit_write(statement, name, role)
        if statement.kind in ("NotStmt", "WithStmt"):
            self.may_end()

    def read(self, local: Local, place: Any, key: str | int) -> None:
        self.fixes.append((self.join(self.reaching(local)), place, key, True))

    def visit_write(self, statement: Statement, name: str, role: Role) -> None:
        value = statement[name]
        if role is Role.WRITE:
            element = self.assignment(statement, name)
            self.fixes.append((element, statement.fields, name, False))
            if statement.kind != "ScanStmt":
                self.assign(value, frozenset({element}))
        elif role is Role.UPDATE:
            element = self.assignment(statement, name)
            self.join([element, *self.reaching(value)])
            self.fixes.append((element, statement.fields, name, True))
            self.assign(value, frozenset({element}))
        elif role is Role.BLOCKS:
            for block in value:
                self.block(block)
        elif role is Role.BLOCK:
            _INSIDE[statement.kind](self, statement)

    def loop(self, scan: Statement) -> None:
        """What a round of a loop leaves behind reaches the next round, and what follows."""
        names = (scan["key"], scan["value"])
        written = self.written([scan["block"]])
        for local, elements in written.items():
            self.assign(local, self.reaching(local) | elements)
        before = {local: self.reaching(local) for local in names}
        for local, name in zip(names, ("key", "value"), strict=True):
            self.assign(local, frozenset({self.assignment(scan, name)}))
        self.block(scan["block"])
        for local in {*names, *written}:
            elements = before.get(local, frozenset()) | written.get(local, frozenset())
            self.assign(local, self.reaching(local) | elements)

    def renew(self, statement: Statement) -> None:
        """A local with a value of its own inside the block."""
        local, block = statement["local"], statement["block"]
        element = self.assignment(statement, "inner")
        self.fixes.append((element, statement.fields, "inner", False))
        outside = self.reaching(local)
        self.assign(local, frozenset({element}))
        self.block(block)
        self.assign(local, outside | self.written([block]).get(local, frozenset()))

    def written(self, blocks: list[Block]) -> dict[Local, frozenset[int]]:
        found: dict[Local, frozenset[int]] = {}
        for statement in walk(blocks):
            for name in WRITES[statement.kind]:
                element = self.assignment(statement, name)
                local = statement[name]
                found[local] = found.get(local, frozenset()) | {element}
        return found


_INSIDE: Final[dict[str, Callable[[_Webs, Statement], None]]] = {
    "NotStmt": lambda webs, statement: webs.block(statement["block"]),
    "ScanStmt": _Webs.loop,
    "WithStmt": _Webs.renew,
}

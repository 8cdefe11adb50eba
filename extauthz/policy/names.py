"""Gives every value of a function a local of its own.

OPA's planner reuses the numbers of locals from rule to rule. Here each *web* (assignments whose
values can reach a common read) gets its own number, so that a local that is assigned in one place
means one value wherever it is read. All later optimisations rest on that; on a function of 200
rules it is worth a factor of four by itself.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from extauthz.policy.ir import STATEMENTS, Block, Local, Role, Statement, walk


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


class _Webs:
    """Reaching definitions, joined by union-find. An element is one assignment."""

    def __init__(self) -> None:
        self.parent: list[int] = []
        self.assigned: dict[tuple[int, str], int] = {}
        self.initial: dict[Local, int] = {}
        self.fixes: list[tuple[int, Callable[[Local], None], bool]] = []

    def element(self) -> int:
        self.parent.append(len(self.parent))
        return len(self.parent) - 1

    def root(self, element: int) -> int:
        while self.parent[element] != element:
            self.parent[element] = self.parent[self.parent[element]]
            element = self.parent[element]
        return element

    def join(self, elements: Iterable[int]) -> int:
        first, *others = map(self.root, elements)
        for other in others:
            self.parent[self.root(other)] = self.root(first)
        return self.root(first)

    def assignment(self, statement: Statement, name: str) -> int:
        """The element of an assignment; asked before and while it is visited."""
        key = (id(statement), name)
        if key not in self.assigned:
            self.assigned[key] = self.element()
        return self.assigned[key]

    def reaching(self, local: Local, reach: dict[Local, frozenset[int]]) -> frozenset[int]:
        if local not in reach:
            if local not in self.initial:
                self.initial[local] = self.element()
            return frozenset({self.initial[local]})
        return reach[local]

    def solve(self, params: list[Local], blocks: list[Block]) -> Names:
        entry = [self.element() for _ in params]
        reach = {
            local: frozenset({element}) for local, element in zip(params, entry, strict=True)
        }
        self.sequence(blocks, reach)
        numbers: dict[int, Local] = {}

        def number(element: int) -> Local:
            return numbers.setdefault(self.root(element), Local(len(numbers)))

        names = Names([number(element) for element in entry])
        for element, put, is_read in self.fixes:
            local = number(element)
            put(local)
            names.occurrences[local] += 1
            names.reads[local] += is_read
        sources = Counter(number(element) for element in [*entry, *self.assigned.values()])
        names.unset = {number(element) for element in self.initial.values()}
        names.single = {local for local, count in sources.items() if count == 1} - names.unset
        return names

    def sequence(self, blocks: list[Block], reach: dict[Local, frozenset[int]]) -> None:
        """Blocks one after another, each of which may end early."""
        for block in blocks:
            self.block(block, dict(reach))
            for local, elements in self.written([block]).items():
                reach[local] = self.reaching(local, reach) | elements

    def written(self, blocks: list[Block]) -> dict[Local, frozenset[int]]:
        found: dict[Local, frozenset[int]] = {}
        for statement in walk(blocks):
            for name, role in STATEMENTS[statement.kind].items():
                if role is Role.WRITE or role is Role.UPDATE:
                    element = self.assignment(statement, name)
                    local = statement[name]
                    found[local] = found.get(local, frozenset()) | {element}
        return found

    def block(self, block: Block, reach: dict[Local, frozenset[int]]) -> None:
        for statement in block:
            for name, role in STATEMENTS[statement.kind].items():
                self.visit(statement, name, role, reach)

    def visit(
        self,
        statement: Statement,
        name: str,
        role: Role,
        reach: dict[Local, frozenset[int]],
    ) -> None:
        value = statement[name]
        if role is Role.OPERAND or role is Role.READ:
            if isinstance(value, Local):
                self.read(value, reach, partial(statement.fields.__setitem__, name))
        elif role is Role.OPERANDS or role is Role.READS:
            for index, item in enumerate(value):
                if isinstance(item, Local):
                    self.read(item, reach, partial(value.__setitem__, index))
        elif role is Role.WRITE:
            element = self.assignment(statement, name)
            self.fixes.append((element, partial(statement.fields.__setitem__, name), False))
            if statement.kind != "ScanStmt":
                reach[value] = frozenset({element})
        elif role is Role.UPDATE:
            element = self.assignment(statement, name)
            self.join([element, *self.reaching(value, reach)])
            self.fixes.append((element, partial(statement.fields.__setitem__, name), True))
            reach[value] = frozenset({element})
        elif role is Role.RENEW:
            self.read(value, reach, partial(statement.fields.__setitem__, name))
            self.renew(statement, value, reach)
        elif role is Role.BLOCKS:
            self.sequence(value, reach)
        elif statement.kind == "ScanStmt" and role is Role.BLOCK:
            self.loop(statement, reach)
        elif statement.kind == "NotStmt":
            self.sequence([value], reach)

    def read(
        self, local: Local, reach: dict[Local, frozenset[int]], put: Callable[[Local], None]
    ) -> None:
        self.fixes.append((self.join(self.reaching(local, reach)), put, True))

    def loop(self, scan: Statement, reach: dict[Local, frozenset[int]]) -> None:
        """What a round of a loop leaves behind reaches the next round."""
        inside = dict(reach)
        for local, elements in self.written([scan["block"]]).items():
            inside[local] = self.reaching(local, inside) | elements
        for name in ("key", "value"):
            inside[scan[name]] = frozenset({self.assignment(scan, name)})
        self.block(scan["block"], inside)
        for local, elements in self.written([[scan]]).items():
            reach[local] = self.reaching(local, reach) | elements

    def renew(
        self, statement: Statement, local: Local, reach: dict[Local, frozenset[int]]
    ) -> None:
        element = self.assignment(statement, "inner")
        self.fixes.append((element, partial(statement.fields.__setitem__, "inner"), False))
        block = statement["block"]
        self.block(block, {**reach, local: frozenset({element})})
        for other, elements in self.written([block]).items():
            reach[other] = self.reaching(other, reach) | elements

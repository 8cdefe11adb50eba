"""Where code goes while a function is written: nested blocks, and jumps out of them.

A Rego statement that is undefined ends its block. Here it becomes an `if` around the rest of the
block, so falling out of the `if` is the end of the block, and most blocks cost nothing. Only a
block that is left from inside a block within it becomes a Python loop that runs once, and a jump
is then `break` (`continue` for the body of a scan). A jump over several loops sets a flag.
"""

import ast
from dataclasses import dataclass, field
from typing import Final

from extauthz.policy.plan.ir import FOUND_UNDEFINED, Block, Local, Statement
from extauthz.policy.translator import nodes, syntax

LONG: Final = 50
"""Statements. A longer block is left by a jump: `if`s inside each other have no room for it."""
MOST_IFS: Final = 20
"""Inside each other, in a block that a jump can leave."""


@dataclass(slots=True, eq=False)
class Frame:
    """A block that is being written."""

    number: int
    is_loop: bool
    is_scan: bool
    exit: Local | None = None
    """For a scan: once this local is set, more rounds cannot change anything."""
    ifs: int = 0
    """What its code stands in, inside of it."""
    passed: list[tuple["Frame", bool]] = field(default_factory=list)
    """Jumps that went through this loop, to continue behind it."""


class Flow:
    """The cursor. `body` is where the next statement goes; None: it cannot be reached."""

    def __init__(self) -> None:
        self.body: list[ast.stmt] | None = []
        self.frames: list[Frame] = []
        self.checked: set[str] = set()
        """Names that are known not to be undefined here."""
        self.count = 0

    def fresh(self, prefix: str) -> str:
        """A new name of our own."""
        self.count += 1
        return f"{prefix}{self.count}"

    def emit(self, *statements: ast.stmt) -> None:
        """Write statements."""
        if self.body is not None:
            self.body.extend(statements)

    def guard(self, test: ast.expr) -> None:
        """The rest of the block only runs if `test` holds."""
        if self.body is None:
            return
        frame = self.frames[-1] if self.frames else None
        if frame is not None and frame.is_loop and frame.ifs >= MOST_IFS:
            leave = nodes.Continue() if frame.is_scan else nodes.Break()
            self.body.append(syntax.when(nodes.UnaryOp(ast.Not(), test), [leave]))
            return
        if frame is not None:
            frame.ifs += 1
        branch = syntax.when(test, [])
        self.body.append(branch)
        self.body = branch.body

    def dead(self) -> None:
        """Nothing after this point is reached."""
        self.body = None

    def open(self, is_loop: bool, is_scan: bool = False, leave: Local | None = None) -> Frame:
        """Begin a block."""
        self.count += 1
        frame = Frame(self.count, is_loop, is_scan, leave)
        self.frames.append(frame)
        return frame

    def loops(self) -> int:
        """How many Python loops are open."""
        return sum(frame.is_loop for frame in self.frames)

    def jump(self, target: Frame, leave: bool = False) -> None:
        """Go to the end of the block `target`; with `leave` (a scan), past its last round."""
        crossed = self.frames[self.frames.index(target) + 1 :]
        inner = [frame for frame in reversed(crossed) if frame.is_loop]
        if not inner:
            again = target.is_scan and not leave
            self.emit(nodes.Continue() if again else nodes.Break())
        else:
            for frame in inner:
                if (target, leave) not in frame.passed:
                    frame.passed.append((target, leave))
            self.emit(syntax.assign(_flag(target, leave), syntax.TRUE), nodes.Break())
        self.dead()

    def passed(self, frame: Frame, before: list[ast.stmt], at: int) -> None:
        """After the loop of `frame`, which began at `before[at]`: go on with jumps through it."""
        for target, leave in frame.passed:
            flag = _flag(target, leave)
            before.insert(at, syntax.assign(flag, syntax.FALSE))
            branch = syntax.when(syntax.name(flag), [])
            before.append(branch)
            self.body = branch.body
            self.jump(target, leave)
        self.body = before


def _flag(target: Frame, leave: bool) -> str:
    return f"{'x' if leave else 'b'}{target.number}"


def is_loop(block: Block) -> bool:
    """Whether a block must be one that a jump can leave: it is long, or left from inside."""
    return len(block) > LONG or any(
        _jumps(inner, 1) for statement in block for inner in statement.blocks()
    )


def _jumps(inner: Block, depth: int) -> bool:
    return any(
        _depth(statement) == depth or any(_jumps(block, depth + 1) for block in statement.blocks())
        for statement in inner
    )


def _depth(statement: Statement) -> int | None:
    if statement.kind == "BreakStmt":
        depth: int = statement["index"]
        return depth
    return FOUND_UNDEFINED if statement.kind == "CallDynamicStmt" else None


def loop_depth(blocks: list[Block], in_scan: bool = False) -> int:
    """How many Python loops the code of `blocks` will have inside each other."""
    return max(
        (
            (not in_scan and is_loop(block))
            + max(
                (
                    loop_depth(statement.blocks(), statement.kind == "ScanStmt")
                    + (statement.kind == "ScanStmt")
                    for statement in block
                ),
                default=0,
            )
            for block in blocks
        ),
        default=0,
    )

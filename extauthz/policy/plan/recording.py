"""Which parts of the input one evaluation reads, as its code will write them down.

A decision may be given again to another request only if all that this evaluation looked at is the
same there. So before every statement whose course or value depends on the input, the code of a
*recorded* program notes what the statement reads. Why that is enough: two evaluations of one
program run the same statements up to the first one that depends on a value which differs, and that
value was noted before it; so if all that was noted is the same, so is the course, and the result.

For this each look-up counts, also one that fails, and one whose value nobody uses: that something
is there decides which statements run next. (To note only the values that are used, and failures,
is too little: with `x := input.a; count([1 | input.b == 1; x == 2]) == 0`, and `b` 0, nobody looks
at `x`, but without `a` the rule is undefined.)

Too much is only a miss, too little another's decision. So a key that is not known now, an
iteration, an argument and whatever is put into another value read all that is below; and under
`with`, where the input may be another, everything is read.

Whoever writes code that leaves statements out by a value of the input (an index of rules) must
note what it looked at: `Writer.note`.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

from callout.config.pace import breathe
from extauthz.policy.plan.facts import scalar
from extauthz.policy.plan.ir import (
    STATEMENTS,
    Block,
    Local,
    Operand,
    Role,
    Statement,
    walk,
)
from extauthz.policy.plan.reads import MOST_HELD, MOST_ROUNDS, room_for
from extauthz.policy.translator.names import Names

Path: TypeAlias = tuple[str | int, ...]


class Read(NamedTuple):
    """One look at the input."""

    path: Path
    """Names of fields and indices of arrays."""
    deep: bool
    """Whether all that is below counts; else of an array or object only that it is one."""


WHOLE: Final = Read((), True)
IMPURE: Final = -1
"""Noted instead of a read: what was found does not follow from the input alone."""

_FIRST: Final = -10
_DEEPEST: Final = 50
"""Steps of a path. A loop that looks ever deeper (`x = x.next`) is cut there."""
_MAKES_SCALAR: Final = frozenset({"MakeNullStmt", "MakeNumberIntStmt", "MakeNumberRefStmt"})
_DEFINEDNESS: Final = frozenset({"IsDefinedStmt", "IsUndefinedStmt"})
"""Whether a local has a value follows from the course so far, which is noted."""
_KINDS: Final = frozenset({"IsArrayStmt", "IsObjectStmt", "IsSetStmt"})
_GIVING: Final = frozenset({"AssignVarStmt", "AssignVarOnceStmt"})


def looked_at(path: tuple[object, ...]) -> Read:
    """The read of a look-up along encoded keys, as far as they can be steps of a path."""
    steps = tuple(step for step in path if type(step) is str or (type(step) is int and step >= 0))
    return Read(steps, False) if len(steps) == len(path) else WHOLE


def noted_as(number: int) -> int:
    """A read's key in the memo, where functions have the numbers from 0 on, budgets -1."""
    return _FIRST - number


def noted_in(memo: Iterable[object]) -> list[int]:
    """The numbers of what was noted in a memo, in that order; and perhaps `IMPURE`."""
    return [_FIRST - key for key in memo if type(key) is int and key <= _FIRST - IMPURE]


class Recording:
    """The reads of a program: each has a number, and statements note numbers."""

    def __init__(self) -> None:
        self.reads: list[Read] = []
        self._numbers: dict[Read, int] = {}
        self._at: dict[int, tuple[int, ...]] = {}

    def notes(self, statement: Statement) -> tuple[int, ...]:
        """What must be noted before `statement` runs."""
        return self._at.get(id(statement), ())

    def add(self, statement: Statement, reads: Iterable[Read], impure: bool) -> None:
        """Say it."""
        numbers = [IMPURE] if impure else []
        numbers += [self.number(read) for read in sorted(reads, key=repr)]
        if numbers:
            self._at[id(statement)] = tuple(numbers)

    def number(self, read: Read) -> int:
        """A read's number, perhaps a new one."""
        if read not in self._numbers:
            self._numbers[read] = len(self.reads)
            self.reads.append(read)
        return self._numbers[read]


def recording(
    parts: Mapping[str, tuple[Names, list[Block]]],
    dynamic: Container[str],
    impure: Callable[[str], bool],
) -> Recording:
    """Find the reads of an entrypoint and of all functions that it may call.

    Args:
        parts: by name of the function, the entrypoint under some other name; locals are renamed.
        dynamic: functions that may be called by a computed path.
        impure: whether a builtin's answer does not follow from its operands alone.
    """
    holds = {name: _Holds(names, blocks) for name, (names, blocks) in parts.items()}
    if not _share_returns(holds, dynamic):
        for each in holds.values():
            each.is_plain = False
    found = Recording()
    called = {
        statement["func"]
        for _, blocks in parts.values()
        for statement in walk(blocks)
        if statement.kind == "CallStmt" and statement["func"] not in parts
    }
    any_impure = any(map(impure, called))
    for name, (_, blocks) in parts.items():
        reading = _Reading(holds[name], parts, impure, any_impure, found)
        for block in blocks:
            reading.block(block, in_scan=False)
    return found


class _Holds:
    """Which parts of the input each local of a function may hold; flow does not matter."""

    def __init__(self, names: Names, blocks: list[Block]) -> None:
        self.names = names
        self.statements = list(walk(blocks))
        self.room = room_for(len(self.statements))
        """For more parts of the input; with none left, nothing is known."""
        self.paths: dict[Local, set[Path]] = {names.params[0]: {()}}
        self.is_plain = names.params[0] in names.single
        """Whether the first parameter is the input throughout; if not, everything is read."""
        self.returned: set[Path] = set()
        self.calls: set[str] = set()
        self.calls_dynamic = False
        self.writers: Counter[Local] = Counter()
        self.scalars: dict[Local, object] = {}
        for statement in self.statements:
            if statement.kind == "CallStmt":
                self.calls.add(statement["func"])
            self.calls_dynamic |= statement.kind == "CallDynamicStmt"
            if statement.kind != "ResetLocalStmt":
                self.writers.update(statement.writes())
            if statement.kind in _MAKES_SCALAR and statement["target"] in names.single:
                made = scalar(statement)
                if made is not None:
                    self.scalars[statement["target"]] = made[0]

    def spread(self, returned: Mapping[str, "_Holds"], dynamic: set[Path]) -> bool:
        """Follow look-ups, assignments and results once; whether that found more."""
        before = self.held()
        for statement in self.statements:
            kind = statement.kind
            if kind == "DotStmt":
                step = self.step(statement["key"])
                if step is not None:
                    for path in self.of(statement["source"]):
                        if len(path) < _DEEPEST:
                            self.hold(statement["target"], {(*path, step)})
            elif kind in _GIVING:
                self.hold(statement["target"], self.of(statement["source"]))
            elif kind == "WithStmt":
                self.hold(statement["inner"], self.of(statement["local"]))
            elif kind == "CallStmt" and statement["func"] in returned:
                self.hold(statement["result"], returned[statement["func"]].returned)
            elif kind == "CallDynamicStmt":
                self.hold(statement["result"], dynamic)
            elif kind == "ReturnLocalStmt":
                self.take(self.returned, self.of(statement["source"]))
        return self.held() > before

    def held(self) -> int:
        """How many parts of the input its locals may be, and its result."""
        return sum(map(len, self.paths.values())) + len(self.returned)

    def of(self, operand: Operand) -> set[Path]:
        """The parts that an operand may be."""
        return self.paths.get(operand, set()) if isinstance(operand, Local) else set()

    def hold(self, local: Local, paths: set[Path]) -> None:
        if paths:
            self.take(self.paths.setdefault(local, set()), paths)

    def take(self, held: set[Path], paths: set[Path]) -> None:
        """Add to what a local or the result may be, while there is room."""
        new = paths - held
        if new:
            too_many = len(new) > self.room or len(held) + len(new) > MOST_HELD
            self.room = 0 if too_many else self.room - len(new)
            if self.room:
                held |= new

    def step(self, key: Operand) -> str | int | None:
        """A key as a step of a path; None: it is not known now, or never finds anything."""
        known = self.scalars.get(key) if isinstance(key, Local) else key
        if type(known) is str or (type(known) is int and known >= 0):
            return known
        return None

    def is_scalar(self, operand: Operand) -> bool:
        """Whether an operand is a constant that has no parts."""
        return not isinstance(operand, Local) or operand in self.scalars


def _share_returns(holds: Mapping[str, _Holds], dynamic: Container[str]) -> bool:
    """Let results hold what the functions return, until nothing is new; False: it is too much."""
    callers: dict[str, set[str]] = {}
    for name, one in holds.items():
        for called in one.calls:
            callers.setdefault(called, set()).add(name)
    anywhere = {name for name, one in holds.items() if one.calls_dynamic}
    pending = dict.fromkeys(reversed(list(holds)))  # called functions mostly come after callers
    by_path: set[Path] = set()
    while pending:
        name = next(iter(pending))
        del pending[name]
        one = holds[name]
        before = len(one.returned)
        rounds = 0
        while one.spread(holds, by_path):
            rounds += 1
            if rounds > MOST_ROUNDS or not one.room:
                return False
            breathe()
        if not one.room:
            return False
        if len(one.returned) > before:
            pending.update(dict.fromkeys(callers.get(name, ())))
            if name in dynamic:
                by_path |= one.returned
                pending.update(dict.fromkeys(anywhere))
    return True


class _Reading:
    """Gives the statements of one function their reads."""

    def __init__(
        self,
        holds: _Holds,
        functions: Container[str],
        impure: Callable[[str], bool],
        any_impure: bool,
        found: Recording,
    ) -> None:
        self.holds = holds
        self.functions = functions
        self.impure = impure
        self.any_impure = any_impure
        self.found = found

    def block(self, block: Block, in_scan: bool) -> None:
        covered: set[int] = set()
        for index, statement in enumerate(block):
            if statement.kind == "WithStmt":
                # inside, code notes into a memo that is thrown away
                self.found.add(statement, {WHOLE}, self.any_impure)
                continue
            reads: set[Read]
            if not self.holds.is_plain:
                reads = {WHOLE}
            elif statement.kind == "DotStmt":
                reads = set() if id(statement) in covered else self.chain(block, index, covered)
            else:
                reads = set(self.reads(statement, in_scan))
            is_impure = (
                statement.kind == "CallStmt"
                and statement["func"] not in self.functions
                and self.impure(statement["func"])
            )
            self.found.add(statement, reads, is_impure)
            for inner in statement.blocks():
                self.block(inner, in_scan or statement.kind == "ScanStmt")

    def chain(self, block: Block, index: int, covered: set[int]) -> set[Read]:
        """Look-ups each into what the one before found: one read, of where the last one looks.

        Whichever of them fails, the same block ends.
        """
        reads = self.dot(block[index])
        last = block[index]
        if self.holds.step(last["key"]) is None:
            return reads
        for statement in block[index + 1 :]:
            if statement.kind in _MAKES_SCALAR:
                continue
            if (
                statement.kind != "DotStmt"
                or statement["source"] != last["target"]
                or self.holds.step(statement["key"]) is None
                or self.holds.writers[last["target"]] != 1
            ):
                break
            reads = self.dot(statement)
            covered.add(id(statement))
            last = statement
        return reads

    def dot(self, statement: Statement) -> set[Read]:
        held = self.holds.of(statement["source"])
        step = self.holds.step(statement["key"])
        if step is None:
            return set(self.deep(statement["source"], statement["key"]))
        return {
            Read((*path, step), False) if len(path) < _DEEPEST else Read(path[:1], True)
            for path in held
        }

    def deep(self, *operands: Operand) -> Iterator[Read]:
        for operand in operands:
            for path in self.holds.of(operand):
                yield Read(path, True)

    def shallow(self, *operands: Operand) -> Iterator[Read]:
        for operand in operands:
            for path in self.holds.of(operand):
                yield Read(path, False)

    def reads(self, statement: Statement, in_scan: bool) -> Iterator[Read]:
        """What a statement that is neither a look-up nor a `with` reads."""
        kind = statement.kind
        if kind in _DEFINEDNESS or kind in ("AssignVarStmt", "ReturnLocalStmt"):
            return  # whoever uses the value reads it
        if kind == "AssignVarOnceStmt":
            target = statement["target"]
            if in_scan or self.holds.writers[target] != 1:
                # a second value is compared with the first
                yield from self.deep(statement["source"], target)
        elif kind in ("EqualStmt", "NotEqualStmt"):
            a, b = statement["a"], statement["b"]
            simple = self.holds.is_scalar(a) or self.holds.is_scalar(b)
            yield from (self.shallow if simple else self.deep)(a, b)
        elif kind in _KINDS:
            yield from self.shallow(statement["source"])
        elif kind in ("CallStmt", "CallDynamicStmt"):
            yield from self.call(statement)
        else:
            for name, role in STATEMENTS[kind].items():
                if role in (Role.OPERANDS, Role.READS):
                    yield from self.deep(*statement[name])
                elif role in (Role.OPERAND, Role.READ):
                    yield from self.deep(statement[name])

    def call(self, statement: Statement) -> Iterator[Read]:
        arguments = list(statement["args"])
        if statement.kind == "CallDynamicStmt":
            yield from self.deep(*statement["path"])
        elif statement["func"] not in self.functions:
            yield from self.deep(*arguments)
            return
        if arguments[:1] != self.holds.names.params[:1]:
            yield WHOLE  # it takes something else for the input
        yield from self.deep(*arguments[1:])

"""The targets of rules, compiled: `ARGS|!ARGS:token|&REQUEST_HEADERS:Host`.

Sets of targets that say the same are one object, so that what they find is looked up once for all
rules that name them: 86 rules of CRS name the same six.
Names of members are compared without regard to case, patterns of them likewise, as in
ModSecurity 2 and 3.
"""

import functools
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final, TypeAlias

from waf.collections.members import Members
from waf.operators.contract import Test
from waf.seclang.syntax import Target
from waf.state import Found, Pair, State
from waf.variables.contract import Many, Single
from waf.variables.table import VARIABLES

Pattern: TypeAlias = Callable[[bytes], Test]
"""Compiles a pattern of names; it ignores case. Raises OperatorProblem."""
Covers: TypeAlias = Callable[[bytes], bool]
Read: TypeAlias = Callable[[State], Sequence[Found]]

_MEMBERS: Final[dict[str, Callable[[State], Members | None]]] = {
    "TX": lambda state: state.tx,
    **{
        name: (lambda state, name=name: state.collections.get(name))  # type: ignore[misc]
        for name in ("IP", "SESSION", "USER", "GLOBAL", "RESOURCE")
    },
}


_MOST_NAMES: Final = 256
"""Names of which a pattern remembers whether it selects them: 0.1 us instead of 0.5."""
_LONGEST_NAME: Final = 64
"""Bytes of such a name: a client may have made it."""


class TargetProblem(Exception):
    """A target names what there is not."""


class TargetSet:
    """What a rule looks at. Equal ones are the same object within a rule set."""

    __slots__ = ("index", "reads", "volatile")

    def __init__(self, index: int, reads: tuple[Read, ...], volatile: bool) -> None:
        """Made by `compile_targets`.

        Args:
            index: its number within the rule set.
            reads: one for each target that is no exception.
            volatile: what it finds may change between two rules of a phase.
        """
        self.index: Final = index
        self.reads: Final = reads
        self.volatile: Final = volatile

    def find(self, state: State) -> Sequence[Found]:
        """Every value, in the order of the targets."""
        if len(self.reads) == 1:
            return self.reads[0](state)
        return joined(self.parts(state))

    def parts(self, state: State) -> Sequence[Sequence[Found]]:
        """The same, target by target, without those that find nothing.

        What a target that is not volatile finds is one object, whichever set names it.
        """
        return [found for read in self.reads if (found := read(state))]


def joined(parts: Sequence[Sequence[Found]]) -> Sequence[Found]:
    """All of them in one."""
    if len(parts) < 2:
        return parts[0] if parts else ()
    return list(chain.from_iterable(parts))


class Readers:
    """Readers of single targets, each made once for a rule set and read once for a request."""

    def __init__(self, pattern: Pattern) -> None:
        """None yet.

        Args:
            pattern: compiles patterns of names.
        """
        self.pattern: Final = pattern
        self._made: dict[tuple[Target, tuple[Target, ...]], Read] = {}

    def read(self, target: Target, exceptions: tuple[Target, ...] = ()) -> Read:
        """The reader of a target that is no exception, without the members that are."""
        made = self._made.get((target, exceptions))
        if made is None:
            if exceptions:
                excepted = [covers(exception, self.pattern) for exception in exceptions]
                made = _without(self.read(target), excepted)
            else:
                made = _reader(target, self.pattern)
            if not VARIABLES[target.collection].volatile:
                made = _kept(len(self._made), made)
            self._made[target, exceptions] = made
        return made


def compile_targets(index: int, targets: Sequence[Target], readers: Readers) -> TargetSet:
    """Makes the reader of some targets.

    Raises:
        TargetProblem: a variable is unknown.
        OperatorProblem: a pattern of names cannot be used.
    """
    exceptions = [target for target in targets if target.kind == "except"]
    reads: list[Read] = []
    volatile = False
    for target in targets:
        variable = VARIABLES.get(target.collection)
        if variable is None:
            raise TargetProblem(f"there is no variable {target.collection}")
        if target.kind == "except":
            continue
        volatile = volatile or variable.volatile
        excepted = tuple(
            exception
            for exception in exceptions
            if exception.collection == target.collection and target.kind == "value"
        )
        reads.append(readers.read(target, excepted))
    return TargetSet(index, tuple(reads), volatile)


def covers(target: Target, pattern: Pattern) -> Callable[[bytes | None], bool]:
    """Whether a member is one that the target names."""
    if target.selector is None:
        return lambda _: True
    named = selects(target, pattern)
    return lambda key: key is not None and named(key)


def selects(target: Target, pattern: Pattern) -> Covers:
    """Whether the selector of a target, which has one, is that of a member."""
    selector = (target.selector or "").encode("utf-8", "surrogateescape")
    if target.pattern:
        test = pattern(selector)

        # Names are few, and asked about in each request: TX has 60 of CRS's own.
        @functools.lru_cache(maxsize=_MOST_NAMES)
        def known(key: bytes) -> bool:
            return test(key) is not None

        return lambda key: known(key) if len(key) <= _LONGEST_NAME else test(key) is not None
    lower = selector.lower()
    return lambda key: key.lower() == lower


def _reader(target: Target, pattern: Pattern) -> Read:
    variable = VARIABLES[target.collection]
    name = target.collection
    read: Read
    if isinstance(variable, Single):
        if target.selector is not None:
            raise TargetProblem(f"{name} has no members")
        single = variable.read
        if target.kind == "count":
            counted = (Found("&" + name, None, b"1"),)
            return lambda _: counted
        return lambda state: (Found(name, None, single(state)),)
    members = _MEMBERS.get(name)
    if target.selector is None:
        read = _whole(name, variable)
    elif members is not None and not target.pattern:
        key = target.selector.encode("utf-8", "surrogateescape").lower()
        read = _member(name, key, members)
    else:
        read = _some(name, variable, selects(target, pattern))
    return _count(name, target, read) if target.kind == "count" else read


def _kept(index: int, read: Read) -> Read:
    def recall(state: State) -> Sequence[Found]:
        found = state.found.get(index)
        if found is None:
            found = state.found[index] = read(state)
        return found

    return recall


def _pairs(state: State, name: str, variable: Many) -> Sequence[Pair]:
    if variable.volatile:
        return variable.read(state)
    pairs = state.cache.get(name)
    if pairs is None:
        pairs = state.cache[name] = variable.read(state)
    return pairs


def _whole(name: str, variable: Many) -> Read:
    def read(state: State) -> Sequence[Found]:
        return [Found(name, key, value) for key, value in _pairs(state, name, variable)]

    return read


def _some(name: str, variable: Many, selected: Covers) -> Read:
    def read(state: State) -> Sequence[Found]:
        return [
            Found(name, key, value) for key, value in _pairs(state, name, variable) if selected(key)
        ]

    return read


def _member(name: str, key: bytes, members: Callable[[State], Members | None]) -> Read:
    def read(state: State) -> Sequence[Found]:
        opened = members(state)
        pair = None if opened is None else opened.pair(key)
        return () if pair is None else (Found(name, pair[0], pair[1]),)

    return read


def _count(name: str, target: Target, read: Read) -> Read:
    selector = target.selector
    key = None if selector is None else selector.encode("utf-8", "surrogateescape")
    counted = "&" + name
    return lambda state: (Found(counted, key, b"%d" % len(read(state))),)


def _without(read: Read, excepted: Sequence[Callable[[bytes | None], bool]]) -> Read:
    def kept(state: State) -> Sequence[Found]:
        return [
            found
            for found in read(state)
            if not any(exception(found.key) for exception in excepted)
        ]

    return kept

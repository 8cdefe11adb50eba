"""The effective policy: all policies that match a request, merged and compiled."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

from callout.config.bundle import Bundle
from callout.config.documents import Common, Mode, Policy
from callout.config.merge import merge
from callout.config.problems import Problem, Rejected
from callout.config.section import Section
from callout.config.table import Ids
from callout.config.validate import validate
from callout.http.path import STRICT, PathRules

MAX_LATE: Final = 4_096
"""What is remembered of each kind beside what was compiled at load: clients choose which
combinations are asked for."""

_COMMON: Final = ("mode", "path")
_MODES: Final[dict[Any, Mode]] = {"off": "off", "shadow": "shadow", "enforce": "enforce"}

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memo(Generic[K, V]):
    """A table that keeps what was put in before `seal`, and a bounded number of later things."""

    def __init__(self, most: int = MAX_LATE) -> None:
        self.kept: dict[K, V] = {}
        self.late: dict[K, V] = {}
        self._most = most
        self._sealed = False

    def seal(self) -> None:
        """Loading is over."""
        self._sealed = True

    def get(self, key: K) -> V | None:
        """What was put in, unless it had to make room."""
        return self.kept.get(key) or self.late.get(key)

    def put(self, key: K, value: V) -> None:
        """Remembers; among the later things the oldest makes room."""
        if not self._sealed:
            self.kept[key] = value
            return
        if len(self.late) >= self._most:
            del self.late[next(iter(self.late))]
        self.late[key] = value


class Effective:
    """All policies that match a request, merged, and compiled by each section."""

    __slots__ = ("_blocks", "_modes", "invalid", "name", "names", "path_rules")

    def __init__(
        self,
        names: tuple[str, ...],
        blocks: Mapping[str, object],
        modes: Mapping[str, Mode],
        path_rules: PathRules = STRICT,
        invalid: tuple[Problem, ...] = (),
    ) -> None:
        self.names = names
        """From the least to the most specific."""
        self.name = names[-1]
        """The most specific policy: what metrics, logs and metadata show."""
        self.path_rules = path_rules
        self.invalid = invalid
        """Not empty: this combination of policies, each fine by itself, makes no valid policy.
        It has no blocks then, and authz must deny."""
        self._blocks = blocks
        self._modes = modes

    def block(self, key: str) -> object | None:
        """What the section compiled; None if no policy says anything about it."""
        return self._blocks.get(key)

    def mode(self, key: str) -> Mode:
        """The block's own mode, else the policy's, else `enforce`."""
        return self._modes.get(key, "enforce")


class _Block(NamedTuple):
    """One section's block of an effective policy."""

    problems: tuple[Problem, ...] = ()
    compiled: object | None = None
    """None: merged away by a `null`."""
    mode: Mode | None = None
    """Its own."""


class Compiler:
    """Makes effective policies. A block is compiled once for all that have it in common."""

    def __init__(
        self, policies: Sequence[Policy], sections: Sequence[Section], bundle: Bundle
    ) -> None:
        self._policies = policies
        self._sections = sections
        self._bundle = bundle
        self._blocks: Memo[tuple[str, Ids], _Block] = Memo()
        self._common: Memo[Ids, Common | Rejected] = Memo()
        self._modes: dict[tuple[tuple[str, Mode], ...], Mapping[str, Mode]] = {}
        """One object of each kind: there are few, and thousands of policies share them."""

    def seal(self) -> None:
        """Loading is over: from now on what is remembered is bounded."""
        self._blocks.seal()
        self._common.seal()

    def compile(self, ids: Ids) -> Effective:
        """Merges and compiles policies, each once, from the least to the most specific."""
        names = tuple(self._policies[each].name for each in ids)
        common = self._common_of(ids)
        problems = list(common.problems) if isinstance(common, Rejected) else []
        blocks: dict[str, object] = {}
        modes: dict[str, Mode] = {}
        for section in self._sections:
            block = self._block_of(section, ids)
            problems += block.problems
            if block.compiled is not None:
                blocks[section.key] = block.compiled
            if block.mode is not None:
                modes[section.key] = block.mode
            elif isinstance(common, Common):
                modes[section.key] = common.mode
        if problems or isinstance(common, Rejected):
            return Effective(names, {}, {}, STRICT, tuple(problems))
        shared = self._modes.setdefault(tuple(modes.items()), modes)
        return Effective(names, blocks, shared, common.rules())

    def pieces(self) -> Iterator[list[object]]:
        """See `PolicyIndex.pieces`."""
        for memo in (self._blocks, self._common):
            yield [*memo.kept.values(), *memo.late.values()]

    def _having(self, ids: Ids, *keys: str) -> Ids:
        documents = ((each, self._policies[each].source.value) for each in ids)
        return tuple(each for each, value in documents if any(key in value for key in keys))

    def _common_of(self, ids: Ids) -> Common | Rejected:
        ids = self._having(ids, *_COMMON)
        found = self._common.get(ids)
        if found is None:
            parts = [self._policies[each].source.only(_COMMON) for each in ids]
            found = validate(Common, merge(parts)) if parts else Common()
            self._common.put(ids, found)
        return found

    def _block_of(self, section: Section, ids: Ids) -> _Block:
        ids = self._having(ids, section.key)
        if not ids:
            return _NO_BLOCK
        found = self._blocks.get((section.key, ids))
        if found is None:
            found = self._compiled(section, ids)
            self._blocks.put((section.key, ids), found)
        return found

    def _compiled(self, section: Section, ids: Ids) -> _Block:
        parts = [self._policies[each].source.only((section.key,)) for each in ids]
        unions = {(section.key, *path) for path in section.unions}
        merged = merge(parts, unions).at(section.key)
        if merged.value is None:
            return _NO_BLOCK
        block = section.compile_block(merged, self._bundle)
        if isinstance(block, Rejected):
            return _Block(block.problems)
        own = merged.value.get("mode") if isinstance(merged.value, dict) else None
        return _Block((), block, _MODES.get(own) if isinstance(own, str) else None)


_NO_BLOCK: Final = _Block()

"""Which policy applies to a request: the choice, from what every face knows of it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from callout.config.documents import Mode, Policy
from callout.config.effective import Compiler, Effective, Memo
from callout.config.pace import breathe
from callout.config.source import Source
from callout.config.table import Ids, MatchTable
from callout.http.path import STRICT, CanonicalPath, PathRules, RefusedPath, canonical

__all__ = ["Effective", "Found", "Mode", "PolicyIndex", "UnknownPolicy"]

MAX_CHAINS_TRIED: Final = 64
"""Effective policies on which a policy without `on` is tried before it is called wrong."""


class UnknownPolicy(NamedTuple):
    """Trusted route configuration names a policy that the bundle does not have: an error."""

    name: str


class Found(NamedTuple):
    """What `PolicyIndex.find` found."""

    effective: Effective | UnknownPolicy | None
    """None: nothing matches. Of a refused path: the host's policy for `/`."""
    path: CanonicalPath | RefusedPath


class PolicyIndex:
    """Finds the effective policy by a few dictionary look-ups, however many policies there are.

    `choose` takes 0.7 to 1.4 us and `find` (with the canonical path) 1.5 to 2.3 us, with ten
    policies as with 3,000 hosts, prefixes, suffixes and expressions of as many policies.
    """

    def __init__(self, policies: Sequence[Policy], compiler: Compiler) -> None:
        """Indexes and compiles.

        Args:
            policies: in the order of the files.
            compiler: knows the same policies sorted by name.
        """
        self._policies = sorted(policies, key=lambda each: each.name)
        breathe()
        self._ids: Mapping[str, int] = {each.name: id_ for id_, each in enumerate(self._policies)}
        self._table = MatchTable(
            (entry, self._ids[each.name]) for each in policies for entry in each.entries
        )
        self._compiler = compiler
        self._effective: Memo[Ids, Effective] = Memo()
        self._kept = self._effective.kept
        breathe()
        self._rules = _widest([each.rules for each in policies])
        breathe()
        self.names: tuple[str, ...] = tuple(self._ids)
        """All policies, sorted."""
        self.sources: tuple[Source, ...] = tuple(each.source for each in self._policies)
        """The Policy documents as written, in the order of `names`."""

    def compile_all(self) -> list[Effective]:
        """Compiles the effective policy of the most ordinary request of each entry.

        A policy without `on` can only be tried: on the policies of every host, and if that gives
        no valid policy, on what there is; it is wrong if it fits nothing.

        Returns:
            All of them, the invalid ones included.
        """
        made: dict[Ids, Effective] = {}
        for policy in self._policies:
            for entry in policy.entries:
                chain = self._table.typical(entry, self._ids[policy.name])
                if chain not in made:
                    made[chain] = self._late(chain)
                breathe()
        found = list(made.values())
        base = self._table.match("", "/", "")
        for policy in self._policies:
            if policy.entries:
                continue
            tries = (base, (), *list(made)[:MAX_CHAINS_TRIED])
            results = [self._late((*tries[0], self._ids[policy.name]))]
            for chain in tries[1:]:
                if not results[-1].invalid:
                    break
                results.append(self._late((*chain, self._ids[policy.name])))
            found.append(results[0] if results[-1].invalid else results[-1])
            breathe()
        self._effective.seal()
        self._compiler.seal()
        return found

    def find(self, host: str, raw_path: str, method: str, named: str | None = None) -> Found:
        """What every face calls: canonicalises the raw `:path`, and chooses.

        Policies may widen what a path may be, but the policy is found by the path: so a path that
        is refused is read as widely as any policy allows, and the policy that this leads to must
        allow it itself, on the same path.

        Args:
            host: by `callout.http.host.canonical_host`.
            raw_path: `:path` as the client sent it, with its query.
            method: as sent.
            named: what trusted route configuration names (`context_extensions.policy`).
        """
        path = canonical(raw_path, method)
        if path.__class__ is CanonicalPath:
            return Found(self.choose(host, path.path, method, named), path)
        if self._rules != STRICT:
            wide = canonical(raw_path, method, self._rules)
            if isinstance(wide, CanonicalPath):
                effective = self.choose(host, wide.path, method, named)
                if isinstance(effective, Effective):
                    own = canonical(raw_path, method, effective.path_rules)
                    if isinstance(own, CanonicalPath) and own.path == wide.path:
                        return Found(effective, own)
        return Found(self.for_host(host, method, named), path)

    def choose(
        self, host: str, path: str, method: str, named: str | None = None
    ) -> Effective | UnknownPolicy | None:
        """Gives the effective policy.

        Methods are compared in upper case: an upstream that takes `delete` for DELETE must not
        be reached past the policy of DELETE. Paths are compared as they are.

        Args:
            host: by `callout.http.host.canonical_host`.
            path: canonical.
            method: as sent.
            named: what trusted route configuration names (`context_extensions.policy`).

        Returns:
            None when nothing matches.
        """
        if not method.isupper():
            method = method.upper()
        ids = self._table.match(host, path, method)
        if named is not None:
            last = self._ids.get(named)
            if last is None:
                return UnknownPolicy(named)
            ids += (last,)
        elif not ids:
            return None
        return self._kept.get(ids) or self._late(ids)

    def names_paths(self, host: str) -> bool:
        """Whether some entry for this host tells paths apart.

        If none does, any path leads to the same policy, however it is read.
        """
        return self._table.names_paths(host)

    def for_host(
        self, host: str, method: str = "", named: str | None = None
    ) -> Effective | UnknownPolicy | None:
        """The host's policy for `/`: what a refused path is counted under."""
        return self.choose(host, "/", method, named)

    @property
    def effective(self) -> tuple[Effective, ...]:
        """What was compiled at load: the policies of the most ordinary requests."""
        return tuple(self._kept.values())

    def pieces(self) -> Iterator[list[object]]:
        """Everything large in it, in a few lists: whoever holds them decides when it is freed."""
        yield list(self._policies)
        yield list(self.sources)
        yield list(self._effective.kept.values())
        yield list(self._effective.late.values())
        yield from self._compiler.pieces()
        yield from self._table.pieces()

    def _late(self, ids: Ids) -> Effective:
        found = self._effective.get(ids)
        if found is None:
            # A policy that matches by several entries counts where it is most specific.
            once = tuple(reversed(dict.fromkeys(reversed(ids))))
            found = self._effective.get(once)
            if found is None:
                found = self._compiler.compile(once)
                self._effective.put(once, found)
            if once != ids:
                self._effective.put(ids, found)
        return found


def _widest(rules: Sequence[PathRules]) -> PathRules:
    """What any of them allows."""
    resolve: Literal["refuse", "resolve"] = (
        "resolve" if any(each.dot_segments == "resolve" for each in rules) else "refuse"
    )
    return PathRules(resolve, frozenset().union(*(each.allow for each in rules)))

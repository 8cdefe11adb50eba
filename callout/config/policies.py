"""Which policy applies to a request: the choice, and the effective policy that it gives.

The signatures below are the contract; the bodies follow.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from callout.config.problems import Problem
from callout.config.source import Source
from callout.http.path import CanonicalPath, PathRules, RefusedPath

Mode: TypeAlias = Literal["off", "shadow", "enforce"]


class UnknownPolicy(NamedTuple):
    """Trusted route configuration names a policy that the bundle does not have: an error."""

    name: str


class Effective:
    """All policies that match a request, merged, and compiled by each section."""

    __slots__ = ("_blocks", "_modes", "invalid", "name", "names", "path_rules")

    def __init__(
        self,
        names: tuple[str, ...],
        blocks: Mapping[str, object],
        modes: Mapping[str, Mode],
        path_rules: PathRules,
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


class Found(NamedTuple):
    """What `PolicyIndex.find` found."""

    effective: "Effective | None | UnknownPolicy"
    """Of a refused path: the host's policy for `/`."""
    path: CanonicalPath | RefusedPath


class PolicyIndex:
    """Finds the effective policy by a few dictionary look-ups, however many policies there are."""

    names: tuple[str, ...]
    """All policies, sorted."""
    sources: tuple[Source, ...]
    """The Policy documents as written, in the order of `names`."""

    def find(self, host: str, raw_path: str, method: str, named: str | None = None) -> Found:
        """Canonicalises the raw `:path` by the rules of the policy that it leads to, and chooses.

        What every face calls; `host` is canonical already.
        """
        raise NotImplementedError

    def choose(
        self, host: str, path: str, method: str, named: str | None = None
    ) -> Effective | None | UnknownPolicy:
        """Gives the effective policy.

        Args:
            host: by `callout.http.host.canonical_host`.
            path: canonical.
            method: as sent; compared in upper case.
            named: what trusted route configuration names (`context_extensions.policy`).

        Returns:
            None when nothing matches.
        """
        raise NotImplementedError

    def for_host(self, host: str, named: str | None = None) -> Effective | None | UnknownPolicy:
        """The host's policy for `/`, whatever the method: what a refused path is counted under."""
        raise NotImplementedError

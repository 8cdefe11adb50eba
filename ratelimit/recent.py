"""A bounded table that forgets what has not been used for long."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Two generations: when the young one is full it becomes the old one, and the old one goes.

    What is used survives, as in an LRU, but a hit costs one dictionary look-up (60 ns; moving
    the entry to the end on each hit makes that 150).
    """

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, size: int) -> None:
        """Hold at most `size` entries, at least the last half of that."""
        self._half = max(size // 2, 1)
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """What was put there, if it is still known."""
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Remember; may forget others."""
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = value
        self._old.pop(key, None)

    def forget(self, key: K) -> None:
        """As if it had never been put."""
        self._young.pop(key, None)
        self._old.pop(key, None)

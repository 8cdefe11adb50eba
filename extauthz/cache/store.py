"""What is remembered, in a bounded number of bytes: two generations.

What is used survives, what is not is gone after at most two fillings. Cheaper than an exact LRU:
a hit in the young generation moves nothing.
"""

from collections.abc import Iterable, Mapping
from sys import getsizeof
from typing import Any, Final, Generic, TypeVar

_T = TypeVar("_T")

OVERHEAD: Final = 400
"""Bytes of an entry beside its values: its places in two tables, its tuples, its object."""


LARGEST: Final = 64 * 1024
"""Bytes of one entry: what is larger is rare, and would push out hundreds."""


class Store(Generic[_T]):
    """A bounded table."""

    __slots__ = ("_largest", "_most", "_old", "_old_size", "_young", "size")

    def __init__(self, most: int) -> None:
        """`most`: bytes of all together, as `weight` estimates them."""
        self._most = max(1, most // 2)  # of one generation
        self._largest = min(LARGEST, self._most)
        self._young: dict[Any, tuple[_T, int]] = {}
        self._old: dict[Any, tuple[_T, int]] = {}
        self._old_size = 0
        self.size = 0
        """Bytes of the young generation."""

    @property
    def bytes(self) -> int:
        """An estimate of all that is held."""
        return self.size + self._old_size

    def get(self, key: Any) -> _T | None:
        """What is there; it is used now."""
        found = self._young.get(key)
        if found is None:
            found = self._old.pop(key, None)
            if found is None:
                return None
            self._old_size -= found[1]
            self._add(key, found)
        return found[0]

    def put(self, key: Any, value: _T, size: int) -> bool:
        """Remember; False: it is too large for that.

        Args:
            key: hashable.
            value: what it stands for.
            size: bytes of both, without the overhead.
        """
        size += OVERHEAD
        if size > self._largest:
            return False
        self._add(key, (value, size))
        return True

    def drop(self, key: Any) -> None:
        """Forget what `get` just gave."""
        found = self._young.pop(key, None)
        if found is not None:
            self.size -= found[1]

    def clear(self) -> None:
        """Forget everything."""
        self._young, self._old, self.size, self._old_size = {}, {}, 0, 0

    def _add(self, key: Any, found: tuple[_T, int]) -> None:
        if self.size + found[1] > self._most:
            self._old, self._old_size = self._young, self.size
            self._young, self.size = {}, 0
        before = self._young.get(key)
        self._young[key] = found
        self.size += found[1] - (before[1] if before is not None else 0)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)


def weight_of(values: Iterable[Any]) -> int:
    """The weight of all of them together; most are texts."""
    return sum([getsizeof(one) if type(one) is str else weight(one) for one in values])


def weight(value: Any) -> int:
    """About how many bytes a value takes, with what is in it."""
    size = 0
    pending = [value]
    while pending:
        one = pending.pop()
        kind = type(one)
        if kind is str:
            size += getsizeof(one)
        elif one is None or kind is bool:
            continue
        elif isinstance(one, tuple | list | frozenset):
            size += _SLOTS + 16 * len(one)
            pending.extend(one)
        elif isinstance(one, Mapping):
            size += _SLOTS + 100 * len(one)
            pending.extend(one)
            pending.extend(one.values())
        else:
            size += getsizeof(one)
    return size


_SLOTS: Final = 64

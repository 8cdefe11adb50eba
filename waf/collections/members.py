"""The members of a collection that rules write: names without regard to case."""

from collections.abc import Iterator, Mapping
from typing import Final

from waf.collections.contract import Change

_MOST_MEMBERS: Final = 10_000
"""Names may be made of what a client sends (`tx.paramcounter_%{MATCHED_VAR_NAME}`)."""


class Members:
    """Names as they were first written, values as bytes."""

    __slots__ = ("_added", "_changed", "_expiries", "_members")

    def __init__(self, members: Mapping[bytes, bytes] | None = None) -> None:
        """Holds `members`, by name."""
        self._members: dict[bytes, tuple[bytes, bytes]] = {}
        if members:
            for name, value in members.items():
                self._members[name.lower()] = (name, value)
        # What was done since, by name in lower case.
        self._changed: set[bytes] = set()
        self._added: dict[bytes, int] = {}
        self._expiries: dict[bytes, float] = {}

    def get(self, name: bytes) -> bytes | None:
        """The value; None: there is none."""
        pair = self._members.get(name.lower())
        return None if pair is None else pair[1]

    def pair(self, lower: bytes) -> tuple[bytes, bytes] | None:
        """Name and value of a member, by its name in lower case."""
        return self._members.get(lower)

    def put(self, name: bytes, value: bytes) -> None:
        """Write a member."""
        lower = name.lower()
        if self._put(lower, name, value):
            self._changed.add(lower)
            self._added.pop(lower, None)

    def add(self, name: bytes, amount: int) -> None:
        """Add to a number; what is none counts as 0."""
        lower = name.lower()
        old = self._members.get(lower)
        total = (number(old[1]) if old is not None else 0) + amount
        if self._put(lower, name, b"%d" % total) and lower not in self._changed:
            self._added[lower] = self._added.get(lower, 0) + amount

    def remove(self, name: bytes) -> None:
        """Delete a member if there is one."""
        lower = name.lower()
        if self._members.pop(lower, None) is not None:
            self._changed.add(lower)
            self._added.pop(lower, None)
            self._expiries.pop(lower, None)

    def expire(self, name: bytes, at: float) -> None:
        """Let a member be gone at a time, in seconds since 1970."""
        lower = name.lower()
        if lower in self._members:
            self._expiries[lower] = at

    def changes(self) -> tuple[Change, ...]:
        """What was done to the members, for a store."""
        found: list[Change] = []
        for lower in sorted(self._changed | self._added.keys() | self._expiries.keys()):
            pair = self._members.get(lower)
            name = lower if pair is None else pair[0]
            value = None if pair is None or lower not in self._changed else pair[1]
            added = self._added.get(lower)
            if pair is not None and value is None and added is None:
                added = 0
            found.append(Change(name, value, added, self._expiries.get(lower)))
        return tuple(found)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(self._members.values())

    def __len__(self) -> int:
        return len(self._members)

    def _put(self, lower: bytes, name: bytes, value: bytes) -> bool:
        old = self._members.get(lower)
        if old is not None:
            self._members[lower] = (old[0], value)
        elif len(self._members) < _MOST_MEMBERS:
            self._members[lower] = (name, value)
        else:
            return False
        return True


def number(value: bytes) -> int:
    """The whole number that a value begins with, as C's atoi reads it; 0: it begins with none.

    Digits after the eighteenth are not read: no counter has as many, and reading them takes time
    that grows with the square of their count.
    """
    if len(value) <= 18 and value.isdigit():  # nearly all; 0.1 us instead of 0.9
        return int(value)
    text = value[:64].strip()
    sign = -1 if text[:1] == b"-" else 1
    if text[:1] in (b"-", b"+"):
        text = text[1:]
    digits = 0
    while digits < min(len(text), 18) and 48 <= text[digits] <= 57:
        digits += 1
    return sign * int(text[:digits]) if digits else 0

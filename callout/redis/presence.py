"""Who else is there, told from heartbeats. Knows no socket and no clock.

Each replica adds 1 to its own number and reads those of all, once a round. A number that changed
since the last round is a sign of life. No clock is compared with another one, and while nothing is
heard no round passes: what was last known stays true as long as Redis is away.
"""

from collections.abc import Mapping
from typing import NamedTuple

ROUNDS = 5
"""Without a sign of life until somebody counts as gone, and from the first own heartbeat until all
others must have seen it. More than 1, because rounds of two replicas drift past each other and a
busy machine delays one or two."""


class Place(NamedTuple):
    """One among all that are there."""

    rank: int
    """From 0; each has another one."""
    of: int
    """How many there are, at least 1."""


class Presence:
    """What one replica has heard of all."""

    def __init__(self, me: bytes) -> None:
        """Nobody else has the name `me`."""
        self.me = me
        self._last: dict[bytes, bytes] = {}
        self._silent: dict[bytes, int] = {}
        self._rounds = 0
        self.place: Place | None = None
        """None: not long enough here for all others to know it."""

    def heard(self, beats: Mapping[bytes, bytes]) -> list[bytes]:
        """One round: the numbers of all, the own one too.

        Who is missing is silent, no more: all numbers are gone when Redis was restarted empty, and
        the others come again with their next heartbeats.

        Returns:
            Those that are gone, whose numbers should be removed.
        """
        for name, number in beats.items():
            changed = self._last.get(name) != number
            self._silent[name] = 0 if changed else self._silent[name] + 1
        self._last.update(beats)
        for name in self._last.keys() - beats.keys():
            self._silent[name] += 1
        gone = [
            name for name, rounds in self._silent.items() if rounds >= ROUNDS and name != self.me
        ]
        for name in gone:
            del self._silent[name], self._last[name]
        self._rounds += 1
        if self._rounds >= ROUNDS:
            names = sorted(self._silent.keys() | {self.me})
            self.place = Place(names.index(self.me), len(names))
        return gone

"""How many questions a neighbour is asked at a time: as many as it answers in time.

Pure: time is an argument. More than that would only wait there, and by the time it was their turn
nobody would want the answers. Additive increase, multiplicative decrease, as TCP does: nothing is
known of the neighbour but how long its answers took.
"""

from typing import Final

MOST: Final = 1000
"""To begin with, and ever: a burst of so many waits for its turn."""
LEAST: Final = 4
"""Always: whoever asks nobody never learns that it is back."""
LESS: Final = 0.8
"""What remains of the bound when one was in vain, once in the time that it had. Not when answers
are nearly late: some servers always take most of what the caller has."""


class InFlight:
    """The questions to one neighbour."""

    __slots__ = ("_asked", "_limit", "_shrunk")

    def __init__(self) -> None:
        self._asked = 0
        self._limit = float(MOST)
        self._shrunk = 0.0

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return self._asked >= self._limit

    def asked(self) -> None:
        """One more is asked."""
        self._asked += 1

    def answered(self, began: float, until: float, now: float) -> None:
        """One was answered, or never will be.

        Args:
            began: when it was asked.
            until: when an answer was worth nothing any more.
            now: the same clock.
        """
        asked, self._asked = self._asked, self._asked - 1
        if now >= until:
            # Those that were asked before the bound shrank say nothing about it.
            if began >= self._shrunk:
                self._shrunk = now
                self._limit = max(float(LEAST), min(self._limit, asked) * LESS)
        elif asked > self._limit / 2:
            self._limit = min(float(MOST), self._limit + 1 / self._limit)

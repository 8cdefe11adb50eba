"""How many questions a neighbour is asked at a time: as many as it answers in time.

Pure: time is an argument. More than that would only wait there, and by the time it was their turn
nobody would want the answers. By Little's law what was in flight, by the time that it took, is what
the neighbour can do; so when an answer took too long, the bound is at once what would have taken
the time that it may. It grows by one in the time of an answer, as TCP's does.

Too long is a third of what the caller had: the rest is for a burst, for our own work and for the
way. A neighbour that takes longer than that for a single question is not asked less for it: fewer
questions would not make it faster. Nor is it when a few took long, far below the bound: it paused,
and the next burst must not be refused for that. Nor is it for some questions that are hard among
others that are not: who waits in a line waits with all the others (CoDel, ACM Queue 10/5, 2012).
"""

from typing import Final

MOST: Final = 1000
"""To begin with, and ever: a burst of so many waits for its turn."""
LEAST: Final = 4
"""Always: whoever asks nobody never learns that it is back. So few do not wait for each other, and
the time of an answer is the neighbour's own."""
PART: Final = 1 / 3
"""Of the time that a caller has, what an answer may take."""
OWN: Final = 2.0
"""Times what the neighbour takes for a single question, that an answer may take in any case."""
IN_A_ROW: Final = 16
"""Answers that took too long, or as many as are in flight, until that is a line."""
LESS: Final = 0.5
"""What remains of the bound at least."""
VAIN: Final = 0.8
"""What remains at most when one came too late for its caller."""


class InFlight:
    """The questions to one neighbour."""

    __slots__ = ("_asked", "_limit", "_own", "_shrunk", "_slow")

    def __init__(self) -> None:
        self._asked = 0
        self._limit = float(MOST)
        self._own = float("inf")  # seconds that it takes for a single question: the least seen
        self._shrunk = 0.0
        self._slow = 0  # answers in a row that took too long

    @property
    def now(self) -> int:
        """How many there are."""
        return self._asked

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return self._asked >= self._limit

    def asked(self) -> int:
        """One more is asked; gives how many there are with it, which `answered` wants back."""
        self._asked += 1
        return self._asked

    def answered(self, among: int, began: float, until: float, now: float) -> None:
        """One was answered, or never will be.

        Args:
            among: what `asked` gave for it.
            began: when it was asked.
            until: when an answer was worth nothing any more.
            now: the same clock.
        """
        self._asked -= 1
        took, budget = now - began, until - began
        # What was seen before may not be true any more: so few say what is.
        self._own = took if among <= LEAST else min(self._own, took)
        may_take = max(PART * budget, OWN * self._own)
        if now < until and (took <= may_take or among <= self._limit / 2):
            self._slow = 0
            if self._asked + 1 > self._limit / 2:
                self._limit = min(float(MOST), self._limit + 1 / self._limit)
            return
        if began < self._shrunk:
            return  # it was asked before the bound shrank, and says nothing about it
        self._slow += 1
        if self._slow >= min(self._asked + 1, IN_A_ROW):
            self._slow, self._shrunk = 0, now
            part = max(LESS, may_take / took)
            if now >= until:
                part = min(part, VAIN)
            self._limit = max(float(LEAST), min(self._limit, among) * part)

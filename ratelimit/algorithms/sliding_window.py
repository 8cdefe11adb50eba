"""Sliding window counter: this window's hits, and the last one's by the share still in sight.

Assumes that the last window's hits came evenly. Bound: at most L in each aligned window, and at
most L + L d / W in any interval of length d up to W, so below 2 L; the burst at a boundary, which
a fixed window lets pass in an instant, takes a whole window here. Real traffic, which does come
evenly, is admitted within a few percent of L. Under steady demand it admits ceil(L / W) less than
L in a window, for shares are rounded up. Three numbers a counter.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from ratelimit.algorithms.contract import Algorithm, State


@dataclass(frozen=True, slots=True, eq=False)
class SlidingWindow(Algorithm):
    """State: the window's start, its hits, the hits of the window before it."""

    kind: ClassVar[str] = "sliding"

    capacity: int
    window: int

    span: int = field(init=False)
    shape: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "span", 2 * self.window)
        object.__setattr__(self, "shape", f"sliding/{self.window}")

    def roll(self, state: State, now: int) -> State:
        """The window of now, and the one before."""
        start = now - now % self.window
        if not state:
            return start, 0, 0
        if state[0] == start:
            return state
        return start, 0, state[1] if state[0] + self.window == start else 0

    def free(self, state: State, now: int) -> int:
        """By the share of the last window that is in sight, rounded up."""
        start, current, last = state
        seen = -(-last * (start + self.window - now) // self.window)
        return self.capacity - current - seen

    def add(self, state: State, now: int, hits: int) -> State:  # noqa: ARG002
        """To this window."""
        return state[0], state[1] + hits, state[2]

    def take_back(self, state: State, now: int, hits: int) -> State:  # noqa: ARG002
        """From this window, and what is left from the last."""
        start, current, last = state
        return start, max(current - hits, 0), max(last - max(hits - current, 0), 0)

    def wait(self, state: State, now: int, hits: int) -> int:
        """Until enough of the last window is out of sight; perhaps of this one, in the next."""
        start, current, last = state
        if hits <= self.free(state, now):
            return 0
        room = self.capacity - current - hits
        if room < 0:
            start, room, last = start + self.window, self.capacity - hits, current
        return start + self.window - room * self.window // last - now

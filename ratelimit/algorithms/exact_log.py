"""Exact log: when each hit was, remembered for a window.

Bound: at most L in any interval of length W, and never less than it allows. The price is memory:
up to two numbers for each hit, so the limit may be no more than 1,000; above it, sub-buckets.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from ratelimit.algorithms.contract import Algorithm, State

MOST_LOGGED = 1000
"""The largest limit: with hits that are all apart a counter is 2,000 numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class ExactLog(Algorithm):
    """State: the newest hits' time, their number, then those before them; newest first."""

    kind: ClassVar[str] = "log"
    grows: ClassVar[bool] = True

    capacity: int
    window: int

    span: int = field(init=False)
    shape: str = field(init=False)

    def __post_init__(self) -> None:
        if self.capacity > MOST_LOGGED:
            raise ValueError(f"a log of more than {MOST_LOGGED} hits")
        object.__setattr__(self, "span", self.window)
        object.__setattr__(self, "shape", f"log/{self.window}")

    def roll(self, state: State, now: int) -> State:
        """Without the hits that are a window old."""
        first = now - self.window
        kept = len(state)
        while kept and state[kept - 2] <= first:
            kept -= 2
        return state[:kept] or (now, 0)

    def free(self, state: State, now: int) -> int:  # noqa: ARG002
        """All that are remembered counted."""
        return self.capacity - sum(state[1::2])

    def add(self, state: State, now: int, hits: int) -> State:
        """With those of the same millisecond, or before all others."""
        if state[0] == now:
            return (now, state[1] + hits, *state[2:])
        if not state[1]:
            return now, hits
        return (now, hits, *state)

    def take_back(self, state: State, now: int, hits: int) -> State:
        """The newest first."""
        place = 0
        while place < len(state) and state[place + 1] <= hits:
            hits -= state[place + 1]
            place += 2
        if place == len(state):
            return now, 0
        return (state[place], state[place + 1] - hits, *state[place + 2 :])

    def wait(self, state: State, now: int, hits: int) -> int:
        """Until the oldest that are enough are a window old."""
        missing = hits - self.free(state, now)
        if missing <= 0:
            return 0
        place = len(state)
        while missing > 0:
            place -= 2
            missing -= state[place + 1]
        return state[place] + self.window - now

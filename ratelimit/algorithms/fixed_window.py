"""Fixed window: hits are counted in windows that are aligned to the epoch.

Bound: at most L in each window, and at most 2 L in any interval of its length (all at the end of
one, and again at the start of the next). One number a counter; what is counted by plain INCRBY.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from ratelimit.algorithms.contract import Algorithm, State


@dataclass(frozen=True, slots=True, eq=False)
class FixedWindow(Algorithm):
    """State: the window's start, and its hits."""

    kind: ClassVar[str] = "fixed"

    capacity: int
    window: int

    span: int = field(init=False)
    shape: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "span", self.window)
        object.__setattr__(self, "shape", f"fixed/{self.window}")

    def roll(self, state: State, now: int) -> State:
        """The window of now."""
        start = now - now % self.window
        return state if state and state[0] == start else (start, 0)

    def free(self, state: State, now: int) -> int:  # noqa: ARG002
        """Of this window."""
        return self.capacity - state[1]

    def add(self, state: State, now: int, hits: int) -> State:  # noqa: ARG002
        """To this window."""
        return state[0], state[1] + hits

    def take_back(self, state: State, now: int, hits: int) -> State:  # noqa: ARG002
        """From this window only: hits of an earlier one are no longer counted."""
        return state[0], max(state[1] - hits, 0)

    def wait(self, state: State, now: int, hits: int) -> int:
        """The window's rest."""
        return 0 if hits <= self.capacity - state[1] else state[0] + self.window - now

    def reset(self, state: State, now: int) -> int:
        """The window's rest, used or not, as envoyproxy/ratelimit says."""
        return state[0] + self.window - now

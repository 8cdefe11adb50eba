"""One fixed window, which is in the counter's name: the plain number that `Store.add` counts too.

Bound: at most L in each window that is aligned to the epoch, and at most 2 L in any interval of its
length: all at the end of one, and again at the start of the next. A limit that is alone in its
request is counted by plain INCRBY, and beside others all or nothing; it is the same counter, so
that both see what the other counted.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from ratelimit.algorithms.contract import Algorithm, State


@dataclass(frozen=True, slots=True, eq=False)
class NamedWindow(Algorithm):
    """State: 0, for it says nothing of a time, and the hits.

    A store keeps the second, where `Store.add` would count a `Hit` of the same key.
    """

    kind: ClassVar[str] = "window"

    capacity: int
    window: int

    span: int = field(init=False)
    shape: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "span", self.window)
        object.__setattr__(self, "shape", f"window/{self.window}")

    def roll(self, state: State, now: int) -> State:  # noqa: ARG002
        """Nothing is ever over: the next window has another name."""
        return state or (0, 0)

    def free(self, state: State, now: int) -> int:  # noqa: ARG002
        """Of this window. Plain INCRBY counts what it refuses, so it may be far below 0."""
        return self.capacity - state[1]

    def add(self, state: State, now: int, hits: int) -> State:  # noqa: ARG002
        """To this window."""
        return 0, state[1] + hits

    def take_back(self, state: State, now: int, hits: int) -> State:  # noqa: ARG002
        """From this window."""
        return 0, max(state[1] - hits, 0)

    def wait(self, state: State, now: int, hits: int) -> int:
        """The window's rest."""
        return 0 if hits <= self.capacity - state[1] else self.window - now % self.window

    def reset(self, state: State, now: int) -> int:  # noqa: ARG002
        """The window's rest, used or not, as envoyproxy/ratelimit says."""
        return self.window - now % self.window

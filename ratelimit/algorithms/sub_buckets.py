"""Sub-bucket window: a window in k parts, all that it touches counted whole.

Bound: at most L in any interval of length W. The price is paid in hits refused: they are forgotten
only when their whole part is out of sight, up to W / k late, so steady demand is admitted
L k / (k + 1) in a window at least. k + 2 numbers a counter.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from ratelimit.algorithms.contract import Algorithm, State

PARTS = 10
"""Of a window, where nothing else is said: refused is at most one hit in eleven."""
MOST_PARTS = 60
"""Each is a number in each counter."""


@dataclass(frozen=True, slots=True, eq=False)
class SubBuckets(Algorithm):
    """State: the start of the newest part, its hits, then those of the k parts before it."""

    kind: ClassVar[str] = "buckets"

    capacity: int
    window: int
    parts: int = PARTS
    length: int = field(init=False)
    """Of a part, in milliseconds, rounded up: k parts are never less than the window."""

    span: int = field(init=False)
    shape: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", -(-self.window // self.parts))
        object.__setattr__(self, "span", self.length * (self.parts + 1))
        object.__setattr__(self, "shape", f"buckets/{self.window}/{self.parts}")

    def roll(self, state: State, now: int) -> State:
        """The parts up to that of now."""
        start = now - now % self.length
        if not state:
            return (start, *(0,) * (self.parts + 1))
        passed = min((start - state[0]) // self.length, self.parts + 1)
        if not passed:
            return state
        return (start, *(0,) * passed, *state[1 : self.parts + 2 - passed])

    def free(self, state: State, now: int) -> int:  # noqa: ARG002
        """All parts counted."""
        return self.capacity - sum(state) + state[0]

    def add(self, state: State, now: int, hits: int) -> State:  # noqa: ARG002
        """To the newest part."""
        return (state[0], state[1] + hits, *state[2:])

    def take_back(self, state: State, now: int, hits: int) -> State:  # noqa: ARG002
        """From the newest part, then from the older ones."""
        left = []
        for count in state[1:]:
            taken = min(count, hits)
            hits -= taken
            left.append(count - taken)
        return (state[0], *left)

    def wait(self, state: State, now: int, hits: int) -> int:
        """Until the oldest parts that hold enough are out of sight."""
        missing = hits - self.free(state, now)
        if missing <= 0:
            return 0
        age = self.parts
        while (missing := missing - state[age + 1]) > 0:
            age -= 1
        return state[0] + (self.parts + 1 - age) * self.length - now

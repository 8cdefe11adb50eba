"""Token bucket: a hit takes a token, tokens come back evenly, no more than `burst` are kept.

The same decisions as GCRA (ITU-T I.371), which keeps the time when the bucket would be full;
kept as tokens and a fraction of one it is exact for every rate, where GCRA's interval between two
hits (W / L) would have to be rounded. Bound: at most burst + L d / W in any interval of length d.
Three numbers a counter. What is settled above it is owed, but no more than comes back in a
window: then nobody waits for longer than that until the bucket is no longer in debt.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from ratelimit.algorithms.contract import LONGEST_WINDOW, Algorithm, State


@dataclass(frozen=True, slots=True, eq=False)
class TokenBucket(Algorithm):
    """State: a time, the tokens at that time, and the fraction of the next, in 1 / `window`.

    Tokens below 0 are owed.
    """

    kind: ClassVar[str] = "bucket"

    capacity: int
    """The burst."""
    window: int
    refill: int
    """Tokens that come back in each window."""

    span: int = field(init=False)
    shape: str = field(init=False)

    def __post_init__(self) -> None:
        if not self.refill and self.capacity:
            raise ValueError("a bucket that is never filled again")
        span = -(-self.capacity * self.window // self.refill) if self.refill else self.window
        if span > LONGEST_WINDOW:
            raise ValueError("a bucket that takes longer than 366 days to fill")
        object.__setattr__(self, "span", span + self.window)  # that of the debt
        object.__setattr__(self, "shape", f"bucket/{self.window}")

    @property
    def debt(self) -> int:
        """What comes back in a window."""
        return self.refill

    def roll(self, state: State, now: int) -> State:
        """With what came back until now."""
        if not state or now - state[0] >= self.span:  # a debt of a higher rate may be older
            return now, self.capacity, 0
        at, tokens, fraction = state
        came, fraction = divmod((now - at) * self.refill + fraction, self.window)
        tokens += came
        return (now, tokens, fraction) if tokens < self.capacity else (now, self.capacity, 0)

    def free(self, state: State, now: int) -> int:  # noqa: ARG002
        """The whole tokens."""
        return state[1]

    def add(self, state: State, now: int, hits: int) -> State:  # noqa: ARG002
        """Takes tokens."""
        return state[0], state[1] - hits, state[2]

    def take_back(self, state: State, now: int, hits: int) -> State:  # noqa: ARG002
        """Puts tokens back, no more than the bucket holds."""
        at, tokens, fraction = state
        tokens += hits
        return (at, tokens, fraction) if tokens < self.capacity else (at, self.capacity, 0)

    def wait(self, state: State, now: int, hits: int) -> int:  # noqa: ARG002
        """Until the missing tokens have come back."""
        _, tokens, fraction = state
        if hits <= tokens:
            return 0
        return -(-((hits - tokens) * self.window - fraction) // self.refill)

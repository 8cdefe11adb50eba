"""The contract of an algorithm: what it keeps of a counter, and what it says of hits.

The unit of time is a whole millisecond since the epoch. Every number that an algorithm keeps or
meets is whole and below 2^53, where a script in Redis (whose numbers are doubles) is exact too:
hits and counters saturate at 2^32, and no window is longer than 366 days (below 2^35 ms).
Products of two such numbers are not below 2^53; a script divides them in two steps of 16 bits.

`charge`, `check`, `refund` and `settle` (count what was used, whether it fits or not) are made of
what each algorithm brings: `roll`, `free`, `add`, `take_back`, `wait`. Room is left for `release`
(give back what is held): a further function over the same parts.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, TypeAlias

State: TypeAlias = tuple[int, ...]
"""What is kept of one counter. The first number is a time: the state says nothing of an earlier
one. Empty: nothing is counted, which is also what a store says of a key that it does not hold."""

NEW: State = ()

SATURATED = 2**32
"""Where hits and counters stop: one more than any limit allows."""
LONGEST_WINDOW = 366 * 86_400_000
"""Milliseconds. Keeps products within what a script can divide."""


class Verdict(NamedTuple):
    """What is said of hits against one limit."""

    allowed: bool
    remaining: int
    """Hits that would fit now, after this answer's own; never negative."""
    reset: int
    """Milliseconds until nothing would be counted any more, if nobody came meanwhile; of a fixed
    window: until it ends."""
    retry_after: int | None
    """Milliseconds until the same hits would fit, if nobody came meanwhile. 0: they fit.
    None: never, they are more than the limit."""


class Algorithm(ABC):
    """A limit, ready to be counted by. Immutable, and made once, at load."""

    __slots__ = ()

    kind: ClassVar[str]
    """Names the algorithm."""
    grows: ClassVar[bool] = False
    """Whether a state has more numbers the more hits there were; the others have always as many,
    for a shape."""
    capacity: int
    """The most hits that ever fit at once; 0: none ever."""
    window: int
    """Milliseconds. No state is believed that is from further in the future than this."""

    span: int
    """Milliseconds after a state's time (its first number) when it says nothing more."""
    shape: str
    """What a state can be read by, and part of the counter's name: `sliding/60000`.

    Not the limit itself: who raises it in the middle of a window frees those who wait.
    """

    @property
    def debt(self) -> int:
        """The most hits above `capacity` that `settle` leaves counted."""
        return SATURATED - self.capacity

    @abstractmethod
    def roll(self, state: State, now: int) -> State:
        """The state without what is over. Never empty."""

    @abstractmethod
    def free(self, state: State, now: int) -> int:
        """Hits that fit. Negative when the limit was lowered meanwhile. `state` was rolled."""

    @abstractmethod
    def add(self, state: State, now: int, hits: int) -> State:
        """The state with so many hits more, at least 1. `state` was rolled."""

    @abstractmethod
    def take_back(self, state: State, now: int, hits: int) -> State:
        """The state with so many hits less, newest first, never below none. It was rolled."""

    @abstractmethod
    def wait(self, state: State, now: int, hits: int) -> int:
        """Milliseconds until so many hits (1 to `capacity`) fit; 0: now. `state` was rolled."""

    def reset(self, state: State, now: int) -> int:
        """See `Verdict.reset`. `state` was rolled."""
        return self.wait(state, now, self.capacity) if self.capacity else 0


def check(
    algorithm: Algorithm, state: State, now: int, hits: int = 0, *, strict: bool = False
) -> Verdict:
    """What `charge` would say. Nothing changes.

    Args:
        algorithm: the limit.
        state: what the store holds.
        now: milliseconds since the epoch.
        hits: 0 or more. 0 fits when exactly all is used, as in envoyproxy/ratelimit.
        strict: 0 hits only fit where 1 would.
    """
    state, now = _steady(algorithm, state, now)
    return _verdict(algorithm, state, now, max(hits, 1) if strict else hits)


def charge(
    algorithm: Algorithm, state: State, now: int, hits: int, *, strict: bool = False
) -> tuple[State, Verdict]:
    """Count the hits if all of them fit; otherwise nothing changes.

    Args:
        algorithm: the limit.
        state: what the store holds.
        now: milliseconds since the epoch.
        hits: 0 or more; 0 only looks, as `check`.
        strict: see `check`.

    Returns:
        The state to keep (the same object when nothing changed) and what is said.
    """
    rolled, moment = _steady(algorithm, state, now)
    if hits <= 0:
        return state, _verdict(algorithm, rolled, moment, 1 if strict else 0)
    hits = min(hits, SATURATED)
    if hits > algorithm.free(rolled, moment):
        return state, _verdict(algorithm, rolled, moment, hits)
    state = algorithm.add(rolled, moment, hits)
    remaining = algorithm.free(state, moment)
    return state, Verdict(True, max(remaining, 0), algorithm.reset(state, moment), 0)


def settle(algorithm: Algorithm, state: State, now: int, hits: int) -> tuple[State, Verdict]:
    """Count hits that were made already (0 or more), whether they fit or not. Always allowed.

    What does not fit is counted as far as `Algorithm.debt` goes, and those who come after it wait.
    """
    rolled, moment = _steady(algorithm, state, now)
    hits = min(hits, SATURATED, algorithm.free(rolled, moment) + algorithm.debt)
    if hits > 0:
        state = rolled = algorithm.add(rolled, moment, hits)
    remaining = max(algorithm.free(rolled, moment), 0)
    return state, Verdict(True, remaining, algorithm.reset(rolled, moment), 0)


def refund(algorithm: Algorithm, state: State, now: int, hits: int) -> tuple[State, Verdict]:
    """Give back so many hits (1 or more), but no more than are counted. Always allowed."""
    rolled, moment = _steady(algorithm, state, now)
    if state:
        state = rolled = algorithm.take_back(rolled, moment, min(hits, SATURATED))
    remaining = max(algorithm.free(rolled, moment), 0)
    return state, Verdict(True, remaining, algorithm.reset(rolled, moment), 0)


def _steady(algorithm: Algorithm, state: State, now: int) -> tuple[State, int]:
    """The state as of now, and the now to go on with.

    Clocks step back, and those of two machines differ: a state from a little later is taken to be
    of now. One from more than a window later was written by a clock that was wrong; to believe it
    would refuse for as long as that clock was ahead.
    """
    if state and state[0] > now:
        if state[0] - now <= algorithm.window:
            now = state[0]
        else:
            state = NEW
    return algorithm.roll(state, now), now


def _verdict(algorithm: Algorithm, state: State, now: int, needed: int) -> Verdict:
    """Of hits that were not counted; `needed` must be free for them."""
    free = algorithm.free(state, now)
    allowed = needed <= free
    retry: int | None = 0
    if not allowed:
        # Nothing asked for, and less than nothing free: as soon as the next one fits.
        asked = max(needed, 1)
        retry = algorithm.wait(state, now, asked) if asked <= algorithm.capacity else None
    return Verdict(allowed, max(free, 0), algorithm.reset(state, now), retry)

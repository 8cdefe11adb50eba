"""The contract of whatever holds the counters."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

T = TypeVar("T")

LARGEST_ADDEND = 2**32
"""More than any limit allows: larger addends change no answer and would only overflow counters."""


class Hit(NamedTuple):
    """What to add to one counter."""

    key: bytes
    """Names the counter and its window: it is never used again once the window has ended."""
    addend: int
    """0 (only look) to `LARGEST_ADDEND`; below 0, down to its negative, to give back: a counter
    is never below 0 after that, and one that is not there stays so."""
    ends: int
    """When the window ends, in seconds since the epoch; the counter may be forgotten then."""


class StoreUnavailable(NamedTuple):
    """The counters could not be asked, or not in time. Some hits may have been counted."""

    reason: str
    """A stable word for metrics."""
    known: tuple[int | None, ...] = ()
    """The counters of those hits that could be asked, where several stores were; None: of another.
    Empty: none could."""


class Store(Protocol):
    """Counters that are added to and read in one step."""

    def add(
        self,
        hits: Sequence[Hit],
        now: float,
        deadline: float | None,
        then: Callable[[Sequence[int] | StoreUnavailable], T],
    ) -> "T | asyncio.Future[T]":
        """Add each hit to its counter and tell `then` the counters after that, in order.

        A key that occurs twice is counted twice, and the second count sees the first.
        Counters saturate: one above `LARGEST_ADDEND` says no more than that. What is given back is
        seen by every `add` that begins after this one has been answered, whoever makes it.

        Args:
            hits: at least one.
            now: seconds since the epoch.
            deadline: seconds of `time.monotonic` when the answer is of no more use; None: the
                store's own.
            then: makes the result. A store that answers later resolves one future with it, so
                that no second future or task is needed around it.

        Returns:
            What `then` made: at once, or a future of it.
        """
        ...

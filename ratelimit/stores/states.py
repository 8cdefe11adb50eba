"""The contract of a store that keeps states of algorithms (`ratelimit/algorithms`)."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from ratelimit.algorithms.contract import Verdict
from ratelimit.algorithms.decision import Use
from ratelimit.stores.contract import StoreUnavailable

T = TypeVar("T")

MOST_USES = 128
"""Of one request: 1 to 4 ms of Redis, in which it does nothing else. A store may refuse more."""


class StateStore(Protocol):
    """Counters of any algorithm, decided about and changed in one step.

    A `NamedWindow` is the counter that `Store.add` counts a `Hit` of the same key in: what one
    counted the other sees, in the same step.
    """

    def use(
        self,
        uses: Sequence[Use],
        together: bool,
        now: float,
        deadline: float | None,
        then: Callable[[Sequence[Verdict] | StoreUnavailable], T],
    ) -> "T | asyncio.Future[T]":
        """Do what `decide_together` or `decide_each` says, as one step that no other divides.

        A state may be forgotten `Algorithm.span` after its time (its first number), or after it was
        last changed, but not before, unless there is no room. A store that has a clock of its own
        goes by that instead of `now`.

        Args:
            uses: at least one. The key of a `NamedWindow` names the window that `now` is in.
            together: all or nothing.
            now: seconds since the epoch; states are of its whole milliseconds.
            deadline: see `Store.add`.
            then: see `Store.add`.
        """
        ...

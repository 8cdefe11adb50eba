"""The contract of whatever knows requests again."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from ratelimit.algorithms.contract import Verdict
from ratelimit.algorithms.decision import Use
from ratelimit.stores.contract import Hit, StoreUnavailable

T = TypeVar("T")


class ToldAgain(list[int]):
    """Counters as they were when the request was counted: this time nothing was.

    So whoever counts requests by their counters knows that this one is counted already.
    """


class Retries(NamedTuple):
    """How requests are known again."""

    by: str
    """The key of the descriptor entry that has a request's id."""
    once: "Once"


class Once(Protocol):
    """Counts a request once, and answers it again as it was answered then."""

    def add(
        self,
        receipt: bytes,
        hits: Sequence[Hit],
        now: float,
        deadline: float | None,
        then: Callable[[Sequence[int] | StoreUnavailable], T],
    ) -> "T | asyncio.Future[T]":
        """As `Store.add`, unless the request with this receipt was counted shortly before.

        Then nothing is counted, and `then` is told what the counters were that time, as
        `ToldAgain`; `MOST` times, and after that it is counted like any other.
        """
        ...

    def use(
        self,
        receipt: bytes,
        uses: Sequence[Use],
        together: bool,
        now: float,
        deadline: float | None,
        then: Callable[[Sequence[Verdict] | StoreUnavailable], T],
    ) -> "T | asyncio.Future[T]":
        """The same of `StateStore.use`: what was said that time is said again."""
        ...

"""When to stop asking Redis, and when to try again. Knows no socket and no clock."""

from typing import Literal, TypeAlias

State: TypeAlias = Literal["closed", "half_open", "open"]


class Breaker:
    """`closed`: ask. `open`: answer `Unavailable` at once. `half_open`: a probe is under way.

    It opens when the connection is lost, or when `threshold` requests in a row waited in vain.
    Requests are never the probe: the client's own PING is, so none of them waits for it.
    """

    __slots__ = ("_failures", "_first", "_longest", "_threshold", "_wait", "state")

    def __init__(
        self, threshold: int = 5, first_wait: float = 0.05, longest_wait: float = 0.3
    ) -> None:
        self.state: State = "open"
        self._threshold = threshold
        self._first = first_wait
        self._longest = longest_wait
        self._wait = first_wait
        self._failures = 0

    def probing(self) -> None:
        """There is a connection; whether it answers is being tried."""
        self.state = "half_open"

    def proved(self) -> None:
        """The probe was answered in time."""
        self.state = "closed"
        self._failures = 0

    def answered(self) -> None:
        """A real request was answered in time: only this makes the next outage start afresh."""
        self._failures = 0
        self._wait = self._first

    def timed_out(self, requests: int) -> bool:
        """So many requests waited in vain; True: that was too many, drop the connection."""
        self._failures += requests
        return self._failures >= self._threshold

    def opened(self) -> None:
        """There is no connection any more, or none yet."""
        self.state = "open"
        self._failures = 0

    def next_wait(self) -> float:
        """Seconds to wait before the next try.

        They double up to the longest wait, so a Redis that takes connections and then fails is
        not hammered; the longest is short, so one that is back is used within a second.
        """
        wait = self._wait
        self._wait = min(wait * 2, self._longest)
        return wait

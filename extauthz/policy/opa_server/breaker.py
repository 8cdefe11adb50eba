"""When one server is not asked any more, and when it is tried again. No socket and no clock."""

from typing import Final, Literal, TypeAlias

State: TypeAlias = Literal["closed", "half_open", "open"]

THRESHOLD: Final = 5
"""Failures in a row: one connection that breaks is no outage."""
FIRST_WAIT: Final = 0.05
"""Seconds between the first two probes that fail."""
LONGEST_WAIT: Final = 0.5
"""Seconds between two probes at most: one that is back is asked within a second. A probe is a
request for a word, twice a second from each worker."""


class Breaker:
    """`closed`: ask. `open`: do not. `half_open`: a probe is under way.

    No question is ever a probe, so no caller waits for one. The first probe is due at once, so a
    server that only paused is left alone for no longer than that. Waits between probes double, and
    begin anew only when a question was answered: a server that says that it is well and answers no
    question is not hammered.
    """

    __slots__ = ("_failures", "_wait", "probe_at", "state")

    def __init__(self) -> None:
        self.state: State = "closed"
        self.probe_at = 0.0
        """When it is open: the time of the next probe."""
        self._failures = 0
        self._wait = 0.0

    def answered(self) -> bool:
        """A question was answered, which says more than any probe; True: that closed it."""
        self._failures, self._wait = 0, 0.0
        was, self.state = self.state, "closed"
        return was != "closed"

    def failed(self, now: float, jitter: float) -> bool:
        """A question was not answered; True: that was one too many, and it is open.

        Args:
            now: the time, in seconds.
            jitter: a random number from 0 to 1, so that workers do not probe all at once.
        """
        if self.state != "closed":
            return False  # it was asked before
        self._failures += 1
        if self._failures < THRESHOLD:
            return False
        self._open(now, jitter)
        return True

    def probing(self) -> None:
        """The probe is sent."""
        if self.state == "open":
            self.state = "half_open"

    def probed(self, good: bool, now: float, jitter: float) -> None:
        """How the probe ended; see `failed`."""
        if self.state != "half_open":
            return  # a question of before was answered meanwhile
        if good:
            self._failures, self.state = 0, "closed"
        else:
            self._open(now, jitter)

    def _open(self, now: float, jitter: float) -> None:
        self.state = "open"
        self.probe_at = now + self._wait * (0.5 + 0.5 * jitter)
        self._wait = min(max(FIRST_WAIT, 2 * self._wait), LONGEST_WAIT)

"""Counters that go although they still count, because there is no room."""

import logging
import time
from typing import Final

log = logging.getLogger(__name__)

_EVERY: Final = 1.0
"""Seconds between two lines of the log."""
_LOOKS: Final = 64
"""After so many counters that went the clock is looked at again: 0.2 us for each less."""


class Forgotten:
    """Counts them, and says so: what they held back passes again."""

    __slots__ = ("_look", "_next", "_told", "count")

    def __init__(self) -> None:
        self.count = 0
        self._told = 0
        """As many have been spoken of."""
        self._look = 1
        """At so many it is time to look at the clock."""
        self._next = 0.0
        """When another line may be written."""

    def one(self) -> None:
        """One more."""
        self.more(1)

    def more(self, counters: int) -> None:
        """So many more."""
        self.count = count = self.count + counters
        if count >= self._look:
            self._tell(count)

    def _tell(self, count: int) -> None:
        self._look = count + _LOOKS
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY
        silent = count - self._told - 1
        self._told = count
        log.warning(
            "no room for counters in memory: that used least recently begins anew, "
            "and may let more pass than its limit (silent: %d); see limits.memory",
            silent,
        )

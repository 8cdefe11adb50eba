"""Counters that go although they still count, because there is no room."""

import logging
import time

from callout.observe.paced import Paced

log = logging.getLogger(__name__)


class Forgotten:
    """Counts them, and says so: what they held back passes again."""

    __slots__ = ("_paced", "count")

    def __init__(self) -> None:
        self._paced = Paced()
        self.count = 0

    def one(self) -> None:
        """One more."""
        self.count += 1
        if (silent := self._paced.due("forgotten", time.monotonic())) is not None:
            log.warning(
                "no room for counters in memory: that used least recently begins anew, "
                "and may let more pass than its limit (silent: %d); see limits.memory",
                silent,
            )

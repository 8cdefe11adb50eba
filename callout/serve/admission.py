"""Admission control: which requests a loop that is behind answers, and which it refuses at once.

Pure: time is an argument. A worker is one event loop, so its queue is not in the process but in
the sockets' buffers, and nobody tells how long bytes have waited there. But it is bounded by what
a loop sees for itself:

* When the loop had nothing to do, no socket held anything. It had nothing to do when the next
  read begins later after the end of the last one than the way back to the poll and the read
  itself take (`GAP`, measured). Until then it has been busy.
* A read that did not fill the buffer left that one socket empty.

So what is read now came after the later of the two. The rule is CoDel's, as simplified in "Fail
at Scale" (ACM Queue 13/8, 2015): a loop that had a moment of rest within `interval`, or a read
that had not waited for `target`, meets a burst, and answers it. One that had neither stands under
a load above its capacity, and until it rests answers only what waited for no longer than
`target`. The others are refused with prebuilt bytes, for a fraction of the price of an answer:
that is what keeps the queue short.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from callout.grpc.timeout import answer_by

READ_SIZE = 256 << 10
"""Bytes of uvloop's read buffer: a read of fewer left the socket empty."""
GAP = 50e-6
"""Seconds between two reads of a loop that did not rest. Idle times of random arrivals are longer
than this every few milliseconds, even at 95 % of the capacity."""
GAP_A_BYTE = 5e-10
"""Seconds on top for a byte of the read: the kernel's copy."""
CALM = 1.0
"""Seconds without a refusal after which a loop that never rests is not overloaded any more."""
LEAVE_AFTER = 5.0
"""Seconds without a refusal until the log says that an overload is over."""

Change: TypeAlias = Literal["", "entered", "left"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionOptions:
    """When a loop refuses. Times in seconds."""

    target: float = 0.005
    """How long a request may have waited in an overload."""
    interval: float = 0.1
    """How long the loop must have been behind for an overload: a burst that is worked off within
    this time is answered whole."""


class Admission:
    """Of one loop: told of each read, asked about each request once it is behind."""

    __slots__ = (
        "_entered",
        "_interval",
        "_longest",
        "_overloaded",
        "_quick_at",
        "_refused_at",
        "_reported",
        "_reported_at",
        "_target",
        "busy_since",
        "ended",
        "refused",
    )

    def __init__(self, options: AdmissionOptions) -> None:
        self._target = options.target
        self._interval = options.interval
        self.busy_since = 0.0
        """The end of the last rest."""
        self.ended = 0.0
        """The end of the last work that is known: set by whoever did it."""
        self.refused = 0
        """Requests refused."""
        self._quick_at = 0.0
        self._refused_at = 0.0
        self._overloaded = False
        self._longest = 0.0
        self._reported = 0
        self._reported_at = 0.0
        self._entered = False

    def arrived(self, now: float, size: int, drained: float) -> float:
        """A read begins: the earliest that its bytes can have come.

        Args:
            now: seconds of a monotonic clock.
            size: bytes of the read.
            drained: when this connection's socket was known to be empty.
        """
        if now - self.ended > GAP + size * GAP_A_BYTE:
            self.busy_since = now
            return now
        since = self.busy_since
        return drained if drained > since else since

    def behind(self, now: float, since: float, known: bool) -> bool:
        """Whether `refuses` must be asked about each request of a read.

        Args:
            now: as for `arrived`.
            since: what it gave.
            known: this connection was read before. What comes on a new one has not waited,
                and says nothing about the others.
        """
        if now - self.busy_since <= self._target:
            self._quick_at = now
            self._overloaded = False
            return False
        if known and now - since <= self._target:
            self._quick_at = now
            if self._overloaded and now - self._refused_at > CALM:
                self._overloaded = False
        elif now - self._quick_at > self._interval:
            self._overloaded = True
        return True

    def refuses(self, now: float, since: float, timeout: float | None) -> bool:
        """Whether a request is refused.

        Args:
            now: at its turn, after those that were read with it.
            since: what `arrived` gave for its read.
            timeout: seconds that its caller waits; None: for ever.
        """
        allowed = self._target if self._overloaded else self._interval
        if timeout is not None and timeout < 2 * allowed:
            # Its answer would come too late.
            allowed = min(allowed, answer_by(timeout, 0.0) or 0.0)
        waited = now - since
        if waited > self._longest:
            self._longest = waited
        if waited <= allowed:
            return False
        self.refused += 1
        self._refused_at = now
        return True

    def longest(self) -> float:
        """The longest wait, in seconds, since the last call; 0 when the loop was never behind."""
        longest, self._longest = self._longest, 0.0
        return longest

    def look(self, now: float) -> Change:
        """Once a second: whether requests began to be refused, or none were for a while."""
        if self.refused != self._reported:
            self._reported, self._reported_at = self.refused, now
            if not self._entered:
                self._entered = True
                return "entered"
        elif self._entered and now - self._reported_at > LEAVE_AFTER:
            self._entered = False
            return "left"
        return ""

"""Admission control: which requests a loop that is behind answers, and which it refuses at once.

Pure: time is an argument. A worker is one event loop, so its queue is not in the process but in
sockets' buffers, ours and the client's, and nobody tells how long bytes have waited there. But it
is bounded by what a loop sees for itself:

* When the loop rested, no socket of ours held anything. It did when the next read begins later
  than the way through the poll takes (`GAP`); while it is behind, only if the kernel says that
  the process slept meanwhile (a process that was only held up rests in nobody's sense).
* A connection that was not read in a round of the loop had nothing to read, and a read that did
  not fill the buffer left nothing.
* A client that is sent a PING answers it behind all that it has written before: what comes
  earlier than the answer is older than the PING. That is the only way to see what a client holds
  in its own buffers because ours are full, and under load nearly all waits there.

The rule is CoDel's, as simplified in "Fail at Scale" (ACM Queue 13/8, 2015): requests of a
connection whose reads have all waited for longer than `target` for a whole `interval` are not a
burst that will be worked off. From then on only what waited for less is answered. The others are
refused with prebuilt bytes, for a fraction of the price of an answer: that keeps the queue short.
Whatever would come too late for its caller is refused in any case.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from callout.grpc.timeout import answer_by

READ_SIZE = 256_000
"""Bytes of libuv's read buffer: a read of fewer left our socket empty."""
GAP = 50e-6
"""Seconds between two reads of a loop that did not rest: 5 to 20 us, measured."""
GAP_A_BYTE = 5e-10
"""Seconds on top for a byte of the read: the kernel's copy."""
LARGE = 8192
"""Bytes of a read after which the client may well have more than the socket took."""
CALM = 1.0
"""Seconds without a refusal until a connection is not overloaded any more."""
LEAVE_AFTER = 5.0
"""Seconds without a refusal until the log says that an overload is over."""

Change: TypeAlias = Literal["", "entered", "left"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionOptions:
    """When a loop refuses. Times in seconds."""

    target: float = 0.005
    """How long a request may have waited in an overload."""
    interval: float = 0.1
    """How long the requests of a connection must have waited for longer until that is an overload:
    a burst that is worked off within this time is answered whole."""


class Admission:
    """Of one loop: when it rested, and whom it refused."""

    __slots__ = (
        "_base",
        "_entered",
        "_switches",
        "_told",
        "_told_at",
        "busy_since",
        "ended",
        "interval",
        "longest_wait",
        "refused",
        "round",
        "round_at",
        "round_before",
        "target",
    )

    def __init__(self, options: AdmissionOptions, switches: Callable[[], int]) -> None:
        """Prepares.

        Args:
            options: when.
            switches: how often this thread has gone to sleep; asked only while it is behind.
        """
        self.target = options.target
        self.interval = options.interval
        self._switches = switches
        self._base = -1
        self.busy_since = 0.0
        """The end of the last rest."""
        self.ended = 0.0
        """The end of the last work that is known: set by whoever did it."""
        self.round = 1
        """A round ends when a connection is read that was read in it before."""
        self.round_at = 0.0
        """When it began."""
        self.round_before = 0.0
        """When the round before this one began: what was not there then has come since."""
        self.refused = 0
        """Requests refused."""
        self.longest_wait = 0.0
        """Seconds; since it was set to 0, of requests that were asked about."""
        self._told = 0
        self._told_at = 0.0
        self._entered = False

    def slept(self) -> bool:
        """Whether the thread slept, as far as it is known: asked after a gap between two reads."""
        base = self._base
        if base < 0:
            return True
        if self._switches() == base:
            return False
        self._base = -1
        return True

    def watch(self) -> None:
        """The loop is behind: from now on only sleep is rest."""
        if self._base < 0:
            self._base = self._switches()

    def next_round(self, now: float) -> None:
        """A round of the loop begins, as who has one turn a round knows (`callout.serve.turns`)."""
        self.round += 1
        self.round_before, self.round_at = self.round_at, now

    def look(self, now: float) -> Change:
        """Once a second: whether requests began to be refused, or none were for a while."""
        if self.refused != self._told:
            self._told, self._told_at = self.refused, now
            if not self._entered:
                self._entered = True
                return "entered"
        elif self._entered and now - self._told_at > LEAVE_AFTER:
            self._entered = False
            return "left"
        return ""


class Queue:
    """What waits before one connection."""

    __slots__ = (
        "_load",
        "_more",
        "_overloaded",
        "_read_at",
        "_refused_at",
        "_round",
        "_since",
        "_slow_since",
        "arrived",
        "asked_at",
        "behind",
    )

    def __init__(self, load: Admission, now: float) -> None:
        self._load = load
        self._round = 0
        self._since = self._read_at = now
        self._more = False
        self.asked_at = 0.0
        """When the PING was sent whose answer is awaited; 0: none is."""
        self._slow_since = 0.0
        self._refused_at = 0.0
        self._overloaded = False
        self.arrived = now
        """When the requests of this read came: the middle of what is possible."""
        self.behind = False
        """Whether `refuses` must be asked about each of them."""

    def begin(self, now: float, size: int) -> None:
        """A read begins.

        Args:
            now: seconds of a monotonic clock.
            size: its bytes.
        """
        # All in one piece: it is done for every read. 0.06 us a request when 16 come in one read,
        # 0.5 us when one comes alone, which costs some 10 us more in the kernel as well.
        load = self._load
        if now - load.ended > GAP + size * GAP_A_BYTE and load.slept():
            load.busy_since = self._since = self._read_at = self.arrived = now
            self._round = load.round
            self._more = size >= READ_SIZE
            self._slow_since = 0.0
            self.behind = False
            return
        if self._round == load.round:
            load.round += 1
            load.round_before, load.round_at = load.round_at, now
        self._round = load.round
        since = load.round_before
        if self._read_at > since:
            since = self._read_at
        self._read_at = now
        if self._more and self._since < since:
            since = self._since
        if 0.0 < self.asked_at < since:
            since = self.asked_at
        busy_since = load.busy_since
        if since < busy_since:
            since = busy_since
        self._since = since
        self._more = size >= READ_SIZE
        self.arrived = (since + now) / 2
        if now - busy_since > load.target:
            self._judge(load, now, since)
        else:
            self.behind = False
            self._slow_since = 0.0

    def _judge(self, load: Admission, now: float, since: float) -> None:
        self.behind = True
        load.watch()
        if self._overloaded and now - self._refused_at > CALM:
            self._overloaded = False
            self._slow_since = 0.0
        if now - since <= load.target:
            self._slow_since = 0.0
        elif self._slow_since <= load.busy_since:
            self._slow_since = now
        elif now - self._slow_since > load.interval:
            self._overloaded = True
            self._refused_at = now

    def wants_ping(self, now: float, size: int) -> bool:
        """Whether to send a PING after a read; `pong` is called when it was answered.

        Args:
            now: the time of sending.
            size: bytes of the read.
        """
        if not self.behind or self.asked_at or size < LARGE:
            return False
        self.asked_at = now
        return True

    def pong(self) -> None:
        """The PING was answered."""
        self.asked_at = 0.0

    def refuses(self, now: float, timeout: float | None) -> bool:
        """Whether a request is refused.

        Args:
            now: at its turn, after those that were read with it.
            timeout: seconds that its caller waits; None: for ever.
        """
        load = self._load
        allowed = load.target if self._overloaded else load.interval
        if timeout is not None and timeout < 2 * allowed:
            allowed = min(allowed, answer_by(timeout, 0.0) or 0.0)
        waited = now - self._since
        if waited > load.longest_wait:
            load.longest_wait = waited
        if waited <= allowed:
            return False
        load.refused += 1
        self._refused_at = now
        return True

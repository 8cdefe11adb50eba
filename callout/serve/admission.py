"""Admission control: which requests a loop that is behind answers, and which it refuses at once.

Pure: time is an argument. A worker is one event loop, so its queue is not in the process but in
sockets' buffers, ours and the client's, and nobody tells how long bytes have waited there. But the
wait has bounds that a loop sees for itself:

* When the process slept, it had read all there was: nothing is older than its last sleep. The
  kernel counts sleeps, and a process that was only held up by others has not slept.
* A connection that was not read in a round of the loop had nothing to read, and one that a read
  found with little had nothing left.
* A client that is sent a PING answers it behind all that it has written before: what comes later
  than the answer is younger than the PING. So it is known what a client holds in its own buffers
  because ours are full.

The rule is CoDel's (ACM Queue 10/5, 2012), with a queue that is not shortened but emptied. When
more than three reads of four have waited for longer than a quarter of their callers' patience while
the thread worked for a whole `window`, it is neither a burst that will be worked off nor a time in
which others had the processor. A loop that never rests is no overload by itself: 128 calls in
flight, a new one only when one was answered, keep it busy, and all are answered in time. Everything
is refused until the thread sleeps again: with prebuilt bytes, for a fraction of the price of an
answer, that is soon. Then everything is answered again. The window is `interval` at first and
becomes shorter while the overload lasts, so that what is answered has waited for a few
milliseconds; and all connections alike get the answers of the time in which there are any. Apart
from that, what may come too late for its own caller is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from callout.grpc.timeout import answer_by

LARGE = 8192
"""Bytes of a read after which the client may well have more than the socket took."""
CALM = 1.0
"""Seconds without a refusal until the window is an interval again."""
SHORTER = 4
SHORTEST = 2
"""What divides the window after each time of refusing, and its least in targets: 100 ms, 25, 10.
Of 5 ms a worker that was held up by others at half of its load refused one of twelve."""
LONGEST_REFUSING = 8
"""Windows after which requests are answered for one, although refusing has not emptied the queue:
a client that wants more than can be refused, or asks again at once when it was, leaves no sleep.
A ninth of the time for the others is better than nothing."""
PATIENT = 4
"""What part of their `grpc-timeout` requests may always wait: what is answered then has three
quarters left for the time of refusing, for the work, and for the way. Envoy's defaults are 200 ms
for ext_authz and 20 ms for rate limits."""
SHORT = 4
"""Targets that two rounds of the loop may take so that who leaves nothing unread is answered in any
case: those who wait have turns of 4 ms in each."""
SHARE = 3
MANY = 64
"""Reads that waited for too long, for each that did not, are an overload, of so many that are
remembered. A connection whose requests are too late is refused alone; were one young read enough to
end an overload, a demand that can hardly be refused would leave most connections without any
answer. One late read of four was too little: callers who wait for each answer, on cores that they
share with the service, had one of ten refused."""
REMEMBERED = 256
"""Requests over which patience is averaged: by its inverse, so that half of 20 ms and half of
200 ms are 36, and with a floor, so that one in a hundred that has none left changes nothing."""
LEAVE_AFTER = 5.0
"""Seconds without a refusal until the log says that an overload is over."""

Change: TypeAlias = Literal["", "entered", "left"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionOptions:
    """When a loop refuses. Times in seconds."""

    target: float = 0.005
    """How long requests may always have waited, however impatient their callers are."""
    interval: float = 0.1
    """How long they may all have waited for too long until that is an overload: a burst that is
    worked off within this time is answered whole. Also the patience of callers who do not say
    how long they wait, and the longest that all may have waited."""


class Admission:
    """Of one loop: whether it keeps up."""

    __slots__ = (
        "_balance",
        "_base",
        "_cpu",
        "_cpu_at",
        "_cpu_before",
        "_entered",
        "_hurry",
        "_late",
        "_refused_at",
        "_refusing_since",
        "_slow_for",
        "_slow_since",
        "_switches",
        "_told",
        "_told_at",
        "_window",
        "busy_since",
        "interval",
        "longest_wait",
        "refused",
        "round",
        "round_at",
        "round_before",
        "target",
    )

    def __init__(
        self, options: AdmissionOptions, switches: Callable[[], int], cpu: Callable[[], float]
    ) -> None:
        """Prepares.

        Args:
            options: when.
            switches: how often this thread has gone to sleep; asked once in `target` while it
                does, and for every read while it does not.
            cpu: seconds of processor time of this thread.
        """
        self.target = options.target
        self.interval = options.interval
        self._switches = switches
        self._cpu = cpu
        self._base = -1
        self.busy_since = 0.0
        """When it was last seen that the thread had slept. Within `target` of it nobody asks."""
        self.round = 1
        """A round ends when a connection is read that was read in it before."""
        self.round_at = 0.0
        """When it began."""
        self.round_before = 0.0
        """When the round before this one began: what was not there then has come since."""
        self._cpu_at = self._cpu_before = 0.0  # the same in processor time
        self._slow_since = self._slow_for = 0.0
        """Processor time since which too many reads have waited for too long, and from then to the
        last of them; 0: they do not."""
        self._balance = 0
        """Of reads that did and reads that did not, these counted `SHARE` times."""
        self._refusing_since = 0.0
        """Processor time; 0: it does not refuse."""
        self._window = options.interval
        self._hurry = 1 / (options.interval * PATIENT)
        """The mean inverse of callers' patience."""
        self._late = False
        self._refused_at = 0.0
        self.refused = 0
        """Requests refused."""
        self.longest_wait = 0.0
        """Seconds, at most, that a read had waited, since this was set to 0."""
        self._told = 0
        self._told_at = 0.0
        self._entered = False

    @property
    def refusing(self) -> bool:
        """Whether everything is refused."""
        return self._refusing_since > 0.0

    def behind(self, now: float) -> bool:
        """Whether the loop has not slept for the target."""
        if now - self.busy_since <= self.target:
            return False
        switches = self._switches()
        if switches != self._base:
            self._base = switches
            self._start(now)
            return False
        if self.refusing:
            longest = LONGEST_REFUSING * self._window
            if self._cpu() - self._refusing_since > longest:
                self._answer_again(now)
        return True

    def _start(self, now: float) -> None:
        """The queue is empty."""
        self._answer_again(now)
        self.busy_since = now

    def _answer_again(self, now: float) -> None:
        if now - self._refused_at > CALM:
            self._window = self.interval
        elif self.refusing or self._late:
            self._window = max(SHORTEST * self.target, self._window / SHORTER)
        self._slow_since = self._slow_for = self._refusing_since = 0.0
        self._balance = 0
        self._late = False

    def next_round(self, now: float) -> None:
        """A round of the loop begins, as who has one turn a round knows (`callout.serve.turns`)."""
        self.round += 1
        self.round_before, self.round_at = self.round_at, now
        self._cpu_before, self._cpu_at = self._cpu_at, self._cpu()

    def judge(self, waited: float) -> None:
        """A read begins, of a loop that is behind; it has waited for so long, at most."""
        if waited > self.longest_wait:
            self.longest_wait = waited
        if self.refusing:
            return
        if waited * self._hurry <= 1 / PATIENT:
            self._balance -= SHARE
            if self._balance <= 0:
                self._slow_since = self._slow_for = 0.0
                self._balance = 0
            return
        self._balance = min(self._balance + 1, MANY)
        cpu = self._cpu()
        if not self._slow_since:
            self._slow_since = cpu
        self._slow_for = cpu - self._slow_since
        if self._slow_for > self._window:
            self._refusing_since = cpu

    def refuses(
        self, now: float, waited: float, timeout: float | None, light: bool = False
    ) -> bool:
        """Whether a request is refused.

        Connections have their turns, so one that never leaves anything unread waits for a round of
        the others and no longer. While rounds are short it is not among those that ask for too
        much, whatever waits on other connections: who floods us must not have others refused.

        Args:
            now: seconds of a monotonic clock.
            waited: how long it has, at most.
            timeout: seconds that its caller waits; None: for ever.
            light: whether its connection had nothing more to read, now and before.
        """
        patience = self.interval if timeout is None else timeout
        patience = min(max(patience, PATIENT * self.target), PATIENT * self.interval)
        self._hurry += (1 / patience - self._hurry) / REMEMBERED
        in_time = timeout is None or waited <= (answer_by(timeout, 0.0) or 0.0)
        if in_time and light and self._cpu() - self._cpu_before <= SHORT * self.target:
            return False
        if not self._refusing_since:
            if in_time and (timeout is not None or waited <= self.interval):
                return False
            # One client with too much of its own is no overload, nor is a time of no processor.
            self._late = self._late or self._slow_for > self._window / SHORTER
        self.refused += 1
        self._refused_at = now
        return True

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
    """What waits before one connection, while the loop is behind."""

    __slots__ = (
        "_asked_at",
        "_left",
        "_light",
        "_load",
        "_read_at",
        "_round",
        "_since",
        "arrived",
    )

    def __init__(self, load: Admission) -> None:
        self._load = load
        self._since = self._read_at = 0.0
        self._round = 0
        self._left = False
        self._light = False
        self._asked_at = 0.0  # when the PING was sent whose answer is awaited; 0: none is
        self.arrived = 0.0
        """When the requests of this read came, at the earliest: of the middle of what is possible
        one of a hundred answers of a limit came 12 to 27 ms after a deadline of 50."""

    def begin(self, now: float, size: int, more: bool = False) -> bool:
        """A read begins; whether each of its requests must be asked about.

        Args:
            now: seconds of a monotonic clock.
            size: its bytes.
            more: that there is more of it already.
        """
        load = self._load
        if not load.behind(now):
            self.arrived = now
            return False
        if self._round == load.round:
            load.next_round(now)
        self._round = load.round
        since = self._since if self._left else max(self._read_at, load.round_before)
        if since < load.busy_since:
            since = load.busy_since
        self._since, self._read_at = since, now
        left = more or size >= LARGE
        self._light = not (left or self._left)
        self._left = left
        self.arrived = since
        load.judge(now - since)
        return True

    def refuses(self, now: float, timeout: float | None) -> bool:
        """Whether a request of this read is refused: see `Admission.refuses`."""
        return self._load.refuses(now, now - self._since, timeout, self._light)

    def wants_ping(self, now: float) -> bool:
        """Whether to send a PING after a read; `pong` is called when it was answered."""
        if self._asked_at or not self._left:
            return False
        self._asked_at = now
        return True

    def pong(self) -> None:
        """The PING was answered."""
        if self._since < self._asked_at:
            self._since = self._asked_at
        self._asked_at = 0.0

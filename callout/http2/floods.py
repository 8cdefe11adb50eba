"""Counts frames that cost us more than the peer, an interval at a time."""

from callout.http2.errors import ConnectionFault, ErrorCode
from callout.http2.limits import Limits


class Floods:
    """The counters of one connection. Going over one ends the connection.

    Fixed intervals, so twice the limit can pass around a boundary: the limits are orders of
    magnitude below what would hurt, and this costs nothing on the way of a request.
    """

    __slots__ = (
        "_limits",
        "empty",
        "ends",
        "late",
        "pings",
        "resets",
        "settings",
        "small",
        "updates",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.ends = float("-inf")
        """When the interval ends, in the seconds of `now`."""
        self._zero()

    def begin(self, now: float) -> None:
        """Begin a new interval."""
        self.ends = now + self._limits.interval
        self._zero()

    def _zero(self) -> None:
        self.empty = self.late = self.pings = self.resets = self.settings = 0
        self.small = self.updates = 0

    def empty_frame(self) -> None:
        """A frame that carries nothing."""
        self.empty += 1
        if self.empty > self._limits.empty_frames:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "empty_frame_flood")

    def late_reset(self, requests: int) -> None:
        """A reset of a request that is over: the client gave up while the answer was on its way.

        Args:
            requests: how many began in this interval; each may end so.
        """
        self.late += 1
        if self.late > self._limits.empty_frames + requests:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "empty_frame_flood")

    def ping(self) -> None:
        """A PING, or an answer to one that we never sent."""
        self.pings += 1
        if self.pings > self._limits.pings:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "ping_flood")

    def reset(self, requests: int) -> None:
        """A request that was begun in vain.

        Args:
            requests: how many began in this interval. While most of them are answered, this is
                a busy gateway whose clients go away, or whose patience is short.
        """
        self.resets += 1
        if self.resets > self._limits.resets and 2 * self.resets > requests:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "rapid_reset")

    def small_frame(self, requests: int) -> None:
        """A DATA frame with next to nothing in it, which does not end its request.

        Args:
            requests: how many began in this interval; each may have one.
        """
        self.small += 1
        if self.small > self._limits.small_frames + requests:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "small_frame_flood")

    def setting(self) -> None:
        """A SETTINGS frame."""
        self.settings += 1
        if self.settings > self._limits.settings:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "settings_flood")

    def window_update(self, earned: int) -> None:
        """A WINDOW_UPDATE.

        Args:
            earned: how many our own frames of this interval gave reason for.
        """
        self.updates += 1
        if self.updates > self._limits.window_updates + earned:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "window_update_flood")

"""When a connection has to end: its age, a client that is idle, or one that takes no answers.

Looked at once a second; time is an argument.
"""

from enum import Enum, auto

from callout.serve.options import ServeOptions

_CLOSING_SECONDS = 5.0
_NEVER = float("inf")


class Due(Enum):
    """Why a connection has to end now."""

    AGE = auto()
    IDLE = auto()
    STALLED = auto()
    """The client takes no answers."""
    GRACE = auto()
    """It was asked to go, and did not."""
    CLOSED = auto()
    """We closed it, and the client does not take the rest."""


class Ageing:
    """Of one connection."""

    __slots__ = ("_backlog", "_closing_at", "_cut_at", "_leave_at", "_options", "_progress")

    def __init__(self, options: ServeOptions, now: float, max_age: float) -> None:
        """`max_age` is this connection's own: they differ, so as not to end together."""
        self._options = options
        self._progress = now
        self._backlog = 0
        self._leave_at = now + max_age
        self._cut_at = self._closing_at = _NEVER

    @property
    def leaving(self) -> bool:
        """Whether the client was asked to go."""
        return self._cut_at != _NEVER

    @property
    def closing(self) -> bool:
        """Whether we closed it."""
        return self._closing_at != _NEVER

    def asked_to_go(self, now: float) -> None:
        """Calls that run may end, for a while."""
        self._cut_at = now + self._options.max_age_grace

    def closes(self, now: float) -> None:
        """Nothing follows what is written already."""
        self._closing_at = now

    def progressed(self, now: float) -> None:
        """The client has not stalled up to now."""
        self._progress = now

    def due(self, now: float, backlog: int, last_call: float, busy: bool) -> Due | None:
        """Why it has to end; None: it stays.

        Args:
            now: the time.
            backlog: bytes of answers that the client has not taken.
            last_call: when its last call began, or the connection.
            busy: whether calls are in progress.
        """
        options = self._options
        # A client may well leave one stream unread while it calls on others: what waits for it is
        # bounded (`Limits.queued_output`), so that alone is no reason to cut it off.
        if backlog == 0 or backlog < self._backlog or last_call > self._progress:
            self._progress = now
        self._backlog = backlog
        if now - self._progress > options.stalled:
            return Due.STALLED
        if now >= self._cut_at:
            return Due.GRACE
        if now - self._closing_at > _CLOSING_SECONDS:
            return Due.CLOSED
        if now >= self._leave_at:
            return Due.AGE
        if not busy and now - last_call > options.idle:
            return Due.IDLE
        return None

"""What a server counts: plain integers, read by whoever exports them."""


class Counters:
    """Counts of one server since its start, and what is open now.

    Plain attributes with slots: adding one costs about 20 ns, a metrics library some 500.
    """

    __slots__ = (
        "cancelled",
        "closed",
        "connections",
        "deadline_exceeded",
        "handler_errors",
        "open_calls",
        "open_connections",
        "overloaded",
        "queued",
        "refused",
        "requests",
    )

    def __init__(self) -> None:
        self.connections = 0
        """Connections accepted."""
        self.open_connections = 0
        """Connections open now."""
        self.requests = 0
        """Calls that reached a handler."""
        self.open_calls = 0
        """Calls that wait for their handler now."""
        self.handler_errors = 0
        """Handlers that raised, or returned what is no reply; answered INTERNAL."""
        self.deadline_exceeded = 0
        """Calls that were ended because their `grpc-timeout` had passed."""
        self.cancelled = 0
        """Calls that the client gave up (RST_STREAM), or whose connection was lost."""
        self.refused: dict[str, int] = {}
        """Calls refused before any handler, by a stable word: `unknown_method`, `too_large`."""
        self.closed: dict[str, int] = {}
        """Connections that we ended, by a stable word: `idle`, `protocol_error`, `san`."""

        self.overloaded: dict[str, int] = {}
        """Calls answered with `Unary.overloaded`, by path."""

        self.queued = 0.0
        """Seconds that the request which waited longest had waited before it was read, in the
        last second; an estimate from above, 0 while the loop keeps up."""

    def refuse(self, word: str) -> None:
        """Count a refused call."""
        self.refused[word] = self.refused.get(word, 0) + 1

    def overload(self, path: str) -> None:
        """Count a call that is answered with `Unary.overloaded`."""
        self.overloaded[path] = self.overloaded.get(path, 0) + 1

    def close(self, word: str) -> None:
        """Count a connection that we end."""
        self.closed[word] = self.closed.get(word, 0) + 1

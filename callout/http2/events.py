"""What a connection reports: a few small classes, told apart by `type(event)`.

Slots classes with positional arguments rather than named tuples: two are made for every request,
and a named tuple takes twice as long to make. The tests compare them, so they have equality.
"""

from typing import Generic, TypeAlias, TypeVar

from callout.http2.errors import ErrorCode

H = TypeVar("H")
HeaderList: TypeAlias = list[tuple[bytes, bytes]]


class _Event:
    __slots__: tuple[str, ...] = ()

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    __hash__ = None  # type: ignore[assignment]  # never a key, and Data may be large

    def __repr__(self) -> str:
        # Lengths only: payloads and header values never reach a log by accident.
        shown = (
            f"{name}=<{len(value)} bytes>" if isinstance(value, bytes) else f"{name}={value!r}"
            for name in self.__slots__
            if name not in ("head", "headers")
            for value in [getattr(self, name)]
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class Request(_Event, Generic[H]):
    """A valid request began."""

    __slots__ = ("end_stream", "head", "stream_id")

    def __init__(self, stream_id: int, head: H, end_stream: bool) -> None:
        self.stream_id = stream_id
        self.head = head
        """What `interpret` made of the header list. Shared by requests with equal headers."""
        self.end_stream = end_stream
        """Whether the request has no body."""


class Data(_Event):
    """A piece of a request's body.

    When the answer is complete already, what still comes is thrown away, and only the end of the
    request is reported, with no data.
    """

    __slots__ = ("data", "end_stream", "flow", "stream_id")

    def __init__(self, stream_id: int, data: bytes, flow: int, end_stream: bool) -> None:
        self.stream_id = stream_id
        self.data = data
        self.flow = flow
        """Bytes of flow control to give back through `Connection.consumed`: padding included."""
        self.end_stream = end_stream


class Trailers(_Event):
    """Header fields after the body; the request is complete."""

    __slots__ = ("headers", "stream_id")

    def __init__(self, stream_id: int, headers: HeaderList) -> None:
        self.stream_id = stream_id
        self.headers = headers


class Reset(_Event):
    """A request that was reported is gone, and nothing can be sent to it.

    Either the client cancelled it, or it broke a rule of its stream and was reset for that. May
    come after the answer, when the client had not ended the request.
    """

    __slots__ = ("code", "stream_id")

    def __init__(self, stream_id: int, code: int) -> None:
        self.stream_id = stream_id
        self.code = code
        """An `ErrorCode`, or another number that the client sent."""


class Refused(_Event):
    """A request that is not reported: it was malformed, too large or one too many. For counting."""

    __slots__ = ("code", "reason", "stream_id")

    def __init__(self, stream_id: int, code: ErrorCode, reason: str) -> None:
        self.stream_id = stream_id
        self.code = code
        self.reason = reason
        """A stable word."""


class Drained(_Event):
    """Everything that was queued for the stream has been framed; more may be sent."""

    __slots__ = ("stream_id",)

    def __init__(self, stream_id: int) -> None:
        self.stream_id = stream_id


class PeerGoAway(_Event):
    """The client will open no more streams; those that are open go on."""

    __slots__ = ("code", "last_stream_id")

    def __init__(self, code: int, last_stream_id: int) -> None:
        self.code = code
        self.last_stream_id = last_stream_id


class Terminated(_Event):
    """The connection is over for the given reason; a GOAWAY that says so is in `outgoing`."""

    __slots__ = ("code", "reason")

    def __init__(self, code: ErrorCode, reason: str) -> None:
        self.code = code
        self.reason = reason
        """A stable word to count by: `rapid_reset`, `hpack`, `preface`."""


Event: TypeAlias = (
    Request[H] | Data | Trailers | Reset | Refused | Drained | PeerGoAway | Terminated
)

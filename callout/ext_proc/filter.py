"""What a filter is: asked about each part of an exchange, in the order of the protocol.

A filter is made for one exchange and never used for another. It neither waits nor does I/O: what
it is given is all there is, and time is an argument.
"""

from enum import IntEnum
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from callout.http.head import Headers, Peer, RequestHead, ResponseHead

Fields: TypeAlias = tuple[tuple[bytes, bytes], ...]


class Need(IntEnum):
    """What a filter needs of a body; the largest of several filters' is what is fetched."""

    NONE = 0
    STREAM = 1
    """Its pieces, as they come."""
    WHOLE = 2
    """All of it at once, before anything of it goes on."""


class Edits(NamedTuple):
    """Changes of header fields; those that frame a message are the session's, and left out."""

    put: Fields = ()
    """Each replaces all fields of its name."""
    add: Fields = ()
    """Each comes after those of its name."""
    remove: tuple[bytes, ...] = ()
    """Names."""


NO_EDITS: Final = Edits()


class Change(NamedTuple):
    """The message goes on, changed."""

    edits: Edits = NO_EDITS
    """Of the head or of the trailers. Those that a body method answers are lost when the head is
    on its way already: only with `Need.WHOLE`, and not where a gateway only streams."""
    body: bytes | None = None
    """In place of the bytes that were given, which may be none; None: they go on as they are."""
    metadata: dict[str, dict[str, Any]] | None = None
    """Findings for the gateway: namespace, key, value (as JSON has them)."""


class Block(NamedTuple):
    """The exchange ends here, with this response."""

    status: int
    details: str
    """A stable word or two for the gateway's access log; without what the client sent."""
    headers: Fields = ()
    body: bytes = b""
    grpc_status: int | None = None
    """For callers of gRPC methods, who look at nothing else; None: as the HTTP status maps."""
    metadata: dict[str, dict[str, Any]] | None = None
    """Findings, as in a `Change`."""


class Undecided(NamedTuple):
    """The filter cannot tell: out of time, or a part of it failed. The plan's verdict is taken."""

    reason: str
    """A stable word to count by."""


Verdict: TypeAlias = Change | Block | Undecided | None
"""None: the message goes on as it is."""


class Moment(NamedTuple):
    """When a filter is asked, and by when it must have answered; seconds of a monotonic clock."""

    now: float
    deadline: float


class HttpFilter(Protocol):
    """Looks at one exchange. An exception is a bug, and counts as `Undecided`."""

    def request_head(self, head: RequestHead, peer: Peer, at: Moment) -> Verdict:
        """The head of the request came."""
        ...

    def request_need(self) -> Need:
        """What is needed of the request's body; asked once, after the head."""
        ...

    def request_body(self, body: bytes, end: bool, at: Moment) -> Verdict:
        """A body, or a piece of it.

        With `Need.WHOLE` it is called exactly once, also when there is no body; then `end` tells
        whether this is all of it. If not, there is more that nobody will look at, and this is its
        beginning, as far as there is any. With `Need.STREAM` the last call says `end`, perhaps
        with no bytes; a body that cannot be had is not announced.
        """
        ...

    def request_trailers(self, trailers: Headers, at: Moment) -> Verdict:
        """The trailers of the request came; only if it has any, and the gateway sends them."""
        ...

    def wants_response(self) -> bool:
        """Whether the response matters; asked once, when the request's head is answered."""
        ...

    def response_head(self, head: ResponseHead, at: Moment) -> Verdict:
        """The head of the response came; the upstream's, or one that the gateway made."""
        ...

    def response_need(self) -> Need:
        """What is needed of the response's body; asked once, after the head."""
        ...

    def response_body(self, body: bytes, end: bool, at: Moment) -> Verdict:
        """As `request_body`."""
        ...

    def response_trailers(self, trailers: Headers, at: Moment) -> Verdict:
        """As `request_trailers`."""
        ...

    def done(self) -> None:
        """The exchange is over, however it ended; called exactly once."""
        ...

"""What comes in and what goes out, as plain values: the session knows no protobuf."""

from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias

from callout.ext_proc.filter import NO_EDITS, Block, Edits
from callout.grpc.call import Status
from callout.http.head import Headers, Peer, RequestHead, ResponseHead


class BodyMode(IntEnum):
    """How a body is sent to us: ProcessingMode.BodySendMode, with its numbers."""

    NONE = 0
    STREAMED = 1
    BUFFERED = 2
    BUFFERED_PARTIAL = 3
    FULL_DUPLEX = 4
    GRPC = 5


class Configured(NamedTuple):
    """What the gateway's filter is configured to (ProtocolConfiguration)."""

    request_body: BodyMode
    response_body: BodyMode
    eager: bool = False
    """Bodies are sent before the head was answered, and modes cannot be overridden."""


# In.


class RequestCame(NamedTuple):
    """The head of the request."""

    head: RequestHead
    peer: Peer
    end: bool
    """Whether there is no body."""
    configured: Configured | None
    """None: a gateway older than Envoy 1.33, which does not say."""


class ResponseCame(NamedTuple):
    """The head of the response."""

    head: ResponseHead
    end: bool
    configured: Configured | None
    """Said when this is the first message: a filter before us answered, and we saw no request."""


class BodyCame(NamedTuple):
    """A body, or a piece of it."""

    request: bool
    data: bytes
    end: bool


class TrailersCame(NamedTuple):
    """Trailers; the message ends with them."""

    request: bool
    trailers: Headers


Event: TypeAlias = RequestCame | ResponseCame | BodyCame | TrailersCame


# Out.


class Override(NamedTuple):
    """All modes from now on: one says none without saying all."""

    request_body: BodyMode
    response_body: BodyMode
    request_trailers: bool
    response_head: bool
    response_trailers: bool


Metadata: TypeAlias = dict[str, dict[str, Any]]


class HeadReply(NamedTuple):
    """The head goes on."""

    request: bool
    edits: Edits = NO_EDITS
    override: Override | None = None
    metadata: Metadata | None = None


class BodyReply(NamedTuple):
    """The answer to one body message, in any mode but FULL_DUPLEX_STREAMED."""

    request: bool
    body: bytes | None = None
    """In place of the message's; None: as it came."""
    edits: Edits = NO_EDITS
    metadata: Metadata | None = None


class Piece(NamedTuple):
    """Bytes that go on, in FULL_DUPLEX_STREAMED."""

    request: bool
    data: bytes
    end: bool
    metadata: Metadata | None = None


class TrailersReply(NamedTuple):
    """The trailers go on."""

    request: bool
    edits: Edits = NO_EDITS
    metadata: Metadata | None = None


class Final(NamedTuple):
    """The exchange ends here: the gateway answers with this."""

    block: Block


Message: TypeAlias = HeadReply | BodyReply | Piece | TrailersReply | Final | Status
"""A `Status` ends the stream with that error."""

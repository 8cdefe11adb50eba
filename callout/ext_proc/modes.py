"""How a body is to be sent, by what the gateway is configured to and what the filters need.

A table, as chapter 5 of dlp.md and 6.1 of waf.md found Envoy 1.40 to behave:

| message | recognised by | wanted whole | wanted in pieces |
|---|---|---|---|
| without body | ends with its head | asked at once, with no bytes | the same |
| tunnel | CONNECT; GET with an upgrade and no body; 101 | not seen | not seen |
| gRPC | `application/grpc...` | not seen | in pieces |
| events | `text/event-stream` | not seen | in pieces |
| any other | | kept until its end | in pieces |

Trailers and STREAMED do not go together when a body is kept: each of its messages must be answered
before Envoy sends the trailers, whose answer carries no bytes (measured). So who announces trailers
is BUFFERED where that can be chosen; where it cannot, what was kept gets the plan's `failed`. Where
STREAMED is configured without trailers being sent, nobody tells that the body is over, and what was
kept is lost: `*_trailer_mode: SEND` belongs to it. FULL_DUPLEX_STREAMED has none of this.

What is not seen gets the plan's verdict, is counted, and is overridden to NONE where that can be.
A HEAD request has the response's mode overridden to NONE, because the others take the
content-length away even where there is no body.
"""

from enum import Enum
from typing import NamedTuple

from callout.ext_proc.filter import Need
from callout.ext_proc.messages import BodyMode
from callout.http.head import RequestHead, ResponseHead

BUFFERED_MOST = 32 << 10
"""Bytes up to which BUFFERED is asked for: more than its buffer limit a gateway refuses itself, and
the smallest default in the field is Envoy Gateway's 32 KiB. Larger ones are STREAMED to us, and we
keep them."""


class Kind(Enum):
    """What a message is, as far as its body goes."""

    BODYLESS = "bodyless"
    TUNNEL = "tunnel"
    GRPC = "grpc"
    EVENTS = "events"
    PLAIN = "plain"


class Way(Enum):
    """What becomes of a body."""

    PASS = "pass"  # noqa: S105  # no password
    """Nobody looks at it."""
    FLOW = "flow"
    """Filters are given its pieces."""
    HOLD = "hold"
    """It is kept until its end."""


class Choice(NamedTuple):
    """How one body travels."""

    mode: BodyMode
    way: Way
    unseen: str = ""
    """Why a body that is needed will not be seen: `endless`, `stale`; empty: it will be."""


def request_kind(head: RequestHead, end: bool) -> Kind:
    """What a request is."""
    if end:
        return Kind.BODYLESS
    if head.method == b"CONNECT" or _upgrades(head):
        return Kind.TUNNEL
    return Kind.GRPC if _media_type(head.headers.get(b"content-type")) == _GRPC else Kind.PLAIN


def response_kind(head: ResponseHead, end: bool, connect: bool) -> Kind:
    """What a response is; `connect`: to a CONNECT."""
    if head.status == 101 or (connect and head.status // 100 == 2):
        return Kind.TUNNEL
    if end:
        return Kind.BODYLESS
    media = _media_type(head.headers.get(b"content-type"))
    if media == _GRPC:
        return Kind.GRPC
    return Kind.EVENTS if media == b"text/event-stream" else Kind.PLAIN


def declared_length(values: tuple[bytes, ...]) -> int | None:
    """The content-length; None: not said, or not in a way that anyone should trust."""
    if len(values) == 1 and values[0].isdigit() and len(values[0]) < 19:
        return int(values[0])
    return None


def choose(
    configured: BodyMode,
    override: bool,
    need: Need,
    kind: Kind,
    length: int | None,
    trailers: bool,
    most: int,
) -> Choice:
    """How a body travels.

    Args:
        configured: the mode that holds unless it is overridden.
        override: whether the answer to the head may choose another.
        need: what the filters need.
        kind: what the message is.
        length: bytes that its head promises; None: none.
        trailers: whether its head announces trailers.
        most: bytes that are kept.
    """
    way = _WAYS[need]
    unseen = ""
    if kind is Kind.TUNNEL or (way is Way.HOLD and kind in (Kind.GRPC, Kind.EVENTS)):
        unseen = "" if way is Way.PASS else "endless"
        way = Way.PASS
    if not override:
        if way is not Way.PASS and configured in (BodyMode.NONE, BodyMode.GRPC):
            # In GRPC mode Envoy 1.40 sends nothing and says nothing.
            return Choice(configured, Way.PASS, "stale")
        return Choice(configured, way, unseen)
    if way is Way.PASS:
        return Choice(BodyMode.NONE, way, unseen)
    short = length is not None and length <= min(most, BUFFERED_MOST)
    if way is Way.HOLD and (short or trailers):
        return Choice(BodyMode.BUFFERED, way)
    return Choice(BodyMode.STREAMED, way)


_WAYS = {Need.NONE: Way.PASS, Need.STREAM: Way.FLOW, Need.WHOLE: Way.HOLD}
_GRPC = b"application/grpc"


def _upgrades(head: RequestHead) -> bool:
    # Whoever could have a body taken for a tunnel by writing a header would not be looked at: so
    # only what WebSocket clients send (RFC 6455, 4.1), and nothing that promises a body.
    headers = head.headers
    return (
        b"upgrade" in headers
        and head.method == b"GET"
        and b"content-length" not in headers
        and b"transfer-encoding" not in headers
        and b"upgrade" in (headers.joined(b"connection") or b"").lower()
    )


def _media_type(value: bytes | None) -> bytes:
    media = (value or b"").partition(b";")[0].strip().lower()
    # `application/grpc+proto` is gRPC; gRPC-Web (`application/grpc-web`) is too, and streams.
    return _GRPC if media.startswith(_GRPC) else media

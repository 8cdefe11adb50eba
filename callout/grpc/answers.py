"""What goes back beside messages: response heads and trailers, as constant header blocks.

Encoded without HPACK state, so that one block serves every connection (`literal_block`).
Sources: gRPC over HTTP/2, "Responses" and "Trailers-Only"; RFC 9110 for 405 and 415.
"""

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from callout.grpc.call import Code, Status
from callout.http2.hpack import literal_block

MAX_STATUS_MESSAGE = 1024
"""Characters of a status message that are sent: peers limit header lists, often to 8 KiB."""

# Printable ASCII but `%`: what "Percent-Byte-Unencoded" allows.
_AS_IT_IS = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")

_STATUS_200 = (b":status", b"200")
_GRPC = (b"content-type", b"application/grpc")

OK_HEAD = literal_block([_STATUS_200, _GRPC])
"""The head of an answer that has a message, or may have one later."""
OK_TRAILERS = literal_block([(b"grpc-status", b"0")])
"""The end of a call that succeeded."""


def percent_encode(message: str) -> bytes:
    """A status message as a header value: UTF-8 with everything unprintable and `%` escaped."""
    return quote(message[:MAX_STATUS_MESSAGE], safe=_AS_IT_IS, errors="replace").encode("ascii")


def status_fields(status: Status) -> list[tuple[bytes, bytes]]:
    """The header fields of a status."""
    fields = [(b"grpc-status", b"%d" % status.code)]
    if status.message:
        fields.append((b"grpc-message", percent_encode(status.message)))
    return fields


# Services refuse with few different statuses; 256 of at most 3 KiB each are no burden.
@lru_cache(maxsize=256)
def trailers(status: Status) -> bytes:
    """The block that ends a call whose head was sent already."""
    return literal_block(status_fields(status))


@lru_cache(maxsize=256)
def trailers_only(status: Status) -> bytes:
    """The block that is the whole answer: head and status in one."""
    return literal_block([_STATUS_200, _GRPC, *status_fields(status)])


class Refusal(NamedTuple):
    """A whole answer that is known from the request's head alone."""

    word: str
    """A stable word to count it by."""
    head: bytes
    """The header block; it ends the stream when there is no body."""
    body: bytes = b""


def _plain(word: str, status: bytes, text: bytes, *more: tuple[bytes, bytes]) -> Refusal:
    length = b"%d" % len(text)
    fields = [(b":status", status), (b"content-type", b"text/plain"), (b"content-length", length)]
    return Refusal(word, literal_block([*fields, *more]), text)


NOT_GRPC = _plain("not_grpc", b"415", b"Only application/grpc is answered here.\n")
"""The content-type is no gRPC: the one case that the gRPC specification answers by HTTP status."""

NOT_POST = _plain("not_post", b"405", b"gRPC calls are POST requests.\n", (b"allow", b"POST"))

UNKNOWN_SERVICE = Refusal(
    "unknown_service", trailers_only(Status(Code.UNIMPLEMENTED, "unknown service"))
)
UNKNOWN_METHOD = Refusal(
    "unknown_method", trailers_only(Status(Code.UNIMPLEMENTED, "unknown method"))
)
UNKNOWN_ENCODING = Refusal(
    "unknown_encoding",
    literal_block(
        [
            _STATUS_200,
            _GRPC,
            *status_fields(Status(Code.UNIMPLEMENTED, "grpc-encoding is not supported")),
            (b"grpc-accept-encoding", b"identity,gzip"),
        ]
    ),
)

# As grpc-go: the status that the specification maps HTTP 400 to. Taking the value for "no
# timeout" (as grpcio does) would let a broken client wait for ever.
BAD_TIMEOUT = Refusal(
    "bad_timeout",
    literal_block(
        [
            (b":status", b"400"),
            _GRPC,
            *status_fields(Status(Code.INTERNAL, "malformed grpc-timeout")),
        ]
    ),
)

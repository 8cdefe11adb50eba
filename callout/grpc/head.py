"""What a request's headers mean, worked out once for a header block.

The HTTP/2 connection memoises `Interpreter` with the block, so a gateway that repeats its
headers pays for this once a connection, not once a request.
"""

from callout.grpc.answers import BAD_TIMEOUT, NOT_GRPC, NOT_POST, UNKNOWN_ENCODING, Refusal
from callout.grpc.call import Metadata, Reply, Streaming, Unary
from callout.grpc.framing import frame
from callout.grpc.methods import Methods
from callout.grpc.timeout import parse_timeout

# A client that says one of these twice contradicts itself: the answer is the one for nonsense.
_ONCE = {
    b"content-type": NOT_GRPC,
    b"grpc-encoding": UNKNOWN_ENCODING,
    b"grpc-timeout": BAD_TIMEOUT,
}


class Head:
    """A call that can begin."""

    __slots__ = ("gzip", "metadata", "method", "overloaded", "timeout", "unary")

    def __init__(
        self, method: Unary | Streaming, timeout: float | None, gzip: bool, metadata: Metadata
    ) -> None:
        self.method = method
        self.unary = method.handler if isinstance(method, Unary) else None
        """The handler of a unary method, at hand for the fast way."""
        overloaded = method.overloaded if isinstance(method, Unary) else None
        self.overloaded: Reply | None = (
            frame(overloaded) if isinstance(overloaded, bytes) else overloaded
        )
        """The answer of `Unary.overloaded`, a message framed already."""
        self.timeout = timeout
        """Seconds that the caller waits; None: for ever."""
        self.gzip = gzip
        """Whether messages may be compressed."""
        self.metadata = metadata
        """The request headers as sent."""


def _is_grpc(content_type: bytes) -> bool:
    kind = content_type.partition(b";")[0].strip().lower()
    return kind in (b"application/grpc", b"application/grpc+proto")


class Interpreter:
    """From a validated header list to the call that it opens, or the answer that refuses it."""

    __slots__ = ("_methods",)

    def __init__(self, methods: Methods) -> None:
        self._methods = methods

    def __call__(self, headers: list[tuple[bytes, bytes]]) -> Head | Refusal:
        """Interpret one header list. Pure: equal lists give equal results.

        Args:
            headers: (name, value) in the order sent, names in lower case, validated by HTTP/2.
        """
        known: dict[bytes, bytes] = {}
        for name, value in headers:
            if name in known and name in _ONCE:
                return _ONCE[name]
            known[name] = value
        if not _is_grpc(known.get(b"content-type", b"")):
            return NOT_GRPC
        if known.get(b":method") != b"POST":
            return NOT_POST
        method = self._methods.find(known.get(b":path", b""))
        if isinstance(method, Refusal):
            return method
        encoding = known.get(b"grpc-encoding", b"identity")
        if encoding not in (b"identity", b"gzip"):
            return UNKNOWN_ENCODING
        timeout: float | None = None
        if b"grpc-timeout" in known:
            timeout = parse_timeout(known[b"grpc-timeout"])
            if timeout is None:
                return BAD_TIMEOUT
        return Head(method, timeout, encoding == b"gzip", headers)

"""The contract between a transport and a service: bytes in, bytes out.

A handler gets the serialized request message and the `Call`; it returns the serialized
response, or a `Status` when there is none, or an awaitable of either. A handler that needs no
I/O returns at once, and then no task is made: that is what makes the unary path fast.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeAlias


class Code(IntEnum):
    """gRPC status codes (google/rpc/code.proto)."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class Status(NamedTuple):
    """How a call ended when it ended without a response message."""

    code: Code
    message: str = ""


Metadata: TypeAlias = Sequence[tuple[bytes, bytes]]


class Call:
    """What a handler may know of the call around its message.

    A plain class with slots: one is made for every request.
    """

    __slots__ = ("deadline", "metadata", "peer")

    def __init__(self, metadata: Metadata, deadline: float | None, peer: str) -> None:
        self.metadata = metadata
        """Request headers as sent, lower-case names, pseudo-headers included."""
        self.deadline = deadline
        """When the caller stops waiting, in seconds of `time.monotonic`; None: never."""
        self.peer = peer
        """The other end of the connection: `127.0.0.1:40312`, or `unix:`."""


Reply: TypeAlias = bytes | Status
UnaryHandler: TypeAlias = Callable[[bytes, Call], Reply | Awaitable[Reply]]
StreamHandler: TypeAlias = Callable[[AsyncIterator[bytes], Call], AsyncIterator[Reply]]
"""Yields messages; a `Status` that is yielded ends the stream; so does the end (status OK)."""


@dataclass(frozen=True, slots=True)
class Unary:
    """One request message, one response message."""

    path: str
    """`/package.Service/Method`."""
    handler: UnaryHandler
    overloaded: Reply | None = None
    """What is answered at once, unread, when more is asked than the process can answer in time:
    made beforehand, the same for every request. None: this method is never refused so."""


@dataclass(frozen=True, slots=True)
class Streaming:
    """Messages both ways until either side ends."""

    path: str
    """`/package.Service/Method`."""
    handler: StreamHandler


@dataclass(frozen=True, slots=True)
class Face:
    """One thing that this process answers: `authz`, `limit`."""

    name: str
    service: str
    """The full gRPC service name, as health checks and reflection name it."""
    methods: tuple[Unary | Streaming, ...]

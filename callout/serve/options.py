"""How a server behaves: one frozen object, every field explained."""

from dataclasses import dataclass, field
from typing import Literal

from callout.grpc.health import HealthBoard
from callout.http2.limits import Limits
from callout.serve.admission import AdmissionOptions
from callout.serve.certificates import Certificates
from callout.serve.counters import Counters
from callout.serve.tls import ServerTls


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Settings of one server, the same for both transports unless a field says otherwise."""

    transport: Literal["own", "grpcio"] = "own"
    """`own`: this project's HTTP/2, ten times cheaper a call. `grpcio`: the second opinion."""
    tls: ServerTls | None = None
    """TLS on TCP listeners. Unix sockets are guarded by their file's permissions instead."""
    certificates: Certificates | None = None
    """What the files of `tls` held when they were judged. None: they are read at the start. The
    server never looks again; `Server.renew` gives it others."""
    limits: Limits = field(default_factory=Limits)
    """Of HTTP/2: streams, headers, floods. grpcio takes the number of streams and leaves the rest
    to its own rules."""
    max_message: int = 4 << 20
    """Bytes of one request message, as sent and decompressed. 4 MiB, as gRPC's own default."""
    max_buffered: int = 16 << 20
    """Bytes of requests that one connection may make us keep, because they are incomplete, not
    taken by their handler or not answered yet; own transport."""
    max_buffered_total: int = 256 << 20
    """The same over all connections of a worker: beyond it the connections that hold the most are
    cut off, until a quarter is free. Own transport."""
    health: HealthBoard = field(default_factory=HealthBoard)
    """Says what serves; `drain` takes it down."""
    reflection: bool = False
    """Whether to answer server reflection."""
    reuse_port: bool = False
    """Whether other sockets may listen on the same TCP ports (SO_REUSEPORT)."""
    max_connections: int = 10_000
    """Connections open at a time, unfinished handshakes included. For one more, the one that has
    been without a call for the longest is cut off; if all have calls, it is closed at once. A
    gateway has a few. Own transport."""
    max_per_address: int = 0
    """Connections from one address; 0: as many as there may be. Own transport."""
    handshake: float = 10.0
    """Seconds that a TLS handshake may take: its three round trips, many times over."""
    vanished: float = 60.0
    """Seconds until a TCP peer that does not answer its system's probes any more is given up: one
    that lost power says no goodbye."""
    max_calls: int = 10_000
    """Calls in progress, over all connections, beyond which no stream is opened, and a unary call
    that would have to wait is answered with `Unary.overloaded`: each costs some kilobytes for as
    long as its client, or who it waits for, likes."""
    admission: AdmissionOptions | None = None
    """When calls are refused because there are too many (`Unary.overloaded`). None: never. Own
    transport."""
    max_age: float = 3600.0
    """Seconds until a connection is asked to go (GOAWAY), give or take a tenth so that not all
    go at once: clients come back, and then also to servers that are newer."""
    max_age_grace: float = 30.0
    """Seconds that calls have to end after that, before the connection is cut."""
    idle: float = 900.0
    """Seconds without a call until a connection is asked to go."""
    request_seconds: float = 30.0
    """Seconds that a unary request may take to arrive; own transport."""
    stalled: float = 20.0
    """Seconds that a client may leave our answers unread until it is cut off; own transport."""
    write_buffer: int = 256 << 10
    """Bytes of answers that wait in a connection until nothing more is read from it."""
    counters: Counters = field(default_factory=Counters)
    """Where the server counts."""

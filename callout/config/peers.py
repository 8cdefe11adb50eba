"""Settings of what peers of the gRPC listener may cost: `connections` and `http2`.

The fields of `Http2` are those of `callout.http2.limits.Limits`, which has the reasons; tests hold
the two together.
"""

from typing import Annotated

import pydantic

from callout.config.validate import Block
from callout.http2.limits import Limits


class Connections(Block):
    """How many connections there may be, how long they live, and what they may make us keep.

    The transport grpcio knows `max`, `handshake`, `vanished`, `max_age`, `max_age_grace`, `idle`.
    """

    max: Annotated[int, pydantic.Field(ge=1, le=1_000_000)] = 10_000
    """Connections of one worker at a time, unfinished handshakes included; fewer if the system
    allows fewer descriptors. For one more, the one that has been without a call for the longest is
    cut off; if all have calls, it is closed at once. A gateway has a few."""
    max_per_address: Annotated[int, pydantic.Field(ge=0, le=1_000_000)] = 0
    """The same for one client address. 0: as many as there may be, since all connections of a
    gateway come from one."""
    handshake: Annotated[float, pydantic.Field(ge=0.1, le=600)] = 10.0
    """Seconds that a TLS handshake may take: its three round trips, many times over."""
    vanished: Annotated[float, pydantic.Field(ge=4, le=7200)] = 60.0
    """Seconds until a TCP peer that does not answer its system's probes is given up: one that lost
    power says no goodbye."""
    max_age: Annotated[float, pydantic.Field(ge=1, le=31_536_000)] = 3600.0
    """Seconds until a connection is asked to go (GOAWAY), give or take a tenth: clients come back,
    and then also to servers that are newer."""
    max_age_grace: Annotated[float, pydantic.Field(ge=0, le=86_400)] = 30.0
    """Seconds that calls have to end after that, before the connection is cut off."""
    idle: Annotated[float, pydantic.Field(ge=1, le=31_536_000)] = 900.0
    """Seconds without a call until a connection is asked to go."""
    request_seconds: Annotated[float, pydantic.Field(ge=0.1, le=86_400)] = 30.0
    """Seconds that a unary request may take to arrive, once it has begun."""
    stalled: Annotated[float, pydantic.Field(ge=1, le=86_400)] = 20.0
    """Seconds that a client may leave answers unread until it is cut off."""
    write_buffer: Annotated[int, pydantic.Field(ge=1024, le=64 << 20)] = 256 << 10
    """Bytes of answers that wait in a connection until nothing more is read from it."""
    max_calls: Annotated[int, pydantic.Field(ge=1, le=10_000_000)] = 10_000
    """Calls of one worker that wait for their answer; one more gets the verdict of `overload`. Each
    costs some kilobytes for as long as it takes."""
    max_buffered: Annotated[int, pydantic.Field(ge=1 << 20, le=1 << 40)] = 16 << 20
    """Bytes of requests that one connection may make us keep: incomplete or not answered yet."""
    max_buffered_total: Annotated[int, pydantic.Field(ge=1 << 20, le=1 << 40)] = 256 << 20
    """The same over all connections of a worker; beyond it those that hold the most are cut
    off, until a quarter is free."""


class Http2(Block):
    """Bounds of one connection; counts are per `interval`. For grpcio see operations.md."""

    max_streams: Annotated[int, pydantic.Field(ge=1, le=2**31 - 1)] = 1024
    """Requests in progress at a time (SETTINGS_MAX_CONCURRENT_STREAMS). Those above it get
    REFUSED_STREAM, which tells the client that retrying is safe. A gateway opens another
    connection instead. As many as Envoy opens before it has heard of ours."""
    header_list: Annotated[int, pydantic.Field(ge=1024, le=2**24)] = 32 << 10
    """Bytes of one header list as RFC 9113, 6.5.2 counts them: name + value + 32 a field
    (SETTINGS_MAX_HEADER_LIST_SIZE). A larger one is answered with status 431, because the other
    requests of the connection are not to blame."""
    header_block: Annotated[int, pydantic.Field(ge=1024, le=2**24)] = 64 << 10
    """Bytes of one header block, both as sent and expanded. More than this is not even decoded,
    and as the compression state is lost then, the connection ends: HPACK bombs stop here."""
    continuations: Annotated[int, pydantic.Field(ge=0, le=2**16)] = 8
    """CONTINUATION frames of one header block (CONTINUATION flood, CVE-2024-27316). 64 KiB in
    frames of 16 KiB need 3."""
    header_table: Annotated[int, pydantic.Field(ge=0, le=2**16)] = 4096
    """Bytes of the table that the client's header compression fills (SETTINGS_HEADER_TABLE_SIZE,
    the protocol's default). A client whose headers repeat needs no more; memory a connection."""
    frame_size: Annotated[int, pydantic.Field(ge=2**14, le=2**24 - 1)] = 1 << 14
    """Bytes of the payload of a frame that we take (SETTINGS_MAX_FRAME_SIZE). The protocol's
    minimum: it is also what waits in memory while a frame is incomplete."""
    stream_window: Annotated[int, pydantic.Field(ge=1, le=2**31 - 1)] = 256 << 10
    """Bytes that a client may send on a stream before the application took them. A body of 64 KiB
    never waits for an update; a stream that nobody reads costs no more than this."""
    connection_window: Annotated[int, pydantic.Field(ge=65_535, le=2**31 - 1)] = 4 << 20
    """The same over all streams: what a connection can make this process hold."""
    queued_output: Annotated[int, pydantic.Field(ge=1, le=2**40)] = 8 << 20
    """Bytes of answers that wait because the client's windows are closed (slow readers)."""
    interval: Annotated[float, pydantic.Field(ge=0.1, le=3600)] = 10.0
    """Seconds over which the following are counted."""
    resets: Annotated[int, pydantic.Field(ge=0, le=2**31)] = 10_000
    """Requests that the client cancels, or makes us reset by breaking rules, an interval (rapid
    reset, CVE-2023-44487; MadeYouReset, CVE-2025-8671): a thousand a second cost about a twentieth
    of a core. More are fine while most requests end well: a gateway cancels what takes it too long,
    and what its own clients leave, and one that does so often has others that must not suffer."""
    pings: Annotated[int, pydantic.Field(ge=0, le=2**31)] = 1000
    """PING frames an interval (CVE-2019-9512). Clients that measure bandwidth send some ten a
    second."""
    settings: Annotated[int, pydantic.Field(ge=1, le=2**31)] = 100
    """SETTINGS frames an interval (CVE-2019-9515). Each may touch every open stream."""
    empty_frames: Annotated[int, pydantic.Field(ge=0, le=2**31)] = 1000
    """Frames an interval that carry nothing: DATA and CONTINUATION without payload, PRIORITY,
    unknown types, frames for streams that are gone (CVE-2019-9518, CVE-2019-9513). A reset that
    crosses its answer is no such frame: every request may have one."""
    window_updates: Annotated[int, pydantic.Field(ge=0, le=2**31)] = 10_000
    """WINDOW_UPDATE frames an interval, beyond the two that every request and every DATA frame
    of ours earns: a client may well answer each of those with an update for stream and
    connection."""
    small_frames: Annotated[int, pydantic.Field(ge=0, le=2**31)] = 10_000
    """DATA frames an interval that carry less than 64 bytes and end nothing, beyond one a request:
    each costs us as much as a frame of 16 KiB, and the client ten bytes. Some clients send the
    five bytes before a message by themselves."""
    frame_seconds: Annotated[float, pydantic.Field(ge=0.1, le=3600)] = 30.0
    """Seconds that a frame, or a header block in several, may take to arrive once it has begun: a
    client that sends a byte now and then holds a connection, and what it sent of the frame."""
    settings_seconds: Annotated[float, pydantic.Field(ge=0.1, le=3600)] = 10.0
    """Seconds until the client must have acknowledged our SETTINGS. Also ends connections that
    never say anything, or not enough."""
    goaway_seconds: Annotated[float, pydantic.Field(ge=0.1, le=3600)] = 1.0
    """Seconds that a graceful GOAWAY waits for the answer to its PING before streams that the
    client opened meanwhile are refused (RFC 9113, 6.8)."""

    def limits(self) -> Limits:
        """For the transport."""
        return Limits(**self.model_dump())

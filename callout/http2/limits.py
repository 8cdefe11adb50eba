"""What one connection may cost. Every size that a peer chooses has a bound here."""

from dataclasses import dataclass

_RANGES = {
    "max_streams": (1, 2**31 - 1),
    "header_list": (1024, 2**24),
    "header_block": (1024, 2**24),
    "continuations": (0, 2**16),
    "header_table": (0, 2**16),
    "frame_size": (2**14, 2**24 - 1),
    "stream_window": (1, 2**31 - 1),
    "connection_window": (65_535, 2**31 - 1),
    "queued_output": (1, 2**40),
    "resets": (0, 2**31),
    "pings": (0, 2**31),
    "settings": (1, 2**31),
    "empty_frames": (0, 2**31),
    "window_updates": (0, 2**31),
    "small_frames": (0, 2**31),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one connection. The defaults suit a gateway's callouts and are safe for others.

    Raises:
        ValueError: a value that the protocol does not allow.
    """

    max_streams: int = 1024
    """Requests in progress at a time (SETTINGS_MAX_CONCURRENT_STREAMS). Those above it get
    REFUSED_STREAM, which tells the client that retrying is safe. A gateway opens another
    connection instead. As many as Envoy opens before it has heard of ours."""

    header_list: int = 32 << 10
    """Bytes of one header list as RFC 9113, 6.5.2 counts them: name + value + 32 a field
    (SETTINGS_MAX_HEADER_LIST_SIZE). A larger one is answered with status 431, because the other
    requests of the connection are not to blame."""

    header_block: int = 64 << 10
    """Bytes of one header block, both as sent and expanded. More than this is not even decoded,
    and as the compression state is lost then, the connection ends: HPACK bombs stop here."""

    continuations: int = 8
    """CONTINUATION frames of one header block (CONTINUATION flood, CVE-2024-27316). 64 KiB in
    frames of 16 KiB need 3."""

    header_table: int = 4096
    """Bytes of the table that the client's header compression fills (SETTINGS_HEADER_TABLE_SIZE,
    the protocol's default). A client whose headers repeat needs no more; memory a connection."""

    frame_size: int = 1 << 14
    """Bytes of the payload of a frame that we take (SETTINGS_MAX_FRAME_SIZE). The protocol's
    minimum: it is also what waits in memory while a frame is incomplete."""

    stream_window: int = 256 << 10
    """Bytes that a client may send on a stream before the application took them. A body of 64 KiB
    never waits for an update; a stream that nobody reads costs no more than this."""

    connection_window: int = 4 << 20
    """The same over all streams: what a connection can make this process hold."""

    queued_output: int = 8 << 20
    """Bytes of answers that wait because the client's windows are closed (slow readers)."""

    interval: float = 10.0
    """Seconds over which the following are counted."""

    resets: int = 10_000
    """Requests that the client cancels, or makes us reset by breaking rules, an interval (rapid
    reset, CVE-2023-44487; MadeYouReset, CVE-2025-8671): a thousand a second cost about a twentieth
    of a core. More are fine while most requests end well: a gateway cancels what takes it too long,
    and what its own clients leave, and one that does so often has others that must not suffer."""

    pings: int = 1000
    """PING frames an interval (CVE-2019-9512). Clients that measure bandwidth send some ten a
    second."""

    settings: int = 100
    """SETTINGS frames an interval (CVE-2019-9515). Each may touch every open stream."""

    empty_frames: int = 1000
    """Frames an interval that carry nothing: DATA and CONTINUATION without payload, PRIORITY,
    unknown types, frames for streams that are gone (CVE-2019-9518, CVE-2019-9513). A reset that
    crosses its answer is no such frame: every request may have one."""

    window_updates: int = 10_000
    """WINDOW_UPDATE frames an interval, beyond the two that every request and every DATA frame
    of ours earns: a client may well answer each of those with an update for stream and
    connection."""

    small_frames: int = 10_000
    """DATA frames an interval that carry less than 64 bytes and end nothing, beyond one a request:
    each costs us as much as a frame of 16 KiB, and the client ten bytes. Some clients send the
    five bytes before a message by themselves."""

    frame_seconds: float = 30.0
    """Seconds that a frame, or a header block in several, may take to arrive once it has begun: a
    client that sends a byte now and then holds a connection, and what it sent of the frame."""

    settings_seconds: float = 10.0
    """Seconds until the client must have acknowledged our SETTINGS. Also ends connections that
    never say anything, or not enough."""

    goaway_seconds: float = 1.0
    """Seconds that a graceful GOAWAY waits for the answer to its PING before streams that the
    client opened meanwhile are refused (RFC 9113, 6.8)."""

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name}: expected {least} to {most}, found {value}")
        for name in ("interval", "frame_seconds", "settings_seconds", "goaway_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected more than 0 seconds")

"""The state of one open stream (RFC 9113, 5.1)."""


class Stream:
    """A request in progress. Streams that are closed have no object.

    Open: neither side ended. Half-closed: one did. One is made for every request, so it is small.
    """

    __slots__ = (
        "answered",
        "credit",
        "expected",
        "held",
        "local_ended",
        "pending",
        "receive_window",
        "remote_ended",
        "send_window",
        "tail",
    )

    def __init__(self, send_window: int, receive_window: int, remote_ended: bool) -> None:
        self.send_window = send_window
        """Bytes that we may send; negative when the client made its windows smaller."""
        self.receive_window = receive_window
        """Bytes that the client may still send."""
        self.remote_ended = remote_ended
        """Whether the client sent END_STREAM."""
        self.local_ended = False
        """Whether END_STREAM of ours was sent, or waits behind `pending`."""
        self.answered = False
        """Whether an answer has begun that did not end the stream at once."""
        self.held = 0
        """Bytes given to the application, which it has not consumed."""
        self.credit = 0
        """Bytes consumed that the client was not told of."""
        self.expected = -1
        """Bytes of body still to come by content-length; -1: it was not declared."""
        self.pending: bytearray | None = None
        """Data that the windows did not allow; never empty."""
        self.tail: bytes | None = None
        """The header block of trailers behind `pending`."""

"""What the server sends: answers under flow control, resets, credit (RFC 9113, 5.2 and 6.9).

Everything is appended to a list of pieces that `outgoing` joins, so that the answers to one batch
of requests leave in one write.
"""

from collections import OrderedDict

from callout.http2 import frames
from callout.http2.errors import ErrorCode
from callout.http2.events import Drained, Terminated
from callout.http2.frames import SENT_FRAME_SIZE
from callout.http2.limits import Limits
from callout.http2.stream import Stream

REMEMBERED = 1024
"""Streams that we reset whose late frames are ignored. When the thousand-and-first is reset, frames
for the first are answered with STREAM_CLOSED: by then it has long heard of its reset."""

# The first five bytes of a HEADERS frame by the length of its block, without and with END_STREAM:
# looking them up makes an answer 0.15 us cheaper than packing three frame headers.
_SHORT = 512
_HEADERS = [
    (size << 8 | frames.HEADERS).to_bytes(4, "big") + bytes((frames.END_HEADERS,))
    for size in range(_SHORT)
]
_LAST_HEADERS = [
    (size << 8 | frames.HEADERS).to_bytes(4, "big")
    + bytes((frames.END_HEADERS | frames.END_STREAM,))
    for size in range(_SHORT)
]


class Outbound:
    """The sending half of a connection."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.queued = 0
        """Bytes held back because the client's windows are closed, over all streams."""
        self.terminated: Terminated | None = None
        """Why the connection is over. Also set when it ends outside `receive` and `tick`."""
        self._out: list[bytes] = []
        self._streams: dict[int, Stream] = {}
        self._ready: OrderedDict[int, Stream] = OrderedDict()  # wait for the connection's window
        self._reset_ids: OrderedDict[int, None] = OrderedDict()
        self._last_id = -1
        self._send_window = frames.INITIAL_WINDOW
        self._initial_send = frames.INITIAL_WINDOW
        self._receive_window = limits.connection_window
        self._credit = 0
        self._connection_half = max(1, limits.connection_window // 2)
        self._stream_half = max(1, limits.stream_window // 2)
        self._shrink_table = False  # the next block must begin with a table size update
        self._frames_sent = 0  # DATA frames of streaming answers, this interval
        self._final = False  # the last GOAWAY was sent: nothing new begins
        self._taken = frames.MAX_STREAM_ID  # the last stream that a GOAWAY has named
        self._unreported: Terminated | None = None

    @property
    def open_streams(self) -> int:
        """Requests in progress: not answered, not read to the end, or still waiting to be sent."""
        return len(self._streams)

    @property
    def final(self) -> bool:
        """Whether the GOAWAY that names the last stream is queued or sent."""
        return self._final

    @property
    def closed(self) -> bool:
        """Nothing more will happen: write `outgoing()`, then close."""
        return self.terminated is not None or (self._final and not self._streams)

    def outgoing(self) -> bytes:
        """Take what must be written now; b"" if nothing."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    def respond(self, stream_id: int, head: bytes, data: bytes, trailers: bytes) -> None:
        """Send a whole answer: headers, one piece of data, trailers that end the stream.

        Args:
            stream_id: of a request; nothing is sent if it is gone or was answered.
            head: header block, see `literal_block`.
            data: the body; what the client's windows do not allow waits.
            trailers: header block.
        """
        stream = self._streams.get(stream_id)
        if stream is None or stream.local_ended:
            return
        size = len(data)
        if (
            size <= self._send_window
            and size <= stream.send_window
            and 0 < size <= SENT_FRAME_SIZE
            and len(head) < _SHORT
            and len(trailers) < _SHORT
            and stream.pending is None
            and not self._shrink_table
        ):
            number = stream_id.to_bytes(4, "big")
            self._out.append(
                b"".join(
                    (
                        _HEADERS[len(head)],
                        number,
                        head,
                        (size << 8).to_bytes(4, "big"),  # and type 0: DATA
                        b"\0",
                        number,
                        data,
                        _LAST_HEADERS[len(trailers)],
                        number,
                        trailers,
                    )
                )
            )
            self._send_window -= size
            stream.send_window -= size
            stream.local_ended = True
            if stream.remote_ended:
                del self._streams[stream_id]
                if stream.held:
                    self._credit_connection(stream.held)
            return
        self.send_headers(stream_id, head)
        self.send_data(stream_id, data)
        self.send_headers(stream_id, trailers, True)

    def send_headers(self, stream_id: int, block: bytes, end_stream: bool = False) -> None:
        """Send a header block: the head of an answer, or with `end_stream` perhaps its trailers.

        Raises:
            ValueError: headers that do not end the stream, after data that still waits.
        """
        stream = self._streams.get(stream_id)
        if stream is None or stream.local_ended:
            return
        if stream.pending is None:
            self._frame_headers(stream_id, block, end_stream)
            if end_stream:
                self._end_local(stream_id, stream)
            else:
                stream.answered = True
            return
        if not end_stream:
            raise ValueError("headers after data must end the stream")
        stream.tail = block
        stream.local_ended = True
        self._hold(len(block))

    def send_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> bool:
        """Send a piece of the body.

        Returns:
            Whether all of it was framed. If not, a `Drained` event will follow, unless the stream
            is reset.
        """
        stream = self._streams.get(stream_id)
        if stream is None or stream.local_ended:
            return True
        if stream.pending is not None:
            stream.local_ended = end_stream
            stream.pending += data
            self._hold(len(data))
            return False
        at = 0
        while at < len(data):
            room = min(self._send_window, stream.send_window, SENT_FRAME_SIZE)
            if room <= 0:
                stream.pending = bytearray(data[at:] if at else data)
                stream.local_ended = end_stream
                if stream.send_window > 0:
                    self._ready[stream_id] = stream
                self._hold(len(data) - at)
                return False
            piece = data[at : at + room]
            at += len(piece)
            self._frame_data(stream_id, stream, piece, end_stream and at == len(data))
        if end_stream:
            if not data:
                self._frame_data(stream_id, stream, b"", True)
            self._end_local(stream_id, stream)
        return True

    def reset(self, stream_id: int, code: ErrorCode) -> None:
        """End a stream at once; what waited for it is dropped, late frames for it are ignored."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._drop(stream_id, stream)
            self._send_reset(stream_id, code)

    def consumed(self, stream_id: int, size: int) -> None:
        """The application took `size` bytes of a stream: let the client send as many more.

        What was not consumed when a stream ends counts as consumed then.

        Args:
            stream_id: the stream; nothing happens if it is gone.
            size: bytes, the sum of `Data.flow`.
        """
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        size = min(size, stream.held)
        stream.held -= size
        self._credit_connection(size)
        if stream.remote_ended:
            return
        stream.credit += size
        if stream.credit >= self._stream_half:
            self._out.append(frames.window_update(stream_id, stream.credit))
            stream.receive_window += stream.credit
            stream.credit = 0

    def _credit_connection(self, size: int) -> None:
        self._credit += size
        if self._credit >= self._connection_half:
            self._out.append(frames.window_update(0, self._credit))
            self._receive_window += self._credit
            self._credit = 0

    def _frame_headers(self, stream_id: int, block: bytes, end_stream: bool) -> None:
        if self._shrink_table:
            # The client made its table smaller, and must hear that ours is (RFC 9113, 4.3.1). Our
            # blocks use no table at all, so size 0, once.
            self._shrink_table = False
            block = b"\x20" + block
        flags = frames.END_STREAM if end_stream else 0
        kind = frames.HEADERS
        out = self._out
        while len(block) > SENT_FRAME_SIZE:
            out.append(frames.pack_head(SENT_FRAME_SIZE << 8 | kind, flags, stream_id))
            out.append(block[:SENT_FRAME_SIZE])
            block = block[SENT_FRAME_SIZE:]
            kind, flags = frames.CONTINUATION, 0
        out.append(frames.pack_head(len(block) << 8 | kind, flags | frames.END_HEADERS, stream_id))
        out.append(block)

    def _frame_data(self, stream_id: int, stream: Stream, piece: bytes, end: bool) -> None:
        size = len(piece)
        self._frames_sent += 1
        self._send_window -= size
        stream.send_window -= size
        self._out.append(frames.pack_head(size << 8, frames.END_STREAM if end else 0, stream_id))
        self._out.append(piece)

    def _end_local(self, stream_id: int, stream: Stream) -> None:
        """END_STREAM of ours has been framed."""
        stream.local_ended = True
        if stream.remote_ended:
            self._drop(stream_id, stream)

    def _drop(self, stream_id: int, stream: Stream) -> None:
        """Forget a stream, whatever its state."""
        del self._streams[stream_id]
        if stream.pending is not None:
            self._ready.pop(stream_id, None)
            self.queued -= len(stream.pending) + len(stream.tail or b"")
        if stream.held:
            self._credit_connection(stream.held)

    def _send_reset(self, stream_id: int, code: ErrorCode) -> None:
        self._out.append(frames.rst_stream(stream_id, code))
        self._reset_ids[stream_id] = None
        if len(self._reset_ids) > REMEMBERED:
            self._reset_ids.popitem(last=False)

    def _hold(self, size: int) -> None:
        """Count bytes that were queued."""
        self.queued += size
        if self.queued > self.limits.queued_output and self.terminated is None:
            self._unreported = self._terminate(ErrorCode.ENHANCE_YOUR_CALM, "queued_output")

    def _flush(self) -> list[Drained]:
        """Frame what the windows allow now, a frame of each stream in turn."""
        drained: list[Drained] = []
        ready = self._ready
        while ready and self._send_window > 0:
            stream_id, stream = ready.popitem(last=False)
            pending = stream.pending
            if pending is None:
                continue
            room = min(self._send_window, stream.send_window, SENT_FRAME_SIZE)
            piece = bytes(pending[:room])
            del pending[:room]
            self.queued -= len(piece)
            if pending:
                self._frame_data(stream_id, stream, piece, False)
                if stream.send_window > 0:
                    ready[stream_id] = stream
                continue
            stream.pending = None
            tail, stream.tail = stream.tail, None
            self._frame_data(stream_id, stream, piece, stream.local_ended and tail is None)
            if tail is not None:
                self.queued -= len(tail)
                self._frame_headers(stream_id, tail, True)
            if stream.local_ended:
                self._end_local(stream_id, stream)
            drained.append(Drained(stream_id))
        return drained

    def _say_goaway(self, code: ErrorCode, debug: bytes) -> None:
        """Name the last stream; one that was refused since the first time stays out (6.8)."""
        self._taken = min(self._taken, max(self._last_id, 0))
        self._out.append(frames.goaway(self._taken, code, debug))

    def _terminate(self, code: ErrorCode, reason: str) -> Terminated:
        """End the connection: GOAWAY, and nothing is kept."""
        self._say_goaway(code, reason.encode())
        self.terminated = Terminated(code, reason)
        self._streams.clear()
        self._ready.clear()
        self._reset_ids.clear()
        self.queued = 0
        return self.terminated

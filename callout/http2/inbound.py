"""Requests as they arrive, with every rule: HEADERS, CONTINUATION, DATA (RFC 9113, 6.1, 6.2, 8).

The usual case of a unary request never gets here: `connection.py` handles it.
"""

from collections.abc import Callable
from typing import Any

from callout.http2 import frames
from callout.http2.control import Control, Events
from callout.http2.errors import ConnectionFault, ErrorCode
from callout.http2.events import Data, HeaderList, Refused, Request, Trailers
from callout.http2.fields import Malformed, check_request, check_trailers, list_size
from callout.http2.frames import END_HEADERS, END_STREAM
from callout.http2.hpack import literal_block
from callout.http2.limits import Limits
from callout.http2.stream import Stream

# Headers of a gateway repeat, so a few blocks are enough; whoever sends more only loses the memo.
_MEMO_BLOCKS = 64
_MEMO_BLOCK_SIZE = 512
_MEMO_LIST_SIZE = 8192  # a short block may stand for 32 KiB, each time kept anew

# Gaps between stream identifiers that are remembered, to tell a skipped one from one that ended.
_MAX_GAPS = 64

_TOO_LARGE = literal_block([(b":status", b"431"), (b"content-length", b"0")])


class _Block:
    """A header block whose CONTINUATION frames are awaited."""

    __slots__ = ("data", "end_stream", "frames", "self_dependent", "since", "stream_id")

    def __init__(
        self, stream_id: int, data: bytes, end_stream: bool, self_dependent: bool, since: float
    ) -> None:
        self.stream_id = stream_id
        self.data = bytearray(data)
        self.end_stream = end_stream
        self.self_dependent = self_dependent
        self.since = since
        """When it began, in the seconds of `now`."""
        self.frames = 0


class Inbound(Control):
    """The receiving half of a connection."""

    def __init__(self, interpret: Callable[[HeaderList], Any], limits: Limits) -> None:
        super().__init__(limits)
        self._interpret = interpret
        self._block: _Block | None = None  # frames of a header block are coming
        self._gaps: list[tuple[int, int]] = []

    def _on_headers(self, flags: int, stream_id: int, payload: bytes, events: Events) -> None:
        if not stream_id & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "stream_id")
        if flags & frames.PADDED:
            payload = _without_padding(payload)
        self_dependent = False
        if flags & frames.PRIORITY_FLAG:
            if len(payload) < 5:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "priority")
            parent = int.from_bytes(payload[:4], "big") & frames.MAX_STREAM_ID
            self_dependent = parent == stream_id
            payload = payload[5:]
        ended = flags & END_STREAM != 0
        if flags & END_HEADERS:
            self._on_block(stream_id, payload, ended, self_dependent, events)
        else:
            self._block = _Block(stream_id, payload, ended, self_dependent, self._now or 0.0)

    def _on_continuation(self, block: _Block, flags: int, payload: bytes, events: Events) -> None:
        block.frames += 1
        block.data += payload
        if block.frames > self.limits.continuations or len(block.data) > self.limits.header_block:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "continuation_flood")
        if not payload:
            self._floods.empty_frame()
        if flags & END_HEADERS:
            self._block = None
            self._on_block(
                block.stream_id, bytes(block.data), block.end_stream, block.self_dependent, events
            )

    def _on_block(
        self, stream_id: int, block: bytes, ended: bool, self_dependent: bool, events: Events
    ) -> None:
        """A whole header block. It is decoded in any case, for the sake of those that follow."""
        headers, touched = self._decoder.decode(block)
        if touched:
            self._memo.clear()
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._on_trailers(stream_id, stream, headers, ended, self_dependent, events)
            return
        if stream_id <= self._last_id:
            self._on_late_headers(stream_id)
            return
        if stream_id > self._last_id + 2:
            self._first_id += stream_id - self._last_id - 2
            self._gaps.append((self._last_id + 2, stream_id))
            del self._gaps[:-_MAX_GAPS]
        self._last_id = stream_id
        size = list_size(headers)
        if size > self.limits.header_list:
            self._refuse_large(stream_id, ended, events)
            return
        checked = check_request(headers)
        if isinstance(checked, Malformed):
            self._fail_stream(stream_id, ErrorCode.PROTOCOL_ERROR, checked.reason, events)
        elif self_dependent:
            self._fail_stream(stream_id, ErrorCode.PROTOCOL_ERROR, "priority", events)
        elif ended and checked > 0:
            self._fail_stream(stream_id, ErrorCode.PROTOCOL_ERROR, "content_length", events)
        elif self._final:
            self._fail_stream(stream_id, ErrorCode.REFUSED_STREAM, "going_away", events)
        elif len(self._streams) >= self.limits.max_streams:
            self._fail_stream(stream_id, ErrorCode.REFUSED_STREAM, "too_many_streams", events)
        else:
            head = self._interpret(headers)
            stream = Stream(self._initial_send, self._initial_receive, ended)
            stream.expected = -1 if ended else checked
            self._streams[stream_id] = stream
            events.append(Request(stream_id, head, ended))
            if not touched and len(block) <= _MEMO_BLOCK_SIZE and size <= _MEMO_LIST_SIZE:
                # content-length too: clients that send it (nghttp2) do so literally, in blocks that
                # repeat while their messages are of one size. 20 us a request without, 5 with.
                if len(self._memo) >= _MEMO_BLOCKS:
                    self._memo.clear()
                self._memo[block] = head, checked

    def _on_late_headers(self, stream_id: int) -> None:
        """Headers for a stream that is not open any more (RFC 9113, 5.1 and 5.1.1)."""
        if stream_id in self._reset_ids:
            self._floods.empty_frame()
            return
        if any(first <= stream_id < after for first, after in self._gaps):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "stream_id")
        raise ConnectionFault(ErrorCode.STREAM_CLOSED, "closed_stream")

    def _refuse_large(self, stream_id: int, ended: bool, events: Events) -> None:
        self._frame_headers(stream_id, _TOO_LARGE, True)
        if not ended:
            self._send_reset(stream_id, ErrorCode.NO_ERROR)  # the body is not wanted (8.1)
        self._floods.reset(self._begun())
        events.append(Refused(stream_id, ErrorCode.NO_ERROR, "header_list"))

    def _on_trailers(
        self,
        stream_id: int,
        stream: Stream,
        headers: HeaderList,
        ended: bool,
        self_dependent: bool,
        events: Events,
    ) -> None:
        code, reason = ErrorCode.PROTOCOL_ERROR, ""
        malformed = check_trailers(headers) if headers else None
        if stream.remote_ended:
            code, reason = ErrorCode.STREAM_CLOSED, "closed_stream"
        elif not ended:
            reason = "trailers_without_end"
        elif malformed is not None:
            reason = malformed.reason
        elif list_size(headers) > self.limits.header_list:
            code, reason = ErrorCode.ENHANCE_YOUR_CALM, "header_list"
        elif self_dependent:
            reason = "priority"
        elif stream.expected > 0:
            reason = "content_length"
        if reason:
            self._fail_stream(stream_id, code, reason, events)
            return
        events.append(Trailers(stream_id, headers))
        self._end_remote(stream_id, stream)

    def _on_data(self, flags: int, stream_id: int, payload: bytes, events: Events) -> None:
        """DATA, with every rule. The usual case is in `_read_frames`."""
        flow = len(payload)
        ended = flags & END_STREAM != 0
        if stream_id == 0:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "data")
        if flags & frames.PADDED:
            payload = _without_padding(payload)
        if not payload and not ended:
            self._floods.empty_frame()
        elif len(payload) < frames.SMALL and not ended:
            self._floods.small_frame(self._begun())
        self._receive_window -= flow
        if self._receive_window < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "connection_window")
        stream = self._streams.get(stream_id)
        if stream is None:
            self._must_not_be_idle(stream_id)
            self._credit_connection(flow)
            if stream_id not in self._reset_ids:
                self._fail_stream(stream_id, ErrorCode.STREAM_CLOSED, "closed_stream", events)
            return
        stream.held += flow  # given back when the stream is dropped, if not before
        stream.receive_window -= flow
        if stream.remote_ended:
            self._fail_stream(stream_id, ErrorCode.STREAM_CLOSED, "closed_stream", events)
        elif stream.receive_window < 0:
            self._fail_stream(stream_id, ErrorCode.FLOW_CONTROL_ERROR, "stream_window", events)
        elif not self._fits_length(stream, len(payload), ended):
            self._fail_stream(stream_id, ErrorCode.PROTOCOL_ERROR, "content_length", events)
        elif stream.local_ended:
            # The answer is given, nobody reads this. No credit for the stream: it had better end.
            stream.held -= flow
            self._credit_connection(flow)
            if ended:
                events.append(Data(stream_id, b"", 0, True))
                self._end_remote(stream_id, stream)
        else:
            if payload or ended:
                events.append(Data(stream_id, payload, flow, ended))
            if ended:
                self._end_remote(stream_id, stream)
            elif not payload:
                self.consumed(stream_id, flow)  # padding alone, which no event reports

    def _fits_length(self, stream: Stream, size: int, ended: bool) -> bool:
        """Whether a body's next bytes agree with content-length (RFC 9113, 8.1.1)."""
        if stream.expected < 0:
            return True
        stream.expected -= size
        return stream.expected == 0 or (stream.expected > 0 and not ended)

    def _end_remote(self, stream_id: int, stream: Stream) -> None:
        """END_STREAM of the client came."""
        stream.remote_ended = True
        if stream.local_ended and stream.pending is None:
            self._drop(stream_id, stream)


def _without_padding(payload: bytes) -> bytes:
    if not payload:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "padding")
    if payload[0] >= len(payload):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "padding")
    return payload[1 : len(payload) - payload[0]]

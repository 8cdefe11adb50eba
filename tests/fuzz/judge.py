"""What must hold of a server's side, whatever its client sends."""

from typing import Any

from callout.http2 import frames
from callout.http2.connection import Connection
from callout.http2.events import Data, Drained, PeerGoAway, Refused, Request, Reset, Terminated
from callout.http2.frames import SENT_FRAME_SIZE
from callout.http2.limits import Limits
from callout.http2.outbound import REMEMBERED

MEMO_BLOCKS = 64
GAPS = 64


class Broken(AssertionError):
    """Something that must hold does not."""


def must(holds: bool, what: str) -> None:
    """`assert`, with a sentence."""
    if not holds:
        raise Broken(what)


def is_bounded(connection: Connection[Any]) -> None:
    """Everything that a connection keeps is within its limits."""
    limits = connection.limits
    must(len(connection._partial) <= limits.frame_size + 9, "an incomplete frame is too large")
    must(connection.open_streams <= limits.max_streams, "too many streams")
    must(0 <= connection.queued <= limits.queued_output, "too much queued output")
    must(len(connection._memo) <= MEMO_BLOCKS, "too many blocks are remembered")
    must(len(connection._reset_ids) <= REMEMBERED, "too many resets are remembered")
    must(len(connection._gaps) <= GAPS, "too many gaps are remembered")
    must(len(connection._ready) <= connection.open_streams, "streams that are gone are ready")
    block = connection._block
    if block is not None:
        most = limits.header_block + limits.frame_size
        must(len(block.data) <= most, "a header block is too large")
    waiting = held = 0
    for stream in connection._streams.values():
        held += stream.held
        if stream.pending is not None:
            waiting += len(stream.pending) + len(stream.tail or b"")
        must(stream.held >= 0, "a stream has given back more than it got")
    must(waiting == connection.queued, "queued output is miscounted")
    must(held <= limits.connection_window, "more is held than the window allows")


class Events:
    """The order of what a connection reports."""

    def __init__(self, limits: Limits) -> None:
        self.known: set[int] = set()
        """Streams that were reported."""
        self.live: dict[int, bool] = {}
        """Those not reset: whether the client has ended them."""
        self.owed: dict[int, int] = {}
        """Bytes that were given to the application and not given back by it."""
        self.begun: set[int] = set()
        """Streams that the application answers piece by piece."""
        self._limits = limits
        self._last = 0
        self._over = False

    def take(self, events: list[Any]) -> None:
        """Events of one call."""
        for event in events:
            must(not self._over, f"{event} after the end")
            if isinstance(event, Request):
                must(event.stream_id & 1 == 1, "a request on an even stream")
                must(event.stream_id > self._last, "a request on an old stream")
                self._last = event.stream_id
                self.known.add(event.stream_id)
                self.live[event.stream_id] = event.end_stream
            elif isinstance(event, Data):
                self._goes_on(event.stream_id, event.end_stream)
                must(len(event.data) <= event.flow, "data without flow control")
                if event.flow:
                    owed = self.owed.get(event.stream_id, 0) + event.flow
                    most = max(self._limits.stream_window, frames.INITIAL_WINDOW)
                    must(owed <= most, "more on a stream than its window")
                    self.owed[event.stream_id] = owed
            elif isinstance(event, Reset):
                must(event.stream_id in self.live, "a reset of no stream")
                del self.live[event.stream_id]
            elif isinstance(event, Drained):
                must(event.stream_id in self.live, "no stream has drained")
            elif isinstance(event, Terminated):
                self._over = True
            elif not isinstance(event, Refused | PeerGoAway):
                self._goes_on(event.stream_id, True)

    def _goes_on(self, stream_id: int, end: bool) -> None:
        must(self.live.get(stream_id) is False, "more of a request that is no more")
        self.live[stream_id] = end


class Output:
    """The frames that a server sends, in order; keeps what each stream was answered."""

    def __init__(self) -> None:
        self.bodies: dict[int, list[bytes]] = {}
        self.blocks: dict[int, bytes] = {}
        """The last header block of each stream."""
        self.ended: set[int] = set()
        """Streams on which everything was said."""
        self.reset: set[int] = set()
        self.sent = 0
        """Bytes of DATA."""
        self.gone: tuple[int, int] | None = None
        """Last stream and error code of the last GOAWAY."""

    def take(self, data: bytes) -> None:
        """What one write brings: whole frames."""
        at, size = 0, len(data)
        while at < size:
            must(size - at >= 9, "half a frame header is written")
            word, flags, stream_id = frames.unpack_head(data, at)
            end = at + 9 + (word >> 8)
            must(end <= size, "half a frame is written")
            must(word >> 8 <= SENT_FRAME_SIZE, "a frame is too large")
            self._frame(word & 0xFF, flags, stream_id, data[at + 9 : end])
            at = end

    def _frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if kind in (frames.DATA, frames.HEADERS, frames.CONTINUATION):
            must(stream_id not in self.ended, "an answer goes on after its end")
            must(stream_id not in self.reset, "an answer goes on after its reset")
            if kind == frames.DATA:
                self.sent += len(payload)
                self.bodies.setdefault(stream_id, []).append(payload)
            else:
                self.blocks[stream_id] = payload
            if flags & frames.END_STREAM:
                self.ended.add(stream_id)
        elif kind == frames.RST_STREAM:
            must(len(payload) == 4 and stream_id > 0, "a malformed reset")
            self.reset.add(stream_id)
        elif kind == frames.GOAWAY:
            must(len(payload) >= 8 and stream_id == 0, "a malformed GOAWAY")
            last = int.from_bytes(payload[:4], "big")
            must(self.gone is None or last <= self.gone[0], "a GOAWAY takes streams back in")
            self.gone = last, int.from_bytes(payload[4:8], "big")
        elif kind == frames.WINDOW_UPDATE:
            must(0 < int.from_bytes(payload, "big") < 2**31, "an impossible WINDOW_UPDATE")
        else:
            must(kind in (frames.SETTINGS, frames.PING), f"a frame of kind {kind}")

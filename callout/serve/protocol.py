"""One connection of our own transport: asyncio.Protocol outside, `callout.http2` inside.

Everything that one `data_received` brings is answered with one write.
"""

import asyncio
import time
from typing import TYPE_CHECKING, cast

from callout.grpc.answers import Refusal
from callout.grpc.call import Code, Status
from callout.grpc.head import Head
from callout.http2.errors import ErrorCode
from callout.http2.events import (
    Data,
    Drained,
    Event,
    Refused,
    Request,
    Reset,
    Trailers,
)
from callout.serve.address import peer_text
from callout.serve.ageing import Due
from callout.serve.calls import Calls
from callout.serve.live import LiveConnection
from callout.serve.states import Answered, census
from callout.serve.streaming import Stream
from callout.serve.turns import HURRIED, LEAST, TURN, piece_after
from callout.serve.unary import Waiting

if TYPE_CHECKING:
    from callout.serve.own import Core

_LATE = Status(Code.DEADLINE_EXCEEDED, "the request did not arrive in time")


class GrpcProtocol(Calls):
    """Reads one connection, and looks after it."""

    def __init__(self, core: "Core", host: str = "") -> None:
        super().__init__(core, time.monotonic())
        self.host = host
        """Where the connection came from, for those who count by it."""
        self.made = False
        """Whether it has begun."""
        self._admission = core.admission
        self._piece = 2 * LEAST
        self._rest = b""  # of a read, for later turns, from `_rest_at` on
        self._rest_at = 0

    # asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came: let it in, or close at once."""
        self._transport = cast(asyncio.Transport, transport)
        self.made = True
        self._counters.connections += 1
        self._counters.open_connections += 1
        self._peer = peer_text(transport.get_extra_info("peername"))
        refusal = self.core.refuse_connection(self._transport)
        self.core.connections.add(self)
        if refusal:
            self.abort(refusal)
            return
        self._transport.set_write_buffer_limits(high=self.core.options.write_buffer)
        self._http2.start()
        self._flush()

    def connection_lost(self, _error: Exception | None) -> None:
        """The connection ended, by whichever side: nobody waits for our answers any more."""
        self._gone = True
        self._rest = b""
        if self._parts is not None:
            self._parts.cancel()
            self._parts = None
        self._counters.open_connections -= 1
        for state in self._streams.values():
            self._stop(state)
        self._streams.clear()
        self._wake_writers()
        self.core.lost(self)

    def pause_writing(self) -> None:
        """The client reads too slowly: take nothing more from it until it has caught up."""
        self._paused = True
        self._ageing.progressed(time.monotonic())
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._paused = False
        if self._gone or self._transport.is_closing():
            return
        if self._rest:
            self.core.turns.add(self)
        else:
            self._transport.resume_reading()
        self._flush()
        if not self._paused:
            self._wake_writers()

    def data_received(self, data: bytes) -> None:
        """Bytes came: answer all that they complete with one write."""
        now = time.monotonic()
        size = len(data)
        if size > self._piece or self._rest:
            self._wait_for_turns(data, now)
            return
        # As `_work`, without its calls: they would cost a twentieth of an empty unary call.
        admission = self._admission
        if admission is None or now - admission.busy_since <= admission.target:
            self._arrived, self._behind = now, False
        else:
            self._look_behind(now, size)
        self._take(data, now)
        if self._behind:
            self._ask_how_long()
        self._flush()
        took, turn = time.monotonic() - now, HURRIED if self._behind else TURN
        if took > turn and size > LEAST:
            self._piece = piece_after(self._piece, took, turn)

    def _wait_for_turns(self, data: bytes, now: float) -> None:
        """More than a piece came: the first turn is now, unless others wait for theirs."""
        if self._rest:  # a transport that had it already when it was asked to pause
            self._rest += data
            return
        self._rest, self._rest_at = data, 0
        if self._work(now):
            self._transport.pause_reading()
            self.core.turns.add(self)

    def turn(self) -> None:
        """Handle some of what was left."""
        if self._gone or self._paused or not self._rest:
            return
        now = time.monotonic()
        if self._admission is not None:
            # Nobody is read twice while connections take turns, and others would seem to have
            # waited for as many rounds as there are of them.
            self._admission.next_round(now)
        if self._work(now):
            self.core.turns.add(self)
        else:
            self._read_on()

    def _read_on(self) -> None:
        if not (self._paused or self._transport.is_closing()):
            self._transport.resume_reading()

    def _work(self, now: float) -> bool:
        """Pieces, until the turn is over; one write answers all of them. True: some are left."""
        # What comes next may be as old as this.
        self._look_behind(now, more=True)
        turn = HURRIED if self._behind else TURN
        end = now + turn
        while self._rest and now < end:
            at, piece = self._rest_at, self._piece
            data = self._rest[at : at + piece]
            self._take(data, now)
            self._rest_at = at = at + len(data)
            if at >= len(self._rest) or self._http2.terminated is not None:
                self._rest = b""
            began, now = now, time.monotonic()
            if len(data) == piece:
                self._piece = piece_after(piece, now - began, turn)
        if self._behind:
            self._ask_how_long()
        self._flush()
        return self._rest != b""

    def _take(self, data: bytes, now: float) -> None:
        for event in self._http2.receive(data, now):
            # Ordered by how often they come.
            if isinstance(event, Data):
                self._data(event.stream_id, event.data, event.flow, event.end_stream, now)
            elif isinstance(event, Request):
                self._request(event.stream_id, event.head, event.end_stream, now)
            else:
                self._rare(event, now)

    def _look_behind(self, now: float, size: int = 0, more: bool = False) -> None:
        queue = self._queue
        if queue is None:
            self._arrived = now
        else:
            self._behind = queue.begin(now, size, more)
            self._arrived = queue.arrived

    def _ask_how_long(self) -> None:
        queue = self._queue
        assert queue is not None  # noqa: S101  # nobody else says that the loop is behind
        if not self._http2.probing:
            queue.pong()
        if queue.wants_ping(time.monotonic()):
            self._http2.probe()

    # HTTP/2 tells.

    def _rare(self, event: Event[Head | Refusal], now: float) -> None:
        if isinstance(event, Trailers):
            self._data(event.stream_id, b"", 0, True, now)
        elif isinstance(event, Reset):
            state = self._streams.pop(event.stream_id, None)
            if state is not None:
                self._stop(state)
        elif isinstance(event, Drained):
            state = self._streams.get(event.stream_id)
            if isinstance(state, Stream):
                state.drained()
        elif isinstance(event, Refused):
            self.refused(event.reason)

    # Others ask.

    def idle_since(self) -> float | None:
        """When the last call began, or the connection; None: calls are in progress."""
        return None if self._streams or self._transport.is_closing() else self._last_call

    def check(self, now: float) -> None:
        """The rules that need time, once a second."""
        for event in self._http2.tick(now):
            self._rare(event, now)
        self._check_requests(now)
        if self._parting is not None and now >= self._parting.due:
            self._part()
        backlog = self._http2.queued + self._transport.get_write_buffer_size()
        match self._ageing.due(now, backlog, self._last_call, bool(self._streams)):
            case None:
                self._flush()
            case Due.STALLED:
                self.abort("stalled")
            case Due.GRACE:
                self.abort("grace")
            case Due.CLOSED:
                self._transport.abort()  # why it ends was counted when it was closed
            case Due.AGE:
                self.leave("age", now)
            case Due.IDLE:
                self.leave("idle", now)

    def _check_requests(self, now: float) -> None:
        """End requests that came in part only, and streams whose client does not end them."""
        before = now - self.core.options.request_seconds
        for stream_id, state in list(self._streams.items()):
            if isinstance(state, Answered):
                if state.arrived < before:
                    del self._streams[stream_id]
                    self._http2.reset(stream_id, ErrorCode.NO_ERROR)
                continue
            if isinstance(state, Waiting | Stream):
                continue
            head, arrived = state if isinstance(state, tuple) else (state.head, state.arrived)
            late = head.timeout is not None and arrived + head.timeout < now
            if late or arrived < before:
                self._stop(state)
                self._counters.deadline_exceeded += late
                self.refused("late")
                self._end_early(stream_id, _LATE, False, now)

    def live(self, now: float) -> LiveConnection:
        """How it stands, for people."""
        streams, oldest = census(self._streams.values(), now)
        return LiveConnection(
            self._peer,
            now - self._since,
            now - self._last_call,
            self._calls,
            streams,
            now - oldest,
            self._held,
            self._http2.queued + self._transport.get_write_buffer_size(),
            self._paused,
            self._ageing.leaving,
        )

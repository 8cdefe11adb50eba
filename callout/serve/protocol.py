"""One connection of our own transport: asyncio.Protocol outside, `callout.http2` inside.

Everything that one `data_received` brings is answered with one write; what handlers answer later
in a tick of the loop leaves together with one write too.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias, cast

from callout.grpc.answers import OK_HEAD, OK_TRAILERS, Refusal, trailers, trailers_only
from callout.grpc.call import Call, Code, Reply, Status
from callout.grpc.framing import NOT_ONE, PREFIX, frame, whole
from callout.grpc.head import Head
from callout.http2.connection import Connection
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
from callout.serve.admission import Queue
from callout.serve.live import LiveConnection
from callout.serve.parting import ALONE_SECONDS, Parting
from callout.serve.streaming import Stream
from callout.serve.turns import LEAST, TURN, piece_after
from callout.serve.unary import Receiving, Waiting, look_away

if TYPE_CHECKING:
    from callout.serve.own import Core

_DEADLINE = Status(Code.DEADLINE_EXCEEDED, "deadline exceeded")
_LATE = Status(Code.DEADLINE_EXCEEDED, "the request did not arrive in time")
_FULL = Status(Code.RESOURCE_EXHAUSTED, "too many unfinished requests on this connection")
_TOO_MANY = Status(Code.RESOURCE_EXHAUSTED, "too many calls in progress")
_CLOSING_SECONDS = 5.0
_NEVER = float("inf")


class Answered:
    """A call that was answered before its request ended: what still comes is thrown away."""

    __slots__ = ("arrived",)

    def __init__(self, arrived: float) -> None:
        self.arrived = arrived


Opening: TypeAlias = tuple[Head, float]
"""A unary call of which only the headers came, and when."""
State: TypeAlias = Opening | Receiving | Waiting | Stream | Answered
_NAMES: Mapping[type, str] = {
    Receiving: "receiving",
    Waiting: "waiting",
    Stream: "streaming",
    Answered: "answered",
}


class GrpcProtocol(asyncio.Protocol):
    """Answers the calls of one connection."""

    def __init__(self, core: "Core", host: str = "") -> None:
        self.core = core
        self.host = host
        """Where the connection came from, for those who count by it."""
        self.made = False
        """Whether it has begun."""
        self._counters = core.counters
        self._http2: Connection[Head | Refusal] = Connection(core.interpret, core.options.limits)
        self._limit = core.options.max_message
        self._streams: dict[int, State] = {}
        self._held = 0  # bytes of requests that are incomplete, not taken, or not answered
        self._piece = 2 * LEAST
        self._rest = b""  # of a read, for later turns, from `_rest_at` on
        self._rest_at = 0
        self._peer = ""
        self._transport: asyncio.Transport
        self._gone = False
        self._flushing = False
        self._paused = False
        self._writers: list[asyncio.Future[None]] = []
        self._since = self._last_call = self._progress = time.monotonic()
        self._calls = 0
        self._backlog = 0
        self._unwritten = 0  # bytes of streams since the last write
        self._leave_at = self._last_call + core.jittered(core.options.max_age)
        self._cut_at = self._closing_at = _NEVER
        self._parting: Parting | None = None
        self._parts: asyncio.TimerHandle | None = None
        self._admission = core.admission
        self._queue = Queue(core.admission) if core.admission else None
        self._behind = False  # whether the queue must be asked about each request
        self._arrived = self._last_call  # when the requests of this read came

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
        self._progress = time.monotonic()
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
        ended = time.monotonic()
        if ended - now > TURN and size > LEAST:
            self._piece = piece_after(self._piece, ended - now)

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
        end = now + TURN
        # What comes next may be as old as this.
        self._look_behind(now, more=True)
        while self._rest and now < end:
            at, piece = self._rest_at, self._piece
            data = self._rest[at : at + piece]
            self._take(data, now)
            self._rest_at = at = at + len(data)
            if at >= len(self._rest) or self._http2.terminated is not None:
                self._rest = b""
            began, now = now, time.monotonic()
            if len(data) == piece:
                self._piece = piece_after(piece, now - began)
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

    def _request(self, stream_id: int, head: Head | Refusal, end: bool, now: float) -> None:
        self._last_call = now
        self._calls += 1
        if isinstance(head, Refusal):
            self.refused(head.word)
            self._http2.send_headers(stream_id, head.head, not head.body)
            if head.body:
                self._http2.send_data(stream_id, head.body, True)
            if not end:
                self._streams[stream_id] = Answered(now)
        elif head.unary is None:
            self._open_stream(stream_id, head, end, now)
        elif end:
            self.refused("not_one_message")
            self._end(stream_id, NOT_ONE)
        else:
            self._streams[stream_id] = (head, self._arrived)

    def _data(self, stream_id: int, data: bytes, flow: int, end: bool, now: float) -> None:
        state = self._streams.get(stream_id)
        if isinstance(state, tuple):
            head, arrived = state
            if end and (message := whole(data, self._limit)) is not None:
                del self._streams[stream_id]
                # No `consumed`: the answer, which nearly always comes at once, credits the rest.
                self._unary(stream_id, head, arrived, message, now)
                return
            state = self._streams[stream_id] = Receiving(head, arrived, self._limit)
        if isinstance(state, Stream):
            state.receive(data, flow, end)
            if self._held > self.core.options.max_buffered:
                self.refused("buffered")
                state.cancel()
                self._closed_stream(state, _FULL)
            return
        self._http2.consumed(stream_id, flow)
        if isinstance(state, Receiving):
            self._receive(stream_id, state, data, end, now)
        elif end:
            self._streams.pop(stream_id, None)

    # Unary calls.

    def _receive(
        self, stream_id: int, state: Receiving, data: bytes, end: bool, now: float
    ) -> None:
        self.hold(-state.held)
        message: bytes | Status | None = state.feed(data)
        if message is None and end:
            message = state.message(self._limit)
        if message is None:
            if self._held + state.held <= self.core.options.max_buffered:
                self.hold(state.held)
                return
            message = _FULL
        if isinstance(message, Status):
            self.refused("buffered" if message is _FULL else message.code.name.lower())
            self._end_early(stream_id, message, end, state.arrived)
        else:
            del self._streams[stream_id]
            self._unary(stream_id, state.head, state.arrived, message, now)

    def _unary(
        self, stream_id: int, head: Head, arrived: float, message: bytes, now: float
    ) -> None:
        if self._behind:
            now = time.monotonic()
            if head.overloaded is not None and self._refuses(stream_id, head, now):
                return
        self._counters.requests += 1
        handler, deadline = head.unary, None
        assert handler is not None  # noqa: S101  # `_request` let no other head come so far
        if head.timeout is not None:
            deadline = arrived + head.timeout
            if deadline <= now:
                self._counters.deadline_exceeded += 1
                self._end(stream_id, _DEADLINE)
                return
        try:
            reply = handler(message, Call(head.metadata, deadline, self._peer))
        except Exception as error:
            reply = self.core.failures.raised(head.method.path, error, now)
        if isinstance(reply, bytes):
            self._http2.respond(stream_id, OK_HEAD, frame(reply), OK_TRAILERS)
        elif isinstance(reply, Status):
            self._reply(stream_id, head.method.path, reply)
        else:
            try:
                future: asyncio.Future[Reply] = asyncio.ensure_future(reply)
            except TypeError:
                self._end(stream_id, self.core.failures.no_reply(head.method.path, reply, now))
                return
            if future.done():
                self._answer(stream_id, head.method.path, future)
                return
            self._wait(stream_id, head, future, deadline, now, len(message))

    def _wait(
        self,
        stream_id: int,
        head: Head,
        future: "asyncio.Future[Reply]",
        deadline: float | None,
        now: float,
        size: int,
    ) -> None:
        options = self.core.options
        full = self._held + size > options.max_buffered
        if full or self._counters.open_calls >= options.max_calls:
            future.add_done_callback(look_away)
            future.cancel()
            self.refused("buffered" if full else "too_many_calls")
            if head.overloaded is None:
                self._end(stream_id, _FULL if full else _TOO_MANY)
            else:
                self._turn_away(stream_id, head)
            return
        self._counters.open_calls += 1
        self.hold(size)
        path = head.method.path
        self._streams[stream_id] = Waiting(self, stream_id, path, future, deadline, now, size)
        # It is ours now, and counted as such: other requests need not wait for its answer.
        self._http2.consumed(stream_id, size + PREFIX)

    def _refuses(self, stream_id: int, head: Head, now: float) -> bool:
        queue = self._queue
        assert queue is not None  # noqa: S101  # nobody else says that the loop is behind
        if not queue.refuses(now, head.timeout):
            return False
        self._counters.refuse("overload")
        self._turn_away(stream_id, head)
        return True

    def _turn_away(self, stream_id: int, head: Head) -> None:
        """Give the operator's verdict: Envoy may let pass what a gRPC error answers."""
        self._counters.overload(head.method.path)
        reply = head.overloaded
        if isinstance(reply, bytes):
            self._http2.respond(stream_id, OK_HEAD, reply, OK_TRAILERS)
        elif reply is not None:
            self._end(stream_id, reply)

    def finish(self, call: Waiting, future: "asyncio.Future[Reply]") -> None:
        """A waiting call's handler is done."""
        if self._streams.get(call.stream_id) is call:
            del self._streams[call.stream_id]
            self._counters.open_calls -= 1
            self.hold(-call.held)
            self._answer(call.stream_id, call.path, future)
            self.flush_soon()

    def _answer(self, stream_id: int, path: str, future: "asyncio.Future[Reply]") -> None:
        if future.cancelled():
            error: BaseException | None = asyncio.CancelledError()
        else:
            error = future.exception()
        if error is None:
            self._reply(stream_id, path, future.result())
        else:
            self._end(stream_id, self.core.failures.raised(path, error, time.monotonic()))

    def _reply(self, stream_id: int, path: str, reply: object) -> None:
        if isinstance(reply, bytes):
            self._http2.respond(stream_id, OK_HEAD, frame(reply), OK_TRAILERS)
        elif isinstance(reply, Status) and reply.code is not Code.OK:
            self._end(stream_id, reply)
        else:
            # OK without a message is none either: the client would take it for a broken server.
            self._end(stream_id, self.core.failures.no_reply(path, reply, time.monotonic()))

    def _end(self, stream_id: int, status: Status) -> None:
        self._http2.send_headers(stream_id, trailers_only(status), True)

    def _end_early(self, stream_id: int, status: Status, end: bool, arrived: float) -> None:
        self._end(stream_id, status)
        if end:
            self._streams.pop(stream_id, None)
        else:
            self._streams[stream_id] = Answered(arrived)

    # Streaming calls.

    def _open_stream(self, stream_id: int, head: Head, end: bool, now: float) -> None:
        self._counters.requests += 1
        deadline = None if head.timeout is None else self._arrived + head.timeout
        if deadline is not None and deadline <= now:
            self._counters.deadline_exceeded += 1
            self._end_early(stream_id, _DEADLINE, end, now)
            return
        if self._counters.open_calls >= self.core.options.max_calls:
            self.refused("too_many_calls")
            self._end_early(stream_id, _TOO_MANY, end, now)
            return
        self._counters.open_calls += 1
        call = Call(head.metadata, deadline, self._peer)
        stream = Stream(self, stream_id, head, call, now)
        self._streams[stream_id] = stream
        if end:
            stream.receive(b"", 0, True)

    def send_message(self, stream: Stream, data: bytes) -> bool:
        """Send one framed message of a stream; True when part of it waits for the client."""
        if self._streams.get(stream.stream_id) is not stream:
            return False
        if not stream.head_sent:
            stream.head_sent = True
            self._http2.send_headers(stream.stream_id, OK_HEAD)
        framed = self._http2.send_data(stream.stream_id, data)
        self._unwritten += len(data)
        self.flush_soon()
        return not framed

    def end_stream(self, stream: Stream, status: Status) -> None:
        """A stream's handler is done."""
        if self._streams.get(stream.stream_id) is stream:
            self._closed_stream(stream, status)
            self.flush_soon()

    def _closed_stream(self, stream: Stream, status: Status) -> None:
        self._counters.open_calls -= 1
        block = trailers(status) if stream.head_sent else trailers_only(status)
        self._http2.send_headers(stream.stream_id, block, True)
        if stream.ended:
            del self._streams[stream.stream_id]
        else:
            self._streams[stream.stream_id] = Answered(time.monotonic())

    def consumed(self, stream_id: int, size: int) -> None:
        """A stream's handler took what came: the client may send more."""
        if not self._gone:
            self._http2.consumed(stream_id, size)
            self.flush_soon()

    async def writable(self) -> None:
        """Wait while the client reads too slowly."""
        if self._unwritten > self.core.options.write_buffer:
            # The handler has not let the loop come to the write that `flush_soon` has planned.
            self._flush()
            await asyncio.sleep(0)
        while self._paused and not self._gone:
            writer: asyncio.Future[None] = self.core.loop.create_future()
            self._writers.append(writer)
            await writer

    def _wake_writers(self) -> None:
        writers, self._writers = self._writers, []
        for writer in writers:
            if not writer.done():
                writer.set_result(None)

    # Ends.

    def expired(self, stream_id: int) -> None:
        """A call's deadline passed; its handler is stopped already."""
        self._counters.deadline_exceeded += 1
        state = self._streams[stream_id]
        if isinstance(state, Stream):
            self._closed_stream(state, _DEADLINE)
        else:
            self._counters.open_calls -= 1
            if isinstance(state, Waiting):
                self.hold(-state.held)
            del self._streams[stream_id]
            self._end(stream_id, _DEADLINE)
        self.flush_soon()

    def _stop(self, state: State) -> None:
        if isinstance(state, Waiting | Stream):
            self._counters.cancelled += 1
            self._counters.open_calls -= 1
            state.cancel()
        if isinstance(state, Waiting | Receiving):
            self.hold(-state.held)

    def hold(self, size: int) -> None:
        """Count bytes of requests that are kept, or no longer."""
        self._held += size
        self.core.hold(size)

    @property
    def held(self) -> int:
        """Bytes of requests that are kept, and will be."""
        return 0 if self._transport.is_closing() else self._held

    def refused(self, word: str) -> None:
        """A call is refused."""
        self.core.refusals.call(word, self._peer, time.monotonic())

    def leave(self, word: str, now: float) -> None:
        """Ask the client to go: no new calls here, those that run may end."""
        if self._cut_at == _NEVER:
            self._ended(word)
            self._cut_at = now + self.core.options.max_age_grace
            if not self._gone:
                self._parting = Parting(self._http2, now)
                self._transport.write(self._http2.outgoing())
                self._parts = self.core.loop.call_later(ALONE_SECONDS, self._part)
        self._flush()

    def _part(self) -> None:
        if self._parting is not None:
            self._parting.hurry()
            self._flush()

    def abort(self, word: str) -> None:
        """Cut the connection off."""
        self._ended(word)
        self._transport.abort()

    def _ended(self, word: str) -> None:
        self.core.refusals.connection(word, self._peer, time.monotonic())

    def idle_since(self) -> float | None:
        """When the last call began, or the connection; None: calls are in progress."""
        return None if self._streams or self._transport.is_closing() else self._last_call

    def check(self, now: float) -> None:
        """The rules that need time, once a second."""
        options = self.core.options
        for event in self._http2.tick(now):
            self._rare(event, now)
        self._check_requests(now)
        if self._parting is not None and now >= self._parting.due:
            self._part()
        backlog = self._http2.queued + self._transport.get_write_buffer_size()
        # A client may well leave one stream unread while it calls on others: what waits for it is
        # bounded (`Limits.queued_output`), so that alone is no reason to cut it off.
        if backlog == 0 or backlog < self._backlog or self._last_call > self._progress:
            self._progress = now
        self._backlog = backlog
        if now - self._progress > options.stalled:
            self.abort("stalled")
        elif now >= self._cut_at:
            self.abort("grace")
        elif now - self._closing_at > _CLOSING_SECONDS:
            self._transport.abort()
        elif now >= self._leave_at:
            self.leave("age", now)
        elif not self._streams and now - self._last_call > options.idle:
            self.leave("idle", now)
        else:
            self._flush()

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
        streams: dict[str, int] = {}
        oldest = now
        for state in self._streams.values():
            if isinstance(state, tuple):
                name, arrived = "opening", state[1]
            else:
                name, arrived = _NAMES[type(state)], state.arrived
            streams[name] = streams.get(name, 0) + 1
            oldest = min(oldest, arrived)
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
            self._cut_at != _NEVER,
        )

    # Writing.

    def flush_soon(self) -> None:
        """Write at the end of this tick, with whatever else it brings."""
        if not self._flushing:
            self._flushing = True
            self.core.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._gone or self._paused:
            return
        self._unwritten = 0
        parting = self._parting
        if parting is None:
            out = self._http2.outgoing()
        else:
            out = parting.outgoing()
            if parting.done:
                self._parting = None
        if out:
            self._transport.write(out)
        if parting is not None and not parting.done:
            return
        if self._http2.closed and self._closing_at == _NEVER:
            if self._http2.terminated is not None:
                self._ended(self._http2.terminated.reason)
            self._closing_at = time.monotonic()
            self._transport.close()

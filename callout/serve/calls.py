"""The calls of one connection: from what HTTP/2 tells to the handler, and back to the answer."""

import asyncio
import time
from typing import TYPE_CHECKING

from callout.grpc.answers import OK_HEAD, OK_TRAILERS, Refusal, trailers, trailers_only
from callout.grpc.call import Call, Code, Reply, Status
from callout.grpc.framing import NOT_ONE, PREFIX, frame, whole
from callout.grpc.head import Head
from callout.serve.admission import Queue
from callout.serve.channel import Channel
from callout.serve.states import Answered, State
from callout.serve.streaming import Stream
from callout.serve.unary import Receiving, Waiting, look_away

if TYPE_CHECKING:
    from callout.serve.own import Core

_DEADLINE = Status(Code.DEADLINE_EXCEEDED, "deadline exceeded")
_FULL = Status(Code.RESOURCE_EXHAUSTED, "too many unfinished requests on this connection")
_TOO_MANY = Status(Code.RESOURCE_EXHAUSTED, "too many calls in progress")


class Calls(Channel):
    """Answers the calls of one connection."""

    def __init__(self, core: "Core", now: float) -> None:
        super().__init__(core, now)
        self._limit = core.options.max_message
        self._streams: dict[int, State] = {}
        self._held = 0  # bytes of requests that are incomplete, not taken, or not answered
        self._since = self._last_call = now
        self._calls = 0
        self._queue = Queue(core.admission) if core.admission else None
        self._behind = False  # whether the queue must be asked about each request
        self._arrived = now  # when the requests of this read came

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
                self._answer(stream_id, head.method.path, future, deadline)
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
            self._answer(call.stream_id, call.path, future, call.deadline)
            self.flush_soon()

    def _answer(
        self, stream_id: int, path: str, future: "asyncio.Future[Reply]", deadline: float | None
    ) -> None:
        if future.cancelled():
            error: BaseException | None = asyncio.CancelledError()
        else:
            error = future.exception()
        if error is None:
            if deadline is not None and deadline <= time.monotonic():
                # The timer of deadlines is coarse, and comes after all that a round has read.
                self._counters.deadline_exceeded += 1
                self._end(stream_id, _DEADLINE)
            else:
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

    # Ends.

    def refused(self, word: str) -> None:
        """A call is refused."""
        self.core.refusals.call(word, self._peer, time.monotonic())

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
            self._counters.cancelled += isinstance(state, Waiting) or not state.may_be_over
            self._counters.open_calls -= 1
            state.cancel()
        if isinstance(state, Waiting | Receiving):
            self.hold(-state.held)

    # What is kept.

    def hold(self, size: int) -> None:
        """Count bytes of requests that are kept, or no longer."""
        self._held += size
        self.core.hold(size)

    @property
    def held(self) -> int:
        """Bytes of requests that are kept, and will be."""
        return 0 if self._transport.is_closing() else self._held

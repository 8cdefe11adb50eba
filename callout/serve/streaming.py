"""A streaming call on our own transport: one task that runs the handler, fed by the connection.

Back-pressure works both ways. The client may send no more than its flow-control window while the
handler has not taken what came; the handler waits while its last message is not on its way.
"""

import asyncio
import contextlib
from typing import TYPE_CHECKING

from callout.grpc.call import Call, Code, Status, Streaming
from callout.grpc.framing import CUT_OFF, PREFIX, Deframer, frame, unpack
from callout.grpc.head import Head

if TYPE_CHECKING:
    from callout.serve.calls import Calls

TURN = 16
"""Messages that a handler is given in a row; then others have their turn, whatever a client has
sent in one go."""
PART = 64 << 10
"""Bytes of a message that are on their way at a time: one may be larger than all that a connection
may have queued."""

_OK = Status(Code.OK)


class BrokenMessage(Exception):
    """What a handler's iterator raises when the client sent no message; ends the call."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        self.status = status


class Stream:
    """One streaming call; also the iterator of its request messages."""

    __slots__ = (
        "_call",
        "_deframer",
        "_drained",
        "_head",
        "_in_a_row",
        "_method",
        "_owed",
        "_protocol",
        "_task",
        "_ticket",
        "_wanted",
        "arrived",
        "ended",
        "head_sent",
        "stream_id",
    )

    def __init__(
        self,
        protocol: "Calls",
        stream_id: int,
        head: Head,
        call: Call,
        now: float,
    ) -> None:
        self._protocol = protocol
        self.stream_id = stream_id
        self.arrived = now
        self._head = head
        method = head.method
        assert isinstance(method, Streaming)  # noqa: S101  # a unary head never comes here
        self._method = method
        self._call = call
        self._deframer = Deframer(protocol.core.options.max_message)
        self._owed = 0  # flow-control bytes that are not credited yet
        self.ended = False
        """Whether the request is complete."""
        self.head_sent = False
        """Whether a message was sent already."""
        self._wanted: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        core = protocol.core
        self._ticket = None if call.deadline is None else core.watch(now, call.deadline, self)
        self._in_a_row = 0
        self._task: asyncio.Task[None] | None = core.loop.create_task(self._run())

    # What the connection tells.

    def receive(self, data: bytes, flow: int, end: bool) -> None:
        """The next bytes of the request."""
        self._owed += flow
        self._deframer.feed(data)
        self._protocol.hold(len(data))
        self.ended = end
        ready = self._deframer.ready()
        if not ready:
            self._credit()  # the rest of a message larger than the window must be let in
        if ready or end:
            _wake(self._wanted)

    def drained(self) -> None:
        """All that was sent is on its way."""
        _wake(self._drained)

    def expire(self) -> None:
        """The deadline passed."""
        self._ticket = None
        self.cancel()
        self._protocol.expired(self.stream_id)

    @property
    def may_be_over(self) -> bool:
        """Whether to end it is not to give it up.

        Envoy ends each stream of ext_proc by a reset, when it has had its answers.
        """
        return self.head_sent and self._call.deadline is None

    def cancel(self) -> None:
        """Stop the handler; nothing of it is sent any more."""
        self._release()
        if self._task is not None:
            # The exception that ends the task refers to us: without a way back there is no cycle.
            self._task.cancel()
            self._task = None

    # What the handler does.

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> bytes:
        self._in_a_row += 1
        if self._in_a_row > TURN:
            self._in_a_row = 1
            await asyncio.sleep(0)
        while (raw := self._deframer.next()) is None:
            if self.ended:
                if self._deframer.held:
                    raise BrokenMessage(CUT_OFF)
                raise StopAsyncIteration
            self._in_a_row = 1
            self._wanted = self._protocol.core.loop.create_future()
            await self._wanted
        if isinstance(raw, Status):
            raise BrokenMessage(raw)
        self._protocol.hold(-PREFIX - len(raw.payload))
        if not self._deframer.ready():
            self._credit()
        message = unpack(raw, self._head.gzip, self._protocol.core.options.max_message)
        if isinstance(message, Status):
            raise BrokenMessage(message)
        return message

    async def _run(self) -> None:
        status = _OK
        replies = self._method.handler(self, self._call)
        try:
            async for reply in replies:
                if isinstance(reply, Status):
                    status = reply
                    break
                await self._send(reply)
        except BrokenMessage as broken:
            status = broken.status
            self._protocol.refused(status.code.name.lower())
        except Exception as error:
            now = self._protocol.core.loop.time()
            status = self._protocol.core.failures.raised(self._method.path, error, now)
        finally:
            if (close := getattr(replies, "aclose", None)) is not None:
                with contextlib.suppress(Exception):
                    await close()
        self._release()
        self._protocol.end_stream(self, status)

    async def _send(self, message: bytes) -> None:
        data = frame(message)
        for at in range(0, len(data), PART):
            # Before it, not after: each of many streams of a client that reads nothing would send
            # one.
            await self._protocol.writable()
            part = data if len(data) <= PART else data[at : at + PART]
            if self._protocol.send_message(self, part):
                self._drained = self._protocol.core.loop.create_future()
                await self._drained

    def _credit(self) -> None:
        if self._owed:
            self._protocol.consumed(self.stream_id, self._owed)
            self._owed = 0

    def _release(self) -> None:
        self._forget()
        self._protocol.hold(-self._deframer.held)
        self._deframer.clear()
        self._credit()

    def _forget(self) -> None:
        if self._ticket is not None:
            self._protocol.core.deadlines.forget(self._ticket, self)
            self._ticket = None


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)

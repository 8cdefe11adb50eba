"""A unary call on our own transport: while its message arrives, and while its handler waits."""

import asyncio
from typing import TYPE_CHECKING

from callout.grpc.call import Reply, Status
from callout.grpc.framing import CUT_OFF, NOT_ONE, Deframer, Message, unpack
from callout.grpc.head import Head

if TYPE_CHECKING:
    from callout.serve.calls import Calls


class Receiving:
    """A unary call whose message did not come in one piece."""

    __slots__ = ("_deframer", "_message", "arrived", "head")

    def __init__(self, head: Head, arrived: float, limit: int) -> None:
        self.head = head
        self.arrived = arrived
        self._deframer = Deframer(limit)
        self._message: Message | None = None

    @property
    def held(self) -> int:
        """Bytes kept."""
        message = self._message
        return self._deframer.held + (0 if message is None else len(message.payload))

    def feed(self, data: bytes) -> Status | None:
        """Take the next bytes; a Status ends the call."""
        self._deframer.feed(data)
        if self._message is None:
            message = self._deframer.next()
            if isinstance(message, Status):
                return message
            self._message = message
        return NOT_ONE if self._message is not None and self._deframer.held else None

    def message(self, limit: int) -> bytes | Status:
        """The request message, at the end of the stream."""
        if self._message is None:
            return CUT_OFF if self._deframer.held else NOT_ONE
        return unpack(self._message, self.head.gzip, limit)


class Waiting:
    """A unary call whose handler returned an awaitable."""

    __slots__ = (
        "_future",
        "_protocol",
        "_ticket",
        "arrived",
        "deadline",
        "held",
        "path",
        "stream_id",
    )

    def __init__(
        self,
        protocol: "Calls",
        stream_id: int,
        path: str,
        future: "asyncio.Future[Reply]",
        deadline: float | None,
        now: float,
        held: int,
    ) -> None:
        self._protocol = protocol
        self.stream_id = stream_id
        self.path = path
        self.arrived = now
        self.held = held
        """Bytes of its request."""
        self.deadline = deadline
        self._future = future
        self._ticket = None if deadline is None else protocol.core.watch(now, deadline, self)
        future.add_done_callback(self._done)

    def _done(self, future: "asyncio.Future[Reply]") -> None:
        self._forget()
        self._protocol.finish(self, future)

    def _forget(self) -> None:
        if self._ticket is not None:
            self._protocol.core.deadlines.forget(self._ticket, self)

    def expire(self) -> None:
        """The deadline passed: answer so, and stop the work."""
        # Done in this very tick: its callback is on the way and brings the answer.
        if not self._future.done():
            self._protocol.expired(self.stream_id)
            self._drop()

    def cancel(self) -> None:
        """Nobody waits for the answer any more: stop the work."""
        self._forget()
        self._drop()

    def _drop(self) -> None:
        self._future.remove_done_callback(self._done)
        # Whatever it ends with now, nobody asks; asyncio would log that, with the exception's text.
        self._future.add_done_callback(look_away)
        self._future.cancel()


def look_away(future: "asyncio.Future[Reply]") -> None:
    """Nobody wants what it ends with; asyncio would log that."""
    if not future.cancelled():
        future.exception()

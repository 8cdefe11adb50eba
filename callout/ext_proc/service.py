"""The gRPC face: one streaming call an HTTP exchange."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

from callout.ext_proc.budget import Budget
from callout.ext_proc.envoy import SERVICE, read, write
from callout.ext_proc.exchange import Report
from callout.ext_proc.messages import Message
from callout.ext_proc.plan import Choose, Note
from callout.ext_proc.session import Session
from callout.grpc.call import Call, Code, Face, Reply, Status, Streaming

_CUT_OFF: Final = Status(Code.ABORTED, "the stream ended inside a message")


class Processor:
    """Answers `envoy.service.ext_proc.v3.ExternalProcessor`."""

    def __init__(self, choose: Choose, budget: Budget, note: Note, report: Report) -> None:
        """See `Session`, one of which is made for each call."""
        self._choose = choose
        self._budget = budget
        self._note = note
        self._report = report

    def face(self) -> Face:
        """What a server serves."""
        return Face("process", SERVICE, (Streaming(f"/{SERVICE}/Process", self.process),))

    async def process(self, messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[Reply]:
        """Drive one exchange.

        A stream that ends well before its time is no failure to Envoy: it lets the rest of the
        exchange pass as it is, whatever `failure_mode_allow` says. So we end with OK in two cases
        only: the gateway ended first and waits for nothing, or it was told how the exchange ends.
        Whatever is raised here becomes an error status in the transport.
        """
        session = Session(self._choose, self._budget, dict(call.metadata), self._note, self._report)
        reader = _Reader(messages)
        try:
            while not session.over:
                try:
                    message = await reader.next(session.due)
                except StopAsyncIteration:
                    if session.waited_for:
                        yield _CUT_OFF
                    return
                now = time.monotonic()
                out: list[Message]
                if message is None:
                    out = session.expire(now)
                else:
                    event = read(message)
                    out = [event] if isinstance(event, Status) else session.receive(event, now)
                for each in out:
                    if isinstance(each, Status):
                        yield each
                        return
                    yield write(each)
        finally:
            reader.close()
            session.close()


class _Reader:
    """The messages of a call, waited for until a given time."""

    __slots__ = ("_messages", "_reading")

    def __init__(self, messages: AsyncIterator[bytes]) -> None:
        self._messages = messages
        self._reading: asyncio.Future[bytes] | None = None

    async def next(self, due: float | None) -> bytes | None:
        """The next message; None: `due` passed before it came.

        Raises:
            StopAsyncIteration: there are no more.
        """
        reading = self._reading
        if reading is None:
            if due is None:
                return await anext(self._messages)
            reading = self._reading = asyncio.ensure_future(anext(self._messages))
        # Not `asyncio.timeout`: that would cancel the reading, after which grpcio's iterator says
        # that there are no more, and the stream would end well.
        await asyncio.wait((reading,), timeout=None if due is None else due - time.monotonic())
        if not reading.done():
            return None
        self._reading = None
        return reading.result()

    def close(self) -> None:
        """Nobody waits any more."""
        if self._reading is not None:
            self._reading.add_done_callback(_look_away)
            self._reading.cancel()


def _look_away(reading: "asyncio.Future[bytes]") -> None:
    """Nobody wants what it ends with; asyncio would log that."""
    if not reading.cancelled():
        reading.exception()

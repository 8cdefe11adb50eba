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
        try:
            while True:
                out: list[Message]
                try:
                    if session.due is None:
                        message = await anext(messages)
                    else:
                        async with asyncio.timeout(session.due - time.monotonic()):
                            message = await anext(messages)
                except StopAsyncIteration:
                    break
                except TimeoutError:
                    out = session.expire(time.monotonic())
                else:
                    event = read(message)
                    if isinstance(event, Status):
                        yield event
                        return
                    out = session.receive(event, time.monotonic())
                for each in out:
                    if isinstance(each, Status):
                        yield each
                        return
                    yield write(each)
                if session.over:
                    return
            if session.waited_for:
                yield _CUT_OFF
        finally:
            session.close()

"""The faces that both transports serve in the contract suite: one method for each behaviour."""

import asyncio
import time
from collections.abc import AsyncIterator

from callout.grpc.call import Call, Code, Face, Reply, Status, Streaming, Unary

SERVICE = "contract.Behaviour"
NO_TIME = b"no time"


class Behaviour:
    """Handlers, and what they noticed."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.release = asyncio.Event()

    def face(self) -> Face:
        unary = {
            "Echo": self.echo,
            "Coroutine": self.coroutine,
            "Future": self.future,
            "DoneFuture": self.done_future,
            "Awaitable": self.awaitable,
            "Refuse": self.refuse,
            "RefuseLater": self.refuse_later,
            "OkStatus": self.ok_status,
            "Raise": self.fail,
            "RaiseLater": self.fail_later,
            "CancelItself": self.cancel_itself,
            "Nonsense": self.nonsense,
            "Wait": self.wait,
            "Remaining": self.remaining,
            "Big": self.big,
        }
        streams = {
            "Chat": self.chat,
            "Count": self.count,
            "RefuseStream": self.refuse_stream,
            "RaiseStream": self.raise_stream,
            "WaitStream": self.wait_stream,
            "Collect": self.collect,
        }
        return Face(
            "behaviour",
            SERVICE,
            (
                *(Unary(f"/{SERVICE}/{name}", handler) for name, handler in unary.items()),
                Unary(f"/{SERVICE}/Bounded", self.wait, NO_TIME),
                Unary(f"/{SERVICE}/BoundedStatus", self.wait, Status(Code.UNAVAILABLE, "no time")),
                *(Streaming(f"/{SERVICE}/{name}", handler) for name, handler in streams.items()),
            ),
        )

    # Unary.

    def echo(self, message: bytes, call: Call) -> Reply:
        self.calls.append(call)
        return message

    async def coroutine(self, message: bytes, _call: Call) -> Reply:
        await asyncio.sleep(0.001)
        return message

    def future(self, message: bytes, _call: Call) -> "asyncio.Future[Reply]":
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.001, future.set_result, message)
        return future

    def done_future(self, message: bytes, _call: Call) -> "asyncio.Future[Reply]":
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        future.set_result(message)
        return future

    def awaitable(self, message: bytes, call: Call) -> "_Awaitable":
        return _Awaitable(self.future(message, call))

    def refuse(self, _message: bytes, _call: Call) -> Reply:
        return Status(Code.FAILED_PRECONDITION, "not 100% \u00fcber\nhere")

    async def refuse_later(self, _message: bytes, _call: Call) -> Reply:
        await asyncio.sleep(0)
        return Status(Code.UNAVAILABLE, "later")

    def ok_status(self, _message: bytes, _call: Call) -> Reply:
        return Status(Code.OK)

    def fail(self, _message: bytes, _call: Call) -> Reply:
        raise RuntimeError("secret of the request")

    async def fail_later(self, _message: bytes, _call: Call) -> Reply:
        await asyncio.sleep(0)
        raise RuntimeError("secret of the request")

    async def cancel_itself(self, _message: bytes, _call: Call) -> Reply:
        raise asyncio.CancelledError

    def nonsense(self, _message: bytes, _call: Call) -> Reply:
        return 42  # type: ignore[return-value]  # what a transport must survive

    async def wait(self, message: bytes, _call: Call) -> Reply:
        self.started.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return message

    def remaining(self, _message: bytes, call: Call) -> Reply:
        seconds = -1.0 if call.deadline is None else call.deadline - time.monotonic()
        return str(seconds).encode()

    def big(self, message: bytes, _call: Call) -> Reply:
        return bytes(int(message))

    # Streams.

    async def chat(self, messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[Reply]:
        self.calls.append(call)
        async for message in messages:
            yield message.upper()

    async def count(self, messages: AsyncIterator[bytes], _call: Call) -> AsyncIterator[Reply]:
        async for message in messages:
            number, _, size = message.partition(b"x")
            for _ in range(int(number)):
                yield bytes(int(size))

    async def refuse_stream(
        self, messages: AsyncIterator[bytes], _call: Call
    ) -> AsyncIterator[Reply]:
        async for message in messages:
            yield message
            yield Status(Code.PERMISSION_DENIED, "enough")

    async def raise_stream(
        self, messages: AsyncIterator[bytes], _call: Call
    ) -> AsyncIterator[Reply]:
        async for message in messages:
            yield message
            raise RuntimeError("secret of the request")

    async def wait_stream(
        self, messages: AsyncIterator[bytes], _call: Call
    ) -> AsyncIterator[Reply]:
        async for message in messages:
            yield message
            self.started.set()
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise

    async def collect(self, messages: AsyncIterator[bytes], _call: Call) -> AsyncIterator[Reply]:
        size = number = 0
        async for message in messages:
            size, number = size + len(message), number + 1
        yield f"{number} {size}".encode()


class _Awaitable:
    """Not a coroutine and not a future, but awaitable."""

    def __init__(self, future: "asyncio.Future[Reply]") -> None:
        self._future = future

    def __await__(self):  # type: ignore[no-untyped-def]  # a generator's type says nothing here
        return self._future.__await__()

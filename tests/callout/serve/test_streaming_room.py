"""What streams send shares the room of their connection."""

from collections.abc import AsyncIterator

from callout.grpc.call import Call, Face, Reply, Streaming
from callout.http2 import frames
from callout.serve.address import Address
from callout.serve.options import ServeOptions
from callout.serve.server import serve
from tests.callout.http2 import wire
from tests.callout.serve.raw import Raw, connect, head

SIZE = 500_000
STREAMS = 60


async def test_streams_whose_client_opens_no_window_wait_and_then_send_all() -> None:
    async def large(_messages: AsyncIterator[bytes], _call: Call) -> AsyncIterator[Reply]:
        yield bytes(SIZE)

    options = ServeOptions()
    assert 3 * options.limits.queued_output < STREAMS * SIZE
    face = Face("raw", "raw.Test", (Streaming("/raw.Test/Large", large),))
    server = await serve([face], [Address("127.0.0.1", 0)], options)
    async with connect(server.addresses[0]) as raw:
        for number in range(STREAMS):
            raw.send(head(2 * number + 1, True, path="/raw.Test/Large"))
        received = 0
        while received < 65_535:  # the connection's window
            received += len(await _data(raw))
        raw.send(wire.settings((frames.INITIAL_WINDOW_SIZE, 2**31 - 1)), wire.update(0, 2**30))
        ended = set()
        while len(ended) < STREAMS:
            frame = await raw.frame()
            received += len(frame.payload) if frame.kind == frames.DATA else 0
            if frame.flags & frames.END_STREAM:
                ended.add(frame.stream_id)
        assert received == STREAMS * (SIZE + 5)
        assert options.counters.closed == {}
    await server.close()


async def _data(raw: Raw) -> bytes:
    frame = await raw.frame()
    return frame.payload if frame.kind == frames.DATA else b""

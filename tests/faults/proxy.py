"""A network between two processes that can stall, drip and cut."""

import asyncio
import contextlib
import threading
from types import TracebackType
from typing import Final

CHUNK: Final = 65536


class Network:
    """Forwards 127.0.0.1 connections to an address; a context manager."""

    def __init__(self, target: str) -> None:
        """`target` is `host:port`."""
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._loop = asyncio.new_event_loop()
        self._flows: asyncio.Event
        self._drip = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.address = ""
        """Where to connect instead."""

    def __enter__(self) -> "Network":
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def stall(self) -> None:
        """Connections stay open, are accepted even, and nothing gets through, either way."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def flow(self) -> None:
        """Ends `stall` and `drip`: what waited arrives."""
        self._drip = 0.0
        self._loop.call_soon_threadsafe(self._flows.set)

    def drip(self, seconds: float) -> None:
        """From now on a byte at a time, with so long a pause after each."""
        self._drip = seconds

    def spoil(self, how: str, pause: float) -> None:
        """It `stalls`, `drips` with so long a pause, or `is cut`."""
        {"stalls": self.stall, "drips": lambda: self.drip(pause), "is cut": self.cut}[how]()

    def cut(self) -> None:
        """Resets all connections that are open."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for each in list(self._writers):
            each.transport.abort()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _start(self) -> None:
        self._flows = asyncio.Event()
        self._flows.set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._started.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._flows.wait()
            there = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there[1]}
        try:
            await asyncio.gather(self._pump(reader, there[1]), self._pump(there[0], writer))
        finally:
            self._writers -= {writer, there[1]}

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                await self._flows.wait()
                if self._drip:
                    for each in data:
                        sink.write(bytes((each,)))
                        await asyncio.sleep(self._drip)
                        await self._flows.wait()
                else:
                    sink.write(data)
                    await sink.drain()
        sink.close()

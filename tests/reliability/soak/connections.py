"""Opens and ends connections: `python -m tests.reliability.soak.connections ADDRESS COUNT SEED`.

Each ends in one of the ways in which connections end: politely, cut off, before a word was said,
in the middle of a request, without reading the answer. A file of
authorities after the seed means TLS. Writes a JSON line a second.
"""

import asyncio
import json
import random
import socket
import ssl
import struct
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Final

import uvloop
from hpack import Encoder

from callout.http2 import frames
from tests.load import payloads

AT_ONCE: Final = 32
WITHIN: Final = 30.0
"""Seconds in which an answer must come."""
NO_LINGER: Final = struct.pack("ii", 1, 0)
WAYS: Final = ("polite", "polite", "reset", "goaway", "silent", "cut", "unread")


def request() -> bytes:
    """What a client says: preface, SETTINGS, one Check."""
    fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", payloads.CHECK),
        (":authority", "gatewright"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
    message = payloads.framed(payloads.check().allowed)
    return (
        frames.PREFACE
        + _frame(frames.SETTINGS, 0, 0, b"")
        + _frame(frames.HEADERS, frames.END_HEADERS, 1, Encoder().encode(fields))
        + _frame(frames.DATA, frames.END_STREAM, 1, message)
    )


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


async def answer(reader: asyncio.StreamReader) -> None:
    """Reads until `request` is answered; raises IncompleteReadError when it is not."""
    while True:
        head = await reader.readexactly(9)
        await reader.readexactly(int.from_bytes(head[:3], "big"))
        if int.from_bytes(head[5:], "big") == 1 and head[4] & frames.END_STREAM:
            return


class Opener:
    """Opens connections, `AT_ONCE` at a time."""

    def __init__(self, address: str, chosen: random.Random, tls: ssl.SSLContext | None) -> None:
        host, _, port = address.rpartition(":")
        self._where = (host, int(port))
        self._chosen = chosen
        self._tls = tls
        self._request = request()
        self._left = 0
        self.seen: Counter[str] = Counter()
        """How connections ended, by the way; `unanswered` is a failure."""

    async def run(self, count: int) -> None:
        """Opens and ends so many."""
        self._left = count
        telling = asyncio.create_task(self._tell())
        await asyncio.gather(*(self._one_after_another() for _ in range(AT_ONCE)))
        telling.cancel()
        self.tell()

    def tell(self) -> None:
        """One line of what was seen."""
        print(json.dumps(self.seen), flush=True)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.tell()

    async def _one_after_another(self) -> None:
        while self._left > 0:
            self._left -= 1
            way = self._chosen.choice(WAYS)
            try:
                await asyncio.wait_for(self._open(way), WITHIN)
                self.seen[way] += 1
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                self.seen["unanswered"] += 1

    async def _open(self, way: str) -> None:
        # From many addresses: the ports of one are used up by connections that are just closed.
        source = f"127.0.{self._chosen.randrange(1, 200)}.{self._chosen.randrange(1, 250)}"
        reader, writer = await asyncio.open_connection(
            *self._where,
            local_addr=(source, 0),
            ssl=self._tls,
            server_hostname="localhost" if self._tls is not None else None,
        )
        try:
            await self._speak(way, reader, writer)
        finally:
            if way in ("reset", "unread"):
                # None: the server has closed it already, as it may on a busy machine.
                peer: socket.socket | None = writer.get_extra_info("socket")
                if peer is not None:
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
                writer.transport.abort()
            else:
                writer.close()

    async def _speak(
        self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if way == "silent":
            return
        said = self._request
        if way == "cut":
            said = said[: self._chosen.randrange(len(said))]
        writer.write(said)
        if way in ("cut", "unread"):
            return
        await answer(reader)
        if way == "goaway":
            writer.write(_frame(frames.GOAWAY, 0, 0, bytes(8)))


def main(address: str, count: int, seed: int, ca: Path | None) -> None:
    """One opener."""
    tls = None
    if ca is not None:
        tls = ssl.create_default_context(cafile=str(ca))
        tls.check_hostname = False
        tls.set_alpn_protocols(["h2"])
    started = time.monotonic()

    async def run() -> None:
        await Opener(address, random.Random(seed), tls).run(count)

    uvloop.run(run())
    print(f"{count / (time.monotonic() - started):.0f} connections/s", file=sys.stderr)


if __name__ == "__main__":
    main(
        sys.argv[1],
        int(sys.argv[2]),
        int(sys.argv[3]),
        Path(sys.argv[4]) if len(sys.argv) > 4 else None,
    )

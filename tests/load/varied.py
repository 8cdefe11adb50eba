"""A closed loop like h2load's, in which no two requests are alike.

h2load repeats one body. Here twelve digits stand in the place of each `MARK` of it, other ones
in each request, so that what a service remembers of equal requests is of no use to it. Header
blocks are what a gateway sends once it is warm: references to fields of the table.

    python -m tests.load.varied < order.json > outcome.json
"""

import dataclasses
import gc
import json
import select
import socket
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from callout.http2 import frames
from tests.load.h2load import RUN_SECONDS, LoadFailed, Outcome, Shape
from tests.load.machine import on_core

MARK: Final = b"#" * 12
PATIENT: Final = b"\x40\x0cgrpc-timeout\x022S"
"""Without it Redis has 20 ms for each request, and on a machine that others use some are refused:
new keys take it longer, and the generator has its core."""
READ: Final = 256 << 10
PATIENCE: Final = 10.0
"""Seconds without any answer after which the run is given up."""


@dataclasses.dataclass(frozen=True)
class Order:
    """What is sent."""

    address: str
    path: str
    body: str
    """A file: a message with gRPC's prefix, with at least one `MARK`."""
    requests: int
    connections: int
    streams: int


class _Connection:
    """Requests in flight on one connection, a new one for each answer."""

    def __init__(self, order: Order, requests: int, first: int, body: bytes) -> None:
        host, _, port = order.address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.left = requests
        """Answers that are still to come."""
        self.body_bytes = 0
        self._unsent = requests
        self._streams = order.streams
        self._cost = len(body)
        self._window = frames.INITIAL_WINDOW
        self._owed = 0
        """Requests that no window is there for."""
        self._in = b""
        fields = ((4, order.path), (1, order.address), (31, "application/grpc"))
        named = b"".join(
            bytes((0x40 | index, len(value))) + value.encode() for index, value in fields
        )
        # POST, http; path, authority, content type and two more are put into the table.
        learned = b"\x83\x86" + named + b"\x40\x02te\x08trailers" + PATIENT
        written = _written(learned, body, first, requests)
        self._requests = memoryview(b"".join(written))
        self._first, self._size = len(written[0]), len(written[-1])
        self._at = 0
        self.socket.sendall(
            frames.PREFACE
            + frames.pack_head(frames.SETTINGS, 0, 0)
            + frames.window_update(0, 1 << 30)
            + frames.SETTINGS_ACK
        )

    def begin(self) -> None:
        """As many as may be in flight."""
        self.send(min(self._streams, self._unsent))

    def send(self, count: int) -> None:
        """So many more, in one write; those that there is no window for wait for it."""
        count = min(count + self._owed, self._unsent)
        fit = min(count, self._window // self._cost)
        self._owed = count - fit
        if not fit:
            return
        self._window -= fit * self._cost
        self._unsent -= fit
        size = fit * self._size if self._at else self._first + (fit - 1) * self._size
        self.socket.sendall(self._requests[self._at : self._at + size])
        self._at += size

    def receive(self) -> None:
        """Take the answers that came, and ask anew for each."""
        data = self.socket.recv(READ)
        if not data:
            raise LoadFailed("the service closed a connection")
        if self._in:
            data = self._in + data
        unpack = frames.unpack_head
        at, size, answered, body_bytes = 0, len(data), 0, 0
        while size - at >= 9:
            word, flags, stream = unpack(data, at)
            end = at + 9 + (word >> 8)
            if end > size:
                break
            kind = word & 0xFF
            if kind == frames.DATA:
                body_bytes += word >> 8
            elif kind == frames.HEADERS:
                answered += flags & frames.END_STREAM
            elif kind == frames.WINDOW_UPDATE:
                if not stream:
                    self._window += int.from_bytes(data[at + 9 : end], "big")
            elif kind == frames.PING and not flags & frames.ACK:
                self.socket.sendall(frames.ping(data[at + 9 : end], frames.ACK))
            elif kind in (frames.RST_STREAM, frames.GOAWAY):
                raise LoadFailed(f"the service sent a frame of type {kind}")
            at = end
        self._in = data[at:]
        self.body_bytes += body_bytes
        self.left -= answered
        self.send(answered)


def _written(learned: bytes, body: bytes, number: int, requests: int) -> list[bytes]:
    """So many requests, of which the first teaches the table its fields.

    Before any is sent: who writes them meanwhile asks again later than h2load does, and a service
    that waits for it in between takes 1 us more for each.
    """
    marks = body.count(MARK)
    template = _template(learned, body)
    made = []
    for stream in range(1, 2 * requests, 2):
        name = stream.to_bytes(4, "big")
        made.append(template % (name, name, *(number,) * marks))
        number += 1
        if stream == 1:
            template = _template(b"\x83\x86\xc2\xc1\xc0\xbf\xbe", body)
    return made


def _template(block: bytes, body: bytes) -> bytes:
    """To be filled with the number of the stream, twice, and with what stands for each `MARK`."""
    head = frames.pack_head(len(block) << 8 | frames.HEADERS, frames.END_HEADERS, 0)
    data = frames.pack_head(len(body) << 8 | frames.DATA, frames.END_STREAM, 0)
    pieces = [head[:5], block + data[:5], body]
    begin, middle, rest = [piece.replace(b"%", b"%%") for piece in pieces]
    return begin + b"%b" + middle + b"%b" + rest.replace(MARK, b"%012d")


def _loop(order: Order) -> Outcome:
    body = Path(order.body).read_bytes()
    # No run asks a million a second, so none says what an earlier one said.
    number = time.time_ns() // 1000 % 10**11
    connections = []
    for index in range(order.connections):
        share = (order.requests + index) // order.connections
        connections.append(_Connection(order, share, number, body))
        number += share
    poll = select.epoll()
    by_number = {each.socket.fileno(): each for each in connections}
    for each in by_number:
        poll.register(each, select.EPOLLIN)
    began = time.monotonic()
    for connection in connections:
        connection.begin()
    while any(each.left for each in connections):
        ready = poll.poll(PATIENCE)
        if not ready:
            raise LoadFailed(f"no answer within {PATIENCE:g} s")
        for fd, _ in ready:
            by_number[fd].receive()
    seconds = time.monotonic() - began
    body_bytes = sum(each.body_bytes for each in connections)
    return Outcome(order.requests, order.requests, seconds, body_bytes)


def run(
    core: int | None, address: str, path: str, requests: int, shape: Shape, body: Path
) -> Outcome:
    """Send `requests` requests from `core` (None: any), as h2load does.

    Raises:
        LoadFailed: Some of them were not answered.
    """
    clients = min(shape.connections, requests)
    order = Order(address, path, str(body), requests, clients, shape.streams)
    with on_core(core) if core is not None else nullcontext():
        done = subprocess.run(
            [sys.executable, "-m", "tests.load.varied"],
            input=json.dumps(dataclasses.asdict(order)),
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
    if done.returncode:
        raise LoadFailed(f"the varied load ended with {done.returncode}: {done.stderr[-500:]}")
    return Outcome(**json.loads(done.stdout))


def main() -> int:
    """The process."""
    gc.disable()
    try:
        outcome = _loop(Order(**json.load(sys.stdin)))
    except (LoadFailed, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    json.dump(dataclasses.asdict(outcome), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())

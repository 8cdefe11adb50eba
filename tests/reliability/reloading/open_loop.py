"""An open loop of gRPC calls: `python -m tests.reliability.reloading.open_loop ADDRESS FILE RATE`.

Sends at its rate whatever is answered, until a line comes on its standard input, and writes what
came of each call into a file, as `Call` reads it. Speaks HTTP/2 as far as it needs: grpcio alone
would take a core for half of these calls.
"""

import gc
import select
import socket
import struct
import sys
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from callout.testing.requests import check_request, rate_limit_request
from tests.load import payloads

CONNECTIONS: Final = 8
TICK: Final = 0.001
"""Seconds between two turns of sending."""
ANSWER_WITHIN: Final = 10.0
"""Seconds that are waited for the last answers."""
HOST: Final = "reload.example"
AUTHZ, LIMIT, OURSELVES = 0, 1, 2
PAUSE: Final = 0.003
"""Seconds of one turn of ours that are told as a pause: the machine gave the core to others."""
FAILED, OF_A, OF_B, MIXED = 0, 1, 2, 3
MARKS: Final = (b"bundle-a", b"bundle-b")
"""One of them is in each good answer: see `bundles`."""
_FIELDS: Final = 5
_WINDOW: Final = 0x7FFF0000


class Call(NamedTuple):
    """What came of one call."""

    connection: int
    kind: int
    """AUTHZ or LIMIT."""
    answer: int
    """FAILED, OF_A, OF_B or MIXED."""
    sent: float
    """Seconds of the monotonic clock, which is the same in all processes."""
    answered: float
    """The same; infinite: never."""


def read(path: Path) -> Iterator[Call]:
    """The calls in the order of their answers."""
    numbers = array("d")
    numbers.frombytes(path.read_bytes())
    for at in range(0, len(numbers), _FIELDS):
        connection, kind, answer, sent, answered = numbers[at : at + _FIELDS]
        yield Call(int(connection), int(kind), int(answer), sent, answered)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def _call(path: str, message: bytes) -> tuple[bytes, bytes]:
    """Header block and DATA payload of a call."""
    block = b"\x83\x86"  # POST, http
    block += _literal(b":path", path.encode()) + _literal(b":authority", b"gatewright")
    block += _literal(b"content-type", b"application/grpc") + _literal(b"te", b"trailers")
    return block, b"\0" + struct.pack(">I", len(message)) + message


class _Connection:
    def __init__(self, number: int, address: tuple[str, int], calls: list[tuple[bytes, bytes]]):
        self.number = number
        self._calls = calls
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        settings = _frame(4, 0, 0, struct.pack(">HI", 4, _WINDOW))
        window = _frame(8, 0, 0, struct.pack(">I", _WINDOW))
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + window)
        self._rest = b""
        self._stream = 1
        self.waiting: dict[int, tuple[int, float, int]] = {}
        """By stream: kind, when it was sent, and what is known of its answer."""

    def send(self, kinds: list[int], now: float) -> None:
        out = []
        for kind in kinds:
            block, data = self._calls[kind]
            stream, self._stream = self._stream, self._stream + 2
            out.append(_frame(1, 0x4, stream, block) + _frame(0, 0x1, stream, data))
            self.waiting[stream] = (kind, now, FAILED)
        self.socket.sendall(b"".join(out))

    def receive(self, into: "array[float]") -> bool:
        """False: the server closed the connection."""
        got = self.socket.recv(1 << 18)
        now = time.monotonic()
        data = self._rest + got
        at, end = 0, len(data)
        while end - at >= 9:
            size = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2]
            stop = at + 9 + size
            if stop > end:
                break
            kind, flags = data[at + 3], data[at + 4]
            if kind in (0, 1, 3):
                stream = int.from_bytes(data[at + 5 : at + 9], "big")
                self._answered(kind, flags, stream, data[at + 9 : stop], now, into)
            elif kind == 4 and not flags:
                self.socket.sendall(_frame(4, 1, 0, b""))
            elif kind == 6 and not flags:
                self.socket.sendall(_frame(6, 1, 0, data[at + 9 : stop]))
            at = stop
        self._rest = data[at:]
        return bool(got)

    def _answered(
        self, kind: int, flags: int, stream: int, payload: bytes, now: float, into: "array[float]"
    ) -> None:
        call = self.waiting.get(stream)
        if call is None:
            return
        which, sent, found = call
        if kind == 0:
            found |= (MARKS[0] in payload) | (MARKS[1] in payload) << 1
            self.waiting[stream] = (which, sent, found)
        if kind == 3 or flags & 0x1:
            del self.waiting[stream]
            into.extend((self.number, which, found if kind != 3 else FAILED, sent, now))


def run(address: tuple[str, int], into: Path, rate: float) -> None:
    """Sends until a line comes on standard input."""
    gc.disable()
    limit = {"host": HOST, "path": "/", "method": "GET", "remote_address": "192.0.2.1"}
    calls = [
        _call(payloads.CHECK, check_request(host=HOST).SerializeToString()),
        _call(payloads.LIMIT, rate_limit_request("gatewright", limit).SerializeToString()),
    ]
    connections = [_Connection(each, address, calls) for each in range(CONNECTIONS)]
    by_fd = {each.socket.fileno(): each for each in connections}
    poll = select.poll()
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    poll.register(sys.stdin.fileno(), select.POLLIN)
    calls_done = array("d")
    started, sent, stopping = time.monotonic(), 0, 0.0
    turned = started
    print("sending", flush=True)
    with into.open("wb") as file:
        while not stopping or (
            any(each.waiting for each in connections) and time.monotonic() < stopping
        ):
            now = time.monotonic()
            if now - turned > PAUSE:
                calls_done.extend((-1, OURSELVES, FAILED, turned, now))
            due = 0 if stopping else int((now - started) * rate) - sent
            if due > 0:
                shares: list[list[int]] = [[] for _ in connections]
                for number in range(sent, sent + due):
                    shares[number % CONNECTIONS].append(number // CONNECTIONS % 2)
                for connection, kinds in zip(connections, shares, strict=True):
                    if kinds:
                        connection.send(kinds, now)
                sent += due
            before = time.monotonic()
            ready = poll.poll(TICK * 1000)
            turned = time.monotonic()
            if turned - before > TICK + PAUSE:
                calls_done.extend((-1, OURSELVES, FAILED, before, turned))
            for fd, _ in ready:
                if fd == sys.stdin.fileno():
                    poll.unregister(fd)
                    stopping = time.monotonic() + ANSWER_WITHIN
                elif not by_fd[fd].receive(calls_done):
                    poll.unregister(fd)
            if len(calls_done) > 100_000:
                calls_done.tofile(file)
                del calls_done[:]
        for connection in connections:
            for kind, when, _ in connection.waiting.values():
                calls_done.extend((connection.number, kind, FAILED, when, float("inf")))
        calls_done.tofile(file)
    print(sent, flush=True)


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    run((host, int(port)), Path(sys.argv[2]), float(sys.argv[3]))

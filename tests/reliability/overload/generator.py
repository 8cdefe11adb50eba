"""An open loop over HTTP/2: so many requests a second, whether or not the last were answered.

Our own because h2load tells neither the latency of one kind of answer from that of another, nor
when a request should have been sent: a latency counts from then. A request that finds no place on
its connection (streams, flow control) waits, and is given up once its deadline has passed.

    python -m tests.reliability.overload.generator < order.json > outcome.json
"""

import gc
import json
import os
import select
import socket
import struct
import sys
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from callout.http2 import frames
from callout.http2.hpack import literal_block
from tests.load.payloads import framed

MOST_STREAMS: Final = 1000
"""In flight on a connection: the server allows 1024."""
BUCKET: Final = 1e-4
"""Seconds of a bucket of latencies."""
PAUSE: Final = 0.0005
"""Seconds between two looks at what is due."""
LAST: Final = 2.0
"""Seconds that the last answers are waited for."""
READ: Final = 256 << 10
GENTLE: Final = 10
"""Niceness: Redis and the slow OPA server, which elsewhere have cores of their own, go first."""
_WINDOW: Final = struct.Struct(">I")


@dataclass(frozen=True)
class Order:
    """What is sent."""

    address: str
    path: str
    messages: tuple[str, ...]
    """Serialized requests, hexadecimal, sent in turn."""
    rate: float
    """Requests a second, over all connections."""
    seconds: float
    deadline: float
    """Seconds, as `grpc-timeout`; from 1 ms on."""
    connections: int = 16
    burst: int = 0
    """Requests that each connection sends in one write, instead of a rate."""
    varies: int = 0
    """Bytes at the end of an answer that differ from one to the next: the decision's id."""


@dataclass
class Kind:
    """Answers to one message that are alike, on one connection."""

    connection: int

    message: int
    """Which of `Order.messages`."""
    body: str
    """Hexadecimal, without what varies; empty: a gRPC error."""
    latencies: dict[str, int] = field(default_factory=dict)
    """How many, by latency in buckets of `BUCKET`."""
    on_time: int = 0


@dataclass
class Outcome:
    """What came back."""

    sent: int = 0
    unsent: int = 0
    """Given up before they could be sent."""
    unanswered: int = 0
    while_sending: int = 0
    """Answers that came before the last request was sent."""
    seconds: float = 0.0
    kinds: list[Kind] = field(default_factory=list)
    lag: float = 0.0
    """Seconds within which 99 of 100 requests were handed to their connection: our own lateness."""
    busy: float = 0.0
    """Part of the time for which we worked or wanted to: of 1 it is we who were measured."""


class _Connection:
    def __init__(self, order: Order, templates: list[tuple[bytes, bytes, bytes]]) -> None:
        host, _, port = order.address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        self._templates = templates
        self._costs = [len(each[2]) for each in templates]
        self.waiting: deque[float] = deque()
        """When those should have been sent that are not."""
        self._flying: dict[int, tuple[float, int]] = {}
        self._next = 1
        self._turn = 0
        self._window = 65_535
        self._out = b""
        self._in = b""
        self.deadline = order.deadline
        self._varies = order.varies
        self._bodies: dict[int, bytes] = {}
        self.answers: dict[tuple[int, bytes], Counter[int]] = {}
        self.on_time: Counter[tuple[int, bytes]] = Counter()
        self.sent = self.unsent = 0
        window = _WINDOW.pack(1 << 30)
        self.socket.sendall(
            frames.PREFACE
            + frames.pack_head(frames.SETTINGS, 0, 0)
            + frames.pack_head(4 << 8 | frames.WINDOW_UPDATE, 0, 0)
            + window
            + frames.pack_head(frames.SETTINGS, frames.ACK, 0)
        )
        self.socket.setblocking(False)

    @property
    def flying(self) -> int:
        return len(self._flying)

    def push(self, now: float) -> None:
        """Send what is due and has a place."""
        if self._out:
            self._write()
            if self._out:
                self._give_up(now)
                return
        pieces: list[bytes] = []
        waiting, flying = self.waiting, self._flying
        templates, costs = self._templates, self._costs
        self._give_up(now)
        while waiting and len(flying) < MOST_STREAMS:
            turn = self._turn
            cost = costs[turn]
            if self._window < cost:
                break
            self._window -= cost
            stream_id = self._next
            self._next += 2
            number = stream_id.to_bytes(4, "big")
            first, second, third = templates[turn]
            pieces += (first, number, second, number, third)
            flying[stream_id] = (waiting.popleft(), turn)
            self._turn = (turn + 1) % len(templates)
        if pieces:
            self.sent += len(pieces) // 5
            self._out += b"".join(pieces)
        if self._out:
            self._write()

    def _give_up(self, now: float) -> None:
        waiting, before = self.waiting, now - self.deadline
        while waiting and waiting[0] < before:
            waiting.popleft()
            self.unsent += 1

    def _write(self) -> None:
        try:
            written = self.socket.send(self._out)
        except BlockingIOError:
            return
        self._out = self._out[written:]

    def pull(self) -> None:
        """Take the answers that came."""
        try:
            data = self.socket.recv(READ)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionError("the server closed the connection")
        now = time.monotonic()
        if self._in:
            data = self._in + data
        unpack, flying, bodies = frames.unpack_head, self._flying, self._bodies
        at, size = 0, len(data)
        while size - at >= 9:
            word, flags, stream_id = unpack(data, at)
            end = at + 9 + (word >> 8)
            if end > size:
                break
            kind = word & 0xFF
            if kind == frames.DATA:
                bodies[stream_id] = data[at + 14 : end]
            elif kind == frames.HEADERS:
                if flags & frames.END_STREAM:
                    due, turn = flying.pop(stream_id)
                    body = bodies.pop(stream_id, b"")
                    self._answered(now - due, turn, body)
            elif kind == frames.WINDOW_UPDATE:
                if stream_id == 0:
                    self._window += _WINDOW.unpack_from(data, at + 9)[0]
            elif kind == frames.PING and not flags & frames.ACK:
                # Behind all that was written before, as every client does.
                self._out += frames.ping(data[at + 9 : end], frames.ACK)
            elif kind in (frames.RST_STREAM, frames.GOAWAY):
                raise ConnectionError(f"frame {kind} of stream {stream_id}")
            at = end
        self._in = data[at:]

    def _answered(self, latency: float, turn: int, body: bytes) -> None:
        key = turn, body[: -self._varies] if self._varies and body else body
        counts = self.answers.get(key)
        if counts is None:
            counts = self.answers[key] = Counter()
        counts[int(latency / BUCKET)] += 1
        if latency <= self.deadline:
            self.on_time[key] += 1


def run(order: Order) -> Outcome:
    """Send, receive, count."""
    templates = [_template(order, bytes.fromhex(each)) for each in order.messages]
    connections = [_Connection(order, templates) for _ in range(order.connections)]
    poll = select.epoll()
    by_number = {each.socket.fileno(): each for each in connections}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    # Whoever starts must have heard of the server's windows.
    for each in connections:
        each.waiting.append(time.monotonic())
        each.push(time.monotonic())
    _drain(poll, by_number, connections, 5.0)
    for each in connections:
        each.answers.clear()
        each.on_time.clear()
        each.sent = each.unsent = 0
    began, lags, wanted = time.monotonic(), Counter[int](), _wanted()
    if order.burst:
        for each in connections:
            each.waiting.extend([time.monotonic()] * order.burst)
            each.push(time.monotonic())
    else:
        _steadily(order, poll, by_number, connections, began, lags)
    seconds = time.monotonic() - began
    busy = (_wanted() - wanted) / seconds
    while_sending = sum(many.total() for each in connections for many in each.answers.values())
    _drain(poll, by_number, connections, LAST)
    if order.burst:
        seconds = time.monotonic() - began
    outcome = _outcome(connections, seconds)
    outcome.lag = quantile(lags, 0.99)
    outcome.while_sending, outcome.busy = while_sending, busy
    return outcome


def _wanted() -> float:
    """Seconds in which we had a core or waited for one: Redis may be on ours."""
    worked, waited, _ = Path("/proc/self/schedstat").read_text().split()
    return (int(worked) + int(waited)) / 1e9


def _steadily(
    order: Order,
    poll: select.epoll,
    by_number: dict[int, _Connection],
    connections: list[_Connection],
    began: float,
    lags: Counter[int],
) -> None:
    gap, due, turn = 1 / order.rate, began, 0
    end = began + order.seconds
    while (now := time.monotonic()) < end:
        while due <= now:
            lags[int((now - due) / BUCKET)] += 1
            connections[turn].waiting.append(due)
            turn = (turn + 1) % len(connections)
            due += gap
        for each in connections:
            if each.waiting or each._out:
                each.push(now)
        for number, _ in poll.poll(max(0.0, now + PAUSE - time.monotonic())):
            by_number[number].pull()


def _drain(
    poll: select.epoll,
    by_number: dict[int, _Connection],
    connections: list[_Connection],
    seconds: float,
) -> None:
    end = time.monotonic() + seconds
    while any(each.flying or each.waiting for each in connections) and time.monotonic() < end:
        for each in connections:
            each.push(time.monotonic())
        for number, _ in poll.poll(0.01):
            by_number[number].pull()


def _template(order: Order, message: bytes) -> tuple[bytes, bytes, bytes]:
    """The pieces between which the number of the stream stands twice."""
    block = literal_block(
        [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", order.path.encode()),
            (b":authority", order.address.encode()),
            (b"te", b"trailers"),
            (b"grpc-timeout", b"%dm" % round(order.deadline * 1000)),
            (b"content-type", b"application/grpc"),
        ]
    )
    body = framed(message)
    head = frames.pack_head(len(block) << 8 | frames.HEADERS, frames.END_HEADERS, 0)
    data = frames.pack_head(len(body) << 8 | frames.DATA, frames.END_STREAM, 0)
    return head[:5], block + data[:5], body


def _outcome(connections: list[_Connection], seconds: float) -> Outcome:
    outcome = Outcome(seconds=seconds)
    for number, each in enumerate(connections):
        outcome.sent += each.sent
        outcome.unsent += each.unsent
        outcome.unanswered += each.flying
        for (message, body), counts in each.answers.items():
            latencies = {str(bucket): count for bucket, count in counts.items()}
            on_time = each.on_time[message, body]
            outcome.kinds.append(Kind(number, message, body.hex(), latencies, on_time))
    return outcome


def quantile(buckets: Mapping[int, int], part: float) -> float:
    """Seconds; 0 of nothing."""
    wanted, seen = part * sum(buckets.values()), 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= wanted:
            return (bucket + 1) * BUCKET
    return 0.0


def main() -> int:
    """The process."""
    gc.disable()
    os.nice(GENTLE)
    given: dict[str, Any] = json.load(sys.stdin)
    json.dump(asdict(run(Order(**given))), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())

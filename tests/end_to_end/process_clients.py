"""Clients that leave nothing to a library: every chunk and every trailer is the test's."""

import contextlib
import socket
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import h2.config
import h2.connection
import h2.events

WITHIN = 30.0
"""Seconds for one request."""
Address = tuple[str, int]


class Answer(NamedTuple):
    status: int
    headers: dict[bytes, bytes]
    body: bytes
    trailers: dict[bytes, bytes]
    whole: bool
    """Whether it ended as its protocol ends a message."""


def chunks(body: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


@contextlib.contextmanager
def connected(address: Address) -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=WITHIN) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield sock


def head(method: str, path: str, fields: Iterable[tuple[str, str]]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: a.example", *(f"{k}: {v}" for k, v in fields)]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"


def http1(
    address: Address,
    path: str,
    body: bytes | Iterable[bytes] = b"",
    *,
    method: str = "POST",
    fields: Sequence[tuple[str, str]] = (),
    trailers: Sequence[tuple[str, str]] = (),
) -> Answer:
    """Bytes are sent with a length; an iterable of bytes in chunks as they are."""
    with connected(address) as sock:
        if isinstance(body, bytes):
            sized = [("content-length", str(len(body)))] if body else []
            sock.sendall(head(method, path, [*fields, *sized]) + body)
        else:
            announced = [("trailer", name) for name, _ in trailers]
            sock.sendall(
                head(method, path, [*fields, *announced, ("transfer-encoding", "chunked")])
            )
            with contextlib.suppress(ConnectionError):  # it may be answered before its end
                for each in body:
                    sock.sendall(b"%x\r\n%s\r\n" % (len(each), each))
                ends = "".join(f"{name}: {value}\r\n" for name, value in trailers)
                sock.sendall(f"0\r\n{ends}\r\n".encode())
        with sock.makefile("rb") as file:
            return _answer(file, method)


def _answer(file: "object", method: str) -> Answer:
    readline, read = file.readline, file.read  # type: ignore[attr-defined]
    line = readline()
    if not line:
        return Answer(0, {}, b"", {}, False)
    status = int(line.split()[1])
    headers = _fields(readline)
    if method == "HEAD" or status in (204, 304):
        return Answer(status, headers, b"", {}, True)
    if headers.get(b"transfer-encoding") != b"chunked":
        length = int(headers.get(b"content-length", b"0"))
        body = read(length)
        return Answer(status, headers, body, {}, len(body) == length)
    pieces = []
    with contextlib.suppress(ValueError, ConnectionError):
        while size := int(readline(), 16):
            pieces.append(read(size))
            readline()
        return Answer(status, headers, b"".join(pieces), _fields(readline), True)
    return Answer(status, headers, b"".join(pieces), {}, False)


def _fields(readline: "object") -> dict[bytes, bytes]:
    found = {}
    while (line := readline()) not in (b"\r\n", b""):  # type: ignore[operator]
        name, _, value = line.partition(b":")
        found[name.strip().lower()] = value.strip()
    return found


def http2(
    address: Address,
    path: str,
    pieces: Iterable[bytes] = (),
    *,
    method: str = "POST",
    fields: Sequence[tuple[str, str]] = (),
    trailers: Sequence[tuple[str, str]] = (),
) -> Answer:
    """A DATA frame for each piece, or several when it is too large for one."""
    frames = [part for piece in pieces for part in (list(chunks(piece, 16384)) or [b""])]
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
    received = _Received()
    with connected(address) as sock:

        def turn() -> None:
            sock.sendall(connection.data_to_send())
            data = sock.recv(65536)
            if not data:
                raise ConnectionResetError
            for event in connection.receive_data(data):
                received.take(event, connection)
            sock.sendall(connection.data_to_send())

        connection.initiate_connection()
        pseudo = [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", path)]
        with contextlib.suppress(ConnectionError):
            connection.send_headers(1, [*pseudo, *fields], not frames and not trailers)
            for number, part in enumerate(frames):
                while connection.local_flow_control_window(1) < len(part) and not received.over:
                    turn()
                if received.over:  # it was answered before its end
                    break
                connection.send_data(1, part, number == len(frames) - 1 and not trailers)
                sock.sendall(connection.data_to_send())
            else:
                if trailers:
                    connection.send_headers(1, list(trailers), end_stream=True)
            while not received.over:
                turn()
    return received.answer()


class _Received:
    def __init__(self) -> None:
        self.over = self.whole = False
        self._heads: list[dict[bytes, bytes]] = []
        self._body: list[bytes] = []

    def take(self, event: h2.events.Event, connection: h2.connection.H2Connection) -> None:
        if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
            self._heads.append(dict(event.headers or ()))
        elif isinstance(event, h2.events.DataReceived):
            self._body.append(event.data or b"")
            connection.acknowledge_received_data(event.flow_controlled_length or 0, 1)
        elif isinstance(event, h2.events.StreamEnded):
            self.over = self.whole = True
        elif isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
            self.over = True

    def answer(self) -> Answer:
        first, rest = (self._heads or [{}])[0], self._heads[1:]
        status = int(first.get(b":status", b"0"))
        trailers = rest[0] if rest else {}
        return Answer(status, first, b"".join(self._body), trailers, self.whole)

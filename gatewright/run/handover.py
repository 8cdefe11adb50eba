"""From one supervising process to the next: the listening sockets, and what must go on.

Both ends of a socket pair (SOCK_SEQPACKET: a message stays one). The predecessor sends one
`Heritage`, with descriptors in as many messages as they need; the successor sends one `Outcome`
when all of its workers answer, or when it cannot go on. To the first the predecessor answers with
its `Counts` of that moment: minutes may have passed.
"""

import contextlib
import os
import socket
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from callout.serve.address import address_of, remove_socket
from gatewright.run.sockets import inherit

VARIABLE: Final = "_GATEWRIGHT_SUCCEEDS"
"""Of the environment: the number of the successor's end."""
WAITS: Final = 10.0
"""Seconds in which the predecessor must have sent everything: it does before we run. It is also
how long its last counts are waited for."""
_MOST_DESCRIPTORS: Final = 200
"""In one message; Linux takes 253."""
_MOST_BYTES: Final = 64 * 1024


class Listens(msgspec.Struct, frozen=True):
    """Where the predecessor was told to listen: only the same settings inherit its sockets."""

    grpc: str
    spread: str
    admin: str
    http: str = ""
    """Empty: nowhere."""
    prometheus: str = ""
    """As well."""
    process: str = ""
    """As well."""


class Counts(msgspec.Struct, frozen=True):
    """What the supervising process itself has counted, and those before it."""

    restarts: int = 0
    """Workers that were replaced."""
    loads: dict[str, int] = {}
    """Loads of the bundle by result."""


class Heritage(msgspec.Struct, frozen=True):
    """What is said beside the sockets."""

    version: str
    """Of Gatewright: only the same one counts on in the files of its predecessor."""
    metrics: str
    """The folder of those files."""
    counts: Counts
    listens: Listens
    sockets: int
    """How many follow: the admin port's first, then those of gRPC."""
    http: int = 0
    """How many follow after them, of the HTTP port, apart: an older version takes none of them."""
    prometheus: int = 0
    """One if a socket for Prometheus follows after them."""
    counters: int | None = None
    """The predecessor's descriptor of the memory that workers count in, which follows then."""
    process: int = 0
    """How many follow last, of the face `process`: an older version does not look at them."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of the successor."""

    problem: str
    """Why it ends; empty: it answers, and the predecessor may drain."""


@dataclass
class Inheritance:
    """The successor's side."""

    heritage: Heritage
    admin: socket.socket
    grpc: list[socket.socket]
    http: list[socket.socket]
    prometheus: socket.socket | None
    process: list[socket.socket]
    counters: int | None
    """The descriptor of the memory that workers count in. Who uses it may close it."""
    _channel: socket.socket = field(repr=False)

    def decline(self, problem: str) -> None:
        """Says why we do not answer. A predecessor that is gone needs to know nothing."""
        with self._channel, contextlib.suppress(OSError):
            self._channel.send(msgspec.json.encode(Outcome(problem[: _MOST_BYTES // 8])))

    def succeed(self) -> Counts:
        """Says that we answer; what has been counted until now, as far as we are told."""
        with self._channel, contextlib.suppress(OSError, msgspec.MsgspecError):
            self._channel.send(msgspec.json.encode(Outcome("")))
            return msgspec.json.decode(self._channel.recv(_MOST_BYTES), type=Counts)
        return self.heritage.counts

    def close_all_but(self, used: Container[socket.socket | None]) -> None:
        """Closes what we listen on no more: who connects there must be refused, not wait.

        The file of a Unix socket goes, too.
        """
        for each in (self.admin, *self.grpc, *self.http, *self.process, self.prometheus):
            if each is not None and each not in used:
                address = address_of(each)
                each.close()
                if address.path:
                    remove_socket(address.path)


def send(channel: socket.socket, heritage: Heritage, sockets: Sequence[socket.socket]) -> None:
    """The predecessor's side.

    Raises:
        OSError: The successor is gone.
    """
    channel.send(msgspec.json.encode(heritage))
    numbers = [each.fileno() for each in sockets]
    last = len(numbers) - heritage.process
    _send(channel, numbers[: heritage.sockets])
    _send(channel, numbers[heritage.sockets : last])
    if heritage.counters is not None:
        socket.send_fds(channel, [b"."], [heritage.counters])
    _send(channel, numbers[last:])


def _send(channel: socket.socket, numbers: Sequence[int]) -> None:
    for start in range(0, len(numbers), _MOST_DESCRIPTORS):
        socket.send_fds(channel, [b"."], numbers[start : start + _MOST_DESCRIPTORS])


def received() -> Inheritance | None:
    """What a predecessor left us; None: there is none.

    Raises:
        OSError: It is gone, or what it sent is cut.
        msgspec.MsgspecError: It is of a version that says other things.
    """
    number = os.environ.pop(VARIABLE, "")
    if not number:
        return None
    channel = inherit(int(number))
    channel.settimeout(WAITS)
    heritage = msgspec.json.decode(channel.recv(_MOST_BYTES), type=Heritage)
    sockets = _receive(channel, heritage.sockets + heritage.http + heritage.prometheus)
    prometheus = sockets.pop() if heritage.prometheus else None
    admin, grpc, http = sockets[0], sockets[1 : heritage.sockets], sockets[heritage.sockets :]
    counters = None
    if heritage.counters is not None:
        _, (counters,), _, _ = socket.recv_fds(channel, 1, 1)
        os.set_inheritable(counters, False)
    process = _receive(channel, heritage.process)
    return Inheritance(heritage, admin, grpc, http, prometheus, process, counters, channel)


def _receive(channel: socket.socket, wanted: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    while len(sockets) < wanted:
        data, descriptors, _, _ = socket.recv_fds(channel, 1, _MOST_DESCRIPTORS)
        if not data or not descriptors:
            raise ConnectionError("the predecessor is gone")
        sockets += map(inherit, descriptors)
    return sockets

"""From one supervising process to the next: the listening sockets, and what must go on.

Both ends of a socket pair (SOCK_SEQPACKET: a message stays one). The predecessor sends one
`Heritage`, with descriptors in as many messages as they need; the successor sends one `Outcome`
when all of its workers answer, or when it cannot go on.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from gatewright.run.sockets import inherit

VARIABLE: Final = "_GATEWRIGHT_SUCCEEDS"
"""Of the environment: the number of the successor's end."""
WAITS: Final = 10.0
"""Seconds in which the predecessor must have sent everything: it does before we run."""
_MOST_DESCRIPTORS: Final = 200
"""In one message; Linux takes 253."""
_MOST_BYTES: Final = 64 * 1024


class Listens(msgspec.Struct, frozen=True):
    """Where the predecessor was told to listen: only the same settings inherit its sockets."""

    grpc: str
    spread: str
    admin: str


class Heritage(msgspec.Struct, frozen=True):
    """What is said beside the sockets."""

    version: str
    """Of Gatewright: only the same one counts on in the files of its predecessor."""
    metrics: str
    """The folder of those files."""
    restarts: int
    """Workers that were replaced until now."""
    loads: dict[str, int]
    """Loads of the bundle until now, by result."""
    listens: Listens
    sockets: int
    """How many follow: the admin port's first, then those of gRPC."""


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
    _channel: socket.socket = field(repr=False)

    def tell(self, problem: str = "") -> None:
        """Says that we answer, or why we do not. A predecessor that is gone needs no answer."""
        try:
            self._channel.send(msgspec.json.encode(Outcome(problem[: _MOST_BYTES // 8])))
        except OSError:
            return
        finally:
            self._channel.close()


def send(channel: socket.socket, heritage: Heritage, sockets: Sequence[socket.socket]) -> None:
    """The predecessor's side.

    Raises:
        OSError: The successor is gone.
    """
    channel.send(msgspec.json.encode(heritage))
    numbers = [each.fileno() for each in sockets]
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
    sockets: list[socket.socket] = []
    while len(sockets) < heritage.sockets:
        data, descriptors, _, _ = socket.recv_fds(channel, 1, _MOST_DESCRIPTORS)
        if not data or not descriptors:
            raise ConnectionError("the predecessor is gone")
        sockets += map(inherit, descriptors)
    return Inheritance(heritage, sockets[0], sockets[1:], channel)

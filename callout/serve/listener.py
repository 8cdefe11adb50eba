"""Takes connections from a listening socket, as many as may be, and counts them from the start.

The loop's own servers tell of a TLS connection when its handshake is done. Who never finishes one
would hold descriptors that nobody counts, and the loop takes all that wait at once, a thousand.
"""

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import Callable
from typing import Protocol

from callout.serve.address import BACKLOG, peer_text
from callout.serve.handshakes import PEER

AT_ONCE = 8
"""Connections taken before the others have their turn: 13 us each, besides protocol and TLS."""
REST = 0.1
"""Seconds until the next try when the system has no descriptor or memory left."""
SHUTDOWN_SECONDS = 5.0
"""Seconds that a peer has to answer the end of TLS."""
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Door(Protocol):
    """Who decides about a connection, and makes its protocol."""

    def refuses(self, host: str, now: float) -> str:
        """Why a connection from there is closed at once; empty: it is let in."""
        ...

    def refused(self, word: str, peer: str, now: float) -> None:
        """It was, or failed before it could begin."""
        ...

    def enter(self, host: str) -> asyncio.Protocol:
        """The protocol of one that is let in."""
        ...

    def settled(self, protocol: asyncio.Protocol) -> None:
        """It has begun, or never will: the handshake failed."""
        ...


def keep_alive(bound: socket.socket, seconds: float) -> None:
    """Make the kernel end connections whose peer is gone without a word, in about so many seconds.

    Set on a listening socket, connections inherit it (tcp(7)). An idle peer is asked after half
    of the time, and then four times; one that does not acknowledge what we sent is given up.
    """
    whole = max(4, round(seconds))
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, whole // 2))
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, whole // 8))
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, whole * 1000)


class Listener:
    """One listening socket."""

    def __init__(
        self,
        bound: socket.socket,
        door: Door,
        tls: ssl.SSLContext | None,
        handshake: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Listens from now on.

        Args:
            bound: owned from now on.
            door: decides about connections.
            tls: None: plain.
            handshake: seconds that one may take.
            clock: seconds.
        """
        self._socket = bound
        self._door = door
        self._tls = tls
        self._handshake = handshake
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        self._resting: asyncio.TimerHandle | None = None
        bound.setblocking(False)
        bound.listen(BACKLOG)
        self._loop.add_reader(bound.fileno(), self._ready)

    @property
    def opening(self) -> frozenset["asyncio.Task[None]"]:
        """What was taken and has not begun: its callers believe to be connected."""
        return frozenset(self._opening)

    def close(self) -> None:
        """Takes no more; what was taken goes on."""
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        else:
            self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _ready(self) -> None:
        for _ in range(AT_ONCE):
            try:
                taken, name = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._rest()
                return
            self._take(taken, name)

    def _rest(self) -> None:
        self._door.refused("no_descriptors", "", self._clock())
        self._loop.remove_reader(self._socket.fileno())
        self._resting = self._loop.call_later(REST, self._go_on)

    def _go_on(self) -> None:
        self._resting = None
        self._loop.add_reader(self._socket.fileno(), self._ready)

    def _take(self, taken: socket.socket, name: object) -> None:
        host = str(name[0]) if isinstance(name, tuple) else ""
        now = self._clock()
        if word := self._door.refuses(host, now):
            taken.close()
            self._door.refused(word, peer_text(name), now)
            return
        protocol = self._door.enter(host)
        opening = self._loop.create_task(self._open(taken, peer_text(name), protocol))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _open(self, taken: socket.socket, peer: str, protocol: asyncio.Protocol) -> None:
        taken.setblocking(False)
        secured = self._tls is not None
        PEER.set(peer)  # of this task alone
        try:
            await self._loop.connect_accepted_socket(
                lambda: protocol,
                taken,
                ssl=self._tls,
                ssl_handshake_timeout=self._handshake if secured else None,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS if secured else None,
            )
        except ConnectionAbortedError:
            self._door.refused("handshake_timeout", peer, self._clock())
        except OSError:
            pass  # of TLS: counted where it failed; else the peer left
        finally:
            self._door.settled(protocol)

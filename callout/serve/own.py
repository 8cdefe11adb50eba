"""Our own transport: listening sockets, one protocol a connection, one timer for all deadlines."""

import asyncio
import contextlib
import random
import resource
import socket
import ssl
import time
from collections.abc import Sequence
from typing import cast

import structlog

from callout.grpc.head import Interpreter
from callout.grpc.methods import Methods
from callout.serve.address import address_of, remove_socket
from callout.serve.admission import Admission
from callout.serve.certificates import Certificates, load
from callout.serve.deadlines import GRAIN, Deadlines, Expiring
from callout.serve.failures import Failures
from callout.serve.handshakes import Handshakes
from callout.serve.listener import Listener, keep_alive
from callout.serve.live import LiveConnection
from callout.serve.options import ServeOptions
from callout.serve.protocol import GrpcProtocol
from callout.serve.refusals import Refusals
from callout.serve.room import Room
from callout.serve.tls import ALPN
from callout.serve.turns import TURN, Turns

_log = structlog.get_logger("callout.serve")

LIVE_AT_ONCE = 50
"""Connections that are looked at before requests have their turn again: 0.2 ms."""
CHECK_EVERY = 1.0
"""Seconds between two looks at ages, stalls and unfinished requests."""


def _sleeps() -> int:
    """How often this thread has given up the processor by itself."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


class Core:
    """What the connections of one server share."""

    __slots__ = (
        "_armed",
        "_timer",
        "admission",
        "connections",
        "counters",
        "deadlines",
        "emptied",
        "failures",
        "handshakes",
        "interpret",
        "leaving",
        "loop",
        "options",
        "refusals",
        "room",
        "turns",
    )

    def __init__(self, methods: Methods, options: ServeOptions) -> None:
        self.options = options
        self.loop = asyncio.get_running_loop()
        self.interpret = Interpreter(methods)
        self.counters = options.counters
        self.failures = Failures(options.counters)
        self.deadlines = Deadlines()
        self.admission = (
            Admission(options.admission, _sleeps, time.thread_time) if options.admission else None
        )
        self.handshakes: Handshakes | None = None
        """Of TLS; None: plain."""
        self.turns = Turns(self.loop)
        self.refusals = Refusals(options.counters)
        self.connections: set[GrpcProtocol] = set()
        self.room: Room[GrpcProtocol] = Room(options, self.connections)
        self.emptied = asyncio.Event()
        """Set when the last connection ends."""
        self.leaving = False
        """Whether a connection that begins now is asked to go at once."""
        self._timer: asyncio.TimerHandle | None = None
        self._armed = 0.0

    def watch(self, now: float, deadline: float, item: Expiring) -> int:
        """Call `item.expire` when the deadline has passed; returns the ticket to forget it by."""
        ticket = self.deadlines.add(now, deadline, item)
        if self._timer is None or ticket * GRAIN < self._armed:
            self._arm(now)
        return ticket

    def _arm(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        upcoming = self.deadlines.next()
        if upcoming is not None:
            self._armed = upcoming
            self._timer = self.loop.call_later(max(0.0, upcoming - now), self._fire)

    def tidy(self, now: float) -> None:
        """Wait for no deadline of calls that have ended: once a second, not at each end."""
        if self._timer is not None and self.deadlines.next() != self._armed:
            self._arm(now)

    def _fire(self) -> None:
        now = time.monotonic()
        for item in self.deadlines.take(now):
            item.expire()
        self._timer = None
        self._arm(now)

    def jittered(self, seconds: float) -> float:
        """A time that differs by up to a tenth from one connection to the next."""
        return seconds * random.uniform(0.9, 1.1)  # noqa: S311  # spreads load, guards nothing

    def refuse_connection(self, transport: asyncio.Transport) -> str:
        """Why a new connection must be closed at once; empty: it may stay."""
        if self.leaving:
            # Taken before the drain began: its first calls are answered as those of all others.
            leaver = cast(GrpcProtocol, transport.get_protocol())
            self.loop.call_soon(leaver.leave, "drain", time.monotonic())
        session = transport.get_extra_info("ssl_object")
        if session is None or self.options.tls is None or self.handshakes is None:
            return ""
        if session.selected_alpn_protocol() != ALPN:
            return "alpn"
        certificate = transport.get_extra_info("peercert") or {}
        # A session that is resumed (TLS 1.2) is not verified again, and lives for two hours.
        ends = certificate.get("notAfter")
        if ends is not None and ssl.cert_time_to_seconds(ends) < time.time():
            return "tls_certificate"
        if not self.options.tls.admits(certificate.get("subjectAltName", ())):
            return "client_san"
        if self.handshakes.is_former(session):
            # It began before the client authorities were replaced: see `OwnServer.renew`.
            connection = cast(GrpcProtocol, transport.get_protocol())
            self.loop.call_soon(connection.leave, "client_ca", time.monotonic())
        return ""

    def refuses(self, host: str, now: float) -> str:
        """Why a connection from there is closed at once; empty: it is let in."""
        return self.room.refuses(host, now)

    def refused(self, word: str, peer: str, now: float) -> None:
        """It was, or failed before it could begin."""
        self.counters.connections += 1
        self.refusals.connection(word, peer, now)

    def enter(self, host: str) -> GrpcProtocol:
        """The protocol of one that is let in."""
        self.room.entered(host)
        return GrpcProtocol(self, host)

    def settled(self, protocol: asyncio.Protocol) -> None:
        """It has begun, or never will."""
        assert isinstance(protocol, GrpcProtocol)  # noqa: S101  # from `enter`
        self.room.settled(protocol.host, protocol.made)

    def hold(self, size: int) -> None:
        """Count bytes of requests that connections keep."""
        self.room.hold(size)

    def lost(self, connection: GrpcProtocol) -> None:
        """A connection ended."""
        self.connections.discard(connection)
        self.room.left(connection.host)
        if not self.connections:
            self.emptied.set()


class OwnServer:
    """Serves gRPC on sockets that are bound already."""

    def __init__(self, methods: Methods, options: ServeOptions) -> None:
        self._options = options
        self._core = Core(methods, options)
        self._sockets: list[socket.socket] = []
        self._paths: tuple[str, ...] = ()
        self.addresses: tuple[str, ...] = ()
        """Where it listens, as `callout.serve.address.parse` reads it."""
        self._listeners: list[Listener] = []
        self._opening: set[asyncio.Task[None]] = set()
        """Of listeners that are closed: see `Listener.opening`."""
        self._certificates: Certificates | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self, sockets: Sequence[socket.socket], paths: Sequence[str]) -> None:
        """Listen.

        Args:
            sockets: bound; owned from now on.
            paths: Unix sockets to remove at the end.

        Raises:
            OSError: listening failed, or a TLS file cannot be read.
        """
        self._sockets, self._paths = list(sockets), tuple(paths)
        self.addresses = tuple(str(address_of(each)) for each in sockets)
        tls = self._options.tls
        if tls is not None:
            self._certificates = self._options.certificates or load(tls)
            counters = self._options.counters
            self._core.handshakes = Handshakes.of(tls, self._certificates, counters)
        self._listen()
        self._keeper = self._core.loop.create_task(self._keep())

    def _listen(self) -> None:
        core, options = self._core, self._options
        for each in self._sockets:
            tls = None if each.family == socket.AF_UNIX else core.handshakes
            if each.family != socket.AF_UNIX:
                keep_alive(each, options.vanished)
            self._listeners.append(Listener(each.dup(), core, tls, options.handshake))

    def _stop_listening(self) -> None:
        for listener in self._listeners:
            listener.close()
            self._opening |= listener.opening
        self._listeners = []

    def _close_sockets(self) -> None:
        """Take no new connection, neither here nor into a queue that nobody serves."""
        self._stop_listening()
        for each in self._sockets:
            each.close()
        for path in self._paths:
            remove_socket(path)
        self._sockets, self._paths = [], ()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY)
            await self._check_all()
            self._core.tidy(time.monotonic())
            self._look_at_load(time.monotonic())

    async def _check_all(self) -> None:
        """Look at all connections, for a turn's time each round of the loop.

        Thousands of them, or thousands of late requests on a few, would keep others waiting.
        """
        began = now = time.monotonic()
        for connection in list(self._core.connections):
            if connection in self._core.connections:  # not gone meanwhile
                self._check(connection, now)
            now = time.monotonic()
            if now - began > TURN:
                await asyncio.sleep(0)
                began = now = time.monotonic()

    def _look_at_load(self, now: float) -> None:
        admission = self._core.admission
        if admission is None:
            return
        queued = self._options.counters.queued = admission.longest_wait
        admission.longest_wait = 0.0
        change = admission.look(now)
        if change == "entered":
            _log.warning("overload: requests are refused", queued=round(queued, 4))
        elif change == "left":
            _log.info("the overload is over", refused=admission.refused)

    def _check(self, connection: GrpcProtocol, now: float) -> None:
        try:
            connection.check(now)
        except Exception:
            # A mistake of ours in one connection must not end the limits of all others.
            _log.exception("the check of a connection failed; it is cut off")
            connection.abort("failed")

    def renew(self, certificates: Certificates) -> None:
        """Use these for connections that come from now on.

        When the client authorities are others than before, connections that are open are asked to
        go, and what comes back is verified anew: nobody stays by an authority that is gone.

        Raises:
            OSError: OpenSSL does not take them; the former stay in use.
        """
        if self._core.handshakes is None or self._certificates is None:
            return
        self._core.handshakes.renew(certificates)
        former, self._certificates = self._certificates, certificates
        if former.client_ca != certificates.client_ca:
            now = time.monotonic()
            for connection in list(self._core.connections):
                connection.leave("client_ca", now)

    async def live(self, most: int) -> tuple[list[LiveConnection], int]:
        """The connections that are open, `most` of them, and how many there are."""
        every = list(self._core.connections)
        found: list[LiveConnection] = []
        for number, connection in enumerate(every[:most], 1):
            found.append(connection.live(time.monotonic()))
            if number % LIVE_AT_ONCE == 0:
                await asyncio.sleep(0)
        return found, len(every)

    async def drain(self, seconds: float, succeeded: bool = False) -> None:
        """Say NOT_SERVING, take no new connection, ask clients to go, and wait for their calls.

        Args:
            seconds: how long calls may take to end; then their connections are cut.
            succeeded: another process answers at the same address: health goes on to say SERVING.
        """
        self._options.health.drain(succeeded)
        # Watches of the board are told before their connections are asked to go.
        await asyncio.sleep(0)
        self._core.leaving = True
        self._close_sockets()
        now = time.monotonic()
        end = now + seconds
        for connection in list(self._core.connections):
            connection.leave("drain", now)
        if self._opening:
            await asyncio.wait(self._opening, timeout=seconds)
        if self._core.connections:
            self._core.emptied.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._core.emptied.wait(), end - time.monotonic())
        await self.close()

    async def close(self) -> None:
        """Stop at once; calls that run fail."""
        self._close_sockets()
        for opening in self._opening:
            opening.cancel()
        if self._keeper is not None:
            self._keeper.cancel()
            self._keeper = None
        if self._core.connections:
            self._core.emptied.clear()
            for connection in list(self._core.connections):
                connection.abort("closed")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._core.emptied.wait(), CHECK_EVERY)

"""One Redis server: batched requests with deadlines, a breaker, reconnection by itself."""

import asyncio
import logging
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from callout.redis.breaker import Breaker, State
from callout.redis.connect import Dialer
from callout.redis.outcome import Unavailable
from callout.redis.pipeline import ErrorReply, Pipeline, Replies, Reply, Then, pack

log = logging.getLogger(__name__)
T = TypeVar("T")

_PING = pack(b"PING")
_NOT_SERVING = ("LOADING", "MASTERDOWN", "NOAUTH", "READONLY")
"""Errors that say: this server cannot do it now, or is a replica since a failover."""


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How long to wait for Redis, and how much may wait."""

    timeout: float = 0.020
    """Seconds that a request without deadline waits: Envoy's own default for a rate limit."""
    longest: float = 1.0
    """Seconds that any request waits, whatever its deadline says."""
    connect_timeout: float = 0.5
    """Seconds for a connection and for each answer of its handshake; with the breaker's longest
    wait this keeps the promise to be back within a second."""
    backlog: int = 8192
    """Requests that wait for replies; more are refused at once."""
    threshold: int = 5
    """Requests in a row that waited in vain before the connection is given up."""


class Dials(Protocol):
    """What opens connections: to one server, or to whichever is the master now."""

    async def dial(self) -> asyncio.StreamWriter | Unavailable:
        """See `Dialer.dial`."""
        ...


class Client:
    """Sends packed commands; never raises for a Redis that is away, answers `Unavailable`.

    Belongs to the event loop that `start` runs in.
    """

    probe: bytes = _PING
    """What is asked of each new connection before requests use it."""

    def __init__(self, server: str | Dials, options: ClientOptions = ClientOptions()) -> None:
        """Read the URL, or go where `server` dials; connects in `start`.

        Raises:
            ValueError: not a URL of a Redis server.
        """
        self._options = options
        self._dialer = (
            Dialer(server, options.connect_timeout) if isinstance(server, str) else server
        )
        self._breaker = Breaker(options.threshold)
        self._pipeline: Pipeline | None = None
        self._refusal = Unavailable("disconnected", "not connected yet")
        self._wake_at = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> State:
        """`closed` when requests are sent, else `half_open` or `open`."""
        return self._breaker.state

    async def start(self) -> None:
        """Connect; returns after the first attempt, whatever became of it."""
        self._loop = asyncio.get_running_loop()
        first: asyncio.Future[None] = self._loop.create_future()
        self._task = self._loop.create_task(self._stay_connected(first))
        await asyncio.wait([first, self._task], return_when=asyncio.FIRST_COMPLETED)

    async def close(self) -> None:
        """Settle what waits as unavailable, and stay closed."""
        self._refusal = Unavailable("closed")
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._timer is not None:
            self._timer.cancel()

    def send(
        self, commands: Sequence[bytes], deadline: float | None, then: Then[T]
    ) -> "T | asyncio.Future[T]":
        """Send packed commands and hand their replies, one each, or `Unavailable`, to `then`.

        Args:
            commands: each made by `pack`; they are executed in order, other requests between
                them.
            deadline: seconds of `time.monotonic`; None: the default timeout from now.
            then: makes the result; its exceptions become the future's.

        Returns:
            What `then` made: at once when nothing could be sent, else a future of it.
        """
        pipeline = self._pipeline
        if pipeline is None:
            return then(self._refusal)
        options = self._options
        now = time.monotonic()
        if deadline is None:
            deadline = now + options.timeout
        elif deadline <= now:
            return then(Unavailable("deadline"))
        elif deadline > now + options.longest:
            deadline = now + options.longest
        if pipeline.paused or len(pipeline.waiting) >= options.backlog:
            return then(Unavailable("backlog"))
        if pipeline.late(deadline, now):
            return then(Unavailable("late"))
        if deadline < self._wake_at:
            self._wake(deadline, now)
        return pipeline.push(commands, deadline, then, now)

    def not_serving(self, error: ErrorReply) -> None:
        """A caller got this error in place of a result: perhaps another server must be found."""
        if error.message.startswith(_NOT_SERVING):
            self.leave(error.message)

    def leave(self, reason: str) -> None:
        """Give the connection up and dial again; who waits for replies is settled now."""
        if self._pipeline is not None:
            self._pipeline.drop(reason)

    def serves(self, reply: Reply) -> bool:
        """Whether the answer to the probe says that requests may be sent."""
        return not isinstance(reply, ErrorReply)

    # Deadlines: one timer for all requests, at the earliest of their deadlines. A timer for each
    # costs 0.5 us a request, a quarter of all that happens here.

    def _wake(self, at: float, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._wake_at = at
        self._timer = self._loop.call_later(max(at - now, 0.0), self._look)

    def _look(self) -> None:
        self._timer, self._wake_at = None, math.inf
        if self._pipeline is None:
            return
        now = time.monotonic()
        earliest = min(
            (r.deadline for r in self._pipeline.waiting if not r.future.done()), default=None
        )
        if earliest is None:
            return
        if earliest > now:
            self._wake(earliest, now)
        else:
            # This process may itself have been away (a stalled machine) with the replies unread
            # in the socket, and loops run timers before they read: read once before judging.
            # Until then nobody sets the timer: what is sent meanwhile mostly has a later deadline
            # than those that wait already, and they would all wait for that.
            self._wake_at = -math.inf
            self._loop.call_soon(self._loop.call_soon, self._expire)

    def _expire(self) -> None:
        self._wake_at = math.inf
        pipeline = self._pipeline
        if pipeline is None:
            return
        if pipeline.answered:
            pipeline.answered = False
            self._breaker.answered()
        now = time.monotonic()
        in_vain = 0
        for request in pipeline.waiting:
            if request.deadline <= now and not request.future.done():
                # A caller with next to no patience proves nothing against Redis, nor does a request
                # that this process, held up itself, sent when its time was nearly over.
                given = request.deadline - request.batch.left
                in_vain += given >= self._options.timeout / 2
                request.settle(Unavailable("timeout"))
        if self._breaker.timed_out(in_vain):
            pipeline.drop(f"{in_vain} requests waited in vain")
        else:
            self._look()

    # The connection.

    async def _stay_connected(self, first: "asyncio.Future[None]") -> None:
        try:
            while True:
                lost: asyncio.Future[str] = self._loop.create_future()
                opened = await self._open(lost)
                if isinstance(opened, Unavailable):
                    reason = opened.detail
                else:
                    log.info("redis: connected")
                    if not first.done():
                        first.set_result(None)
                    reason = await lost
                    if opened.answered:
                        self._breaker.answered()
                if not first.done():
                    first.set_result(None)
                if self._refusal.detail != reason:
                    log.warning("redis: unavailable, trying again: %s", reason)
                self._refusal = Unavailable("disconnected", reason)
                wait = self._breaker.next_wait() * random.uniform(0.7, 1.0)  # noqa: S311
                await asyncio.sleep(wait)
        finally:
            if self._pipeline is not None:
                self._pipeline.drop("closed")

    async def _open(self, lost: "asyncio.Future[str]") -> Pipeline | Unavailable:
        """A connection that answered a PING in time; requests use it from then on."""
        writer = await self._dialer.dial()
        if isinstance(writer, Unavailable):
            return writer
        # asyncio's and uvloop's stream transports are all `Transport`s.
        transport: Any = writer.transport
        if transport.is_closing():
            # Lost after the last answer of the handshake. uvloop's raises from now on, and that
            # would be the end of all trying.
            writer.close()
            return Unavailable("disconnected", "lost during the handshake")

        def closed(reason: str) -> None:
            self._pipeline = None
            self._breaker.opened()
            writer.close()
            if not lost.done():
                lost.set_result(reason)

        pipeline = Pipeline(self._loop, transport, closed)
        transport.set_write_buffer_limits(high=1 << 20)
        transport.set_protocol(pipeline)
        self._breaker.probing()
        now = time.monotonic()
        # Half open: only the probe is sent.
        pong = pipeline.push([self.probe], now + self._options.connect_timeout, _as_they_are, now)
        try:
            # Not `wait_for`: in Python 3.11 it forgets a cancellation that comes together with
            # the answer, and `close` would wait for ever.
            async with asyncio.timeout(self._options.connect_timeout):
                replies = await pong
        except TimeoutError:
            replies = Unavailable("timeout", "no answer to the probe")
        except asyncio.CancelledError:
            pipeline.drop("closed")
            raise
        if isinstance(replies, Unavailable) or not self.serves(replies[0]):
            pipeline.drop("the probe failed")
            return Unavailable("disconnected", str(replies))
        pipeline.answered = False
        self._breaker.proved()
        self._pipeline = pipeline
        return pipeline


def _as_they_are(outcome: Replies | Unavailable) -> Replies | Unavailable:
    return outcome

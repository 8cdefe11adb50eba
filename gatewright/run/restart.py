"""SIGUSR2: a new process of the program that is installed now takes over, and we drain."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from gatewright.run import handover, systemd
from gatewright.run.handover import Counts, Heritage, Outcome

_log = structlog.get_logger("gatewright.restart")

READY_WITHIN: Final = 600.0
"""Seconds in which a successor must answer: it may have Rego to compile, which takes minutes."""
_MOST_BYTES: Final = 64 * 1024


class Restart:
    """Starts successors, one at a time."""

    def __init__(
        self,
        heritage: Callable[[], tuple[Heritage, Sequence[socket.socket]] | str],
        counts: Callable[[], Counts],
    ) -> None:
        """Prepares.

        Args:
            heritage: what is handed over, or in a sentence why nothing can be.
            counts: what has been counted until the moment in which it is asked.
        """
        self._heritage = heritage
        self._counts = counts
        self._running: asyncio.Task[None] | None = None
        self._succeeded = asyncio.Event()
        self._over = False

    def begin(self) -> None:
        """Starts a successor; why there will be none is logged."""
        heritage = self._impossible() or self._heritage()
        if isinstance(heritage, str):
            _log.error("no restart", reason=heritage)
            return
        self._running = asyncio.create_task(self._run(*heritage))

    def _impossible(self) -> str:
        if os.getpid() == 1:
            return "process 1 of a container may not end: replace the container instead"
        if self._over:
            # Its sockets may still be open, and two successors would share the connections.
            return "this process is ending"
        if self._running is not None and not self._running.done():
            return "a successor is starting already"
        return ""

    async def succeeded(self) -> None:
        """Returns once a successor answers in our place."""
        await self._succeeded.wait()

    async def cancel(self) -> None:
        """Ends a successor that does not answer yet; there will be none any more."""
        self._over = True
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    async def _run(self, heritage: Heritage, sockets: Sequence[socket.socket]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            ours.setblocking(False)
            with theirs:
                try:
                    handover.send(ours, heritage, sockets)
                    successor = _start(theirs.fileno())
                except OSError as error:
                    _log.error("no restart", reason=str(error))
                    return
            _log.info("a successor starts", pid=successor.pid)
            problem = "it was ended"
            try:
                problem = await asyncio.wait_for(_outcome(ours), READY_WITHIN)
            except TimeoutError:
                problem = f"it did not answer within {READY_WITHIN:.0f} s"
            finally:
                if problem:
                    successor.kill()
                    await asyncio.to_thread(successor.wait)
            if not problem:
                self._over = True
                with contextlib.suppress(OSError):
                    ours.send(msgspec.json.encode(self._counts()))
        if problem:
            _log.error("the successor failed; this process goes on", reason=problem)
            return
        systemd.notify(f"MAINPID={successor.pid}", "READY=1")
        _log.info("a successor answers; draining", pid=successor.pid)
        # It is nobody's child when we are gone; until then it needs no waiting for.
        self._succeeded.set()


def _start(descriptor: int) -> "subprocess.Popen[bytes]":
    # Not by asyncio, which kills its children with the event loop.
    return subprocess.Popen(
        [sys.executable, *sys.orig_argv[1:]],
        stdin=subprocess.DEVNULL,
        pass_fds=[descriptor],
        env={**os.environ, handover.VARIABLE: str(descriptor)},
    )


async def _outcome(channel: socket.socket) -> str:
    try:
        data = await asyncio.get_running_loop().sock_recv(channel, _MOST_BYTES)
    except OSError:  # it has not even read what it was given
        data = b""
    if not data:
        return "it ended by itself; what it said is above"
    try:
        return msgspec.json.decode(data, type=Outcome).problem
    except msgspec.MsgspecError as error:
        return f"it says what we do not know: {error}"

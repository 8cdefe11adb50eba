"""Keeps N worker processes alive: starts them, replaces the dead, drains and stops them.

The supervisor owns the listening sockets and lends worker *i* always the same ones: while a dead
worker is being replaced its connections wait in the backlog instead of being refused. It answers
no request itself, so nothing that a peer sends can reach it.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from callout.serve.control import Control

_log = structlog.get_logger("gatewright.supervisor")

BACKOFF_FIRST = 0.1
"""Seconds before the first replacement: a single crash costs its worker little."""
BACKOFF_MOST = 5.0
"""Seconds: a worker that cannot start does not burn a core, and is back soon when mended."""
SETTLED_AFTER = 10.0
"""Seconds of life after which the next death counts as the first again."""


@dataclass(slots=True)
class Worker:
    """One place for a worker process; the process in it changes when it dies."""

    index: int
    sockets: tuple[socket.socket, ...]
    process: asyncio.subprocess.Process | None = None
    control: Control | None = None
    deaths: int = 0
    """Deaths in a row without having settled."""
    restarts: int = 0
    """All replacements since start."""
    keeper: asyncio.Task[None] | None = field(default=None, repr=False)


class Supervisor:
    """Runs `command` once for each place, with two kinds of descriptors handed down.

    The command gets, appended, the number of the control descriptor and then those of its
    listening sockets.
    """

    def __init__(
        self,
        command: Sequence[str],
        places: Sequence[Sequence[socket.socket]],
        *,
        greet: Callable[[int], Iterable[bytes]],
        on_message: Callable[[int, bytes], None],
        on_death: Callable[[int, int], None],
        environ: Mapping[str, str],
    ) -> None:
        """Prepares; `start` starts.

        Args:
            command: what to execute, without the descriptors.
            places: the listening sockets of each worker; their number is the number of workers.
            greet: the messages that a new worker (by place) is sent first.
            on_message: told (place, message) of what a worker says.
            on_death: told (place, process id) of a worker that is gone.
            environ: the workers' whole environment.
        """
        self._command = tuple(command)
        self._greet = greet
        self._on_message = on_message
        self._on_death = on_death
        self._environ = dict(environ)
        self._stopping = False
        self.workers = tuple(Worker(index, tuple(each)) for index, each in enumerate(places))

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers that live now."""
        return tuple(
            worker.process.pid
            for worker in self.workers
            if worker.process is not None and worker.process.returncode is None
        )

    @property
    def restarts(self) -> int:
        """How often a worker was replaced since start."""
        return sum(worker.restarts for worker in self.workers)

    async def start(self) -> None:
        """Starts a worker in every place."""
        for worker in self.workers:
            worker.keeper = asyncio.create_task(self._keep(worker))

    def broadcast(self, message: bytes) -> None:
        """Sends to every worker that lives; one that starts later is greeted instead."""
        for worker in self.workers:
            if worker.control is not None:
                worker.control.send(message)

    async def stop(self, farewell: bytes, seconds: float) -> None:
        """Asks all workers to drain, waits at most `seconds`, then kills what is left."""
        self._stopping = True
        # Ours first: a socket that no worker holds any more must not go on listening, or whoever
        # connects during the drain waits for an answer instead of being refused.
        for worker in self.workers:
            for listening in worker.sockets:
                listening.close()
        self.broadcast(farewell)
        keepers = [worker.keeper for worker in self.workers if worker.keeper is not None]
        _, late = await asyncio.wait(keepers, timeout=seconds) if keepers else ((), ())
        if late:
            _log.warning("drain took too long; killing", workers=len(late), seconds=seconds)
            self.kill()
            await asyncio.wait(late, timeout=5.0)

    def kill(self) -> None:
        """Kills every worker that lives; unless it stops, they are replaced."""
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def _keep(self, worker: Worker) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping:
            started = loop.time()
            await self._run(worker)
            if self._stopping:
                return
            worker.restarts += 1
            worker.deaths = 1 if loop.time() - started > SETTLED_AFTER else worker.deaths + 1
            pause = min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** min(worker.deaths - 1, 16))
            await asyncio.sleep(pause)

    async def _run(self, worker: Worker) -> None:
        ours, theirs = socket.socketpair()
        descriptors = [theirs.fileno(), *(each.fileno() for each in worker.sockets)]
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *map(str, descriptors),
                pass_fds=descriptors,
                env=self._environ,
                stdin=asyncio.subprocess.DEVNULL,
                # Ctrl-C on a terminal is ours to handle: workers drain when they are told to.
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            _log.error("a worker cannot be started", worker=worker.index, error=str(error))
            return
        finally:
            theirs.close()
        worker.process = process
        worker.control = await Control.over(ours)
        for message in self._greet(worker.index):
            worker.control.send(message)
        if self._stopping:
            process.terminate()
        async for message in worker.control.messages():
            self._on_message(worker.index, message)
        # The channel is closed: the worker is gone or going; one that hangs is not waited for.
        try:
            code = await asyncio.wait_for(process.wait(), 5.0)
        except TimeoutError:
            process.kill()
            code = await process.wait()
        control, worker.control = worker.control, None
        if control is not None:
            await control.close()
        self._on_death(worker.index, process.pid)
        if not self._stopping:
            _log.error("a worker died", worker=worker.index, pid=process.pid, exit=code)

"""Keeps N worker processes alive: starts them, replaces the dead and the frozen, drains them.

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
"""Seconds: a worker that cannot start does not burn a core, and is back soon when mended. It is
also the bound of our log: each death is two lines."""
SETTLED_AFTER = 10.0
"""Seconds of life after which the next death counts as the first again."""
FROZEN = 5.0
"""Seconds without a sign of life until a worker counts as frozen, unless told otherwise."""
LOOKS = 5
"""So often a worker is asked within that time. What counts is how often it did not answer, not
how late it is: a supervisor that stood still itself, or slept with its machine, asked once."""
STARTS_WITHIN = 60.0
"""Seconds until the first sign of life: Python starts slowly on a machine that is busy."""
START_COSTS = 5.0
"""Seconds of a core that each start is given beside the others: it takes 0.9. Without this, 256
workers on 2 cores would be killed as frozen before they had started, again and again."""
ENDS_WITHIN = 5.0
"""Seconds from the end of the channel to the end of the process, and from SIGKILL as well."""


@dataclass(slots=True, eq=False)
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
    relieved: list[Control] = field(default_factory=list, repr=False)
    """Channels to its processes that go when the one that is starting answers."""


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
        greet: Callable[[int], tuple[bytes, Iterable[bytes]]],
        on_message: Callable[[int, bytes], None],
        on_death: Callable[[int, int], None],
        environ: Mapping[str, str],
        frozen: float = FROZEN,
        on_parting: Callable[[bytes], None] = lambda _: None,
        shared: Sequence[int] = (),
    ) -> None:
        """Prepares; `start` starts.

        Args:
            command: what to execute, without the descriptors.
            places: the listening sockets of each worker; their number is the number of workers.
            greet: what a new worker (by place) is told first, and a run of messages after it.
            on_message: told (place, message) of what a worker says.
            on_death: told (place, process id) of a worker that is gone.
            environ: the workers' whole environment.
            on_parting: told of what a worker says whose place another has: what counts of the place
                is what that one says.
            frozen: seconds without a sign of life after which a worker is killed; 0: never.
            shared: descriptors that every worker has too, under the same numbers.
        """
        self._command = tuple(command)
        self._greet = greet
        self._on_message = on_message
        self._on_death = on_death
        self._on_parting = on_parting
        self._environ = dict(environ)
        self._frozen = frozen
        self._shared = tuple(shared)
        self._stopping = asyncio.Event()
        self._processes: set[asyncio.subprocess.Process] = set()
        self._keepers: set[asyncio.Task[None]] = set()
        self.workers = tuple(Worker(index, tuple(each)) for index, each in enumerate(places))

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers that live now."""
        return tuple(each.pid for each in self._processes if each.returncode is None)

    @property
    def restarts(self) -> int:
        """How often a worker was replaced since start."""
        return sum(worker.restarts for worker in self.workers)

    async def start(self) -> None:
        """Starts a worker in every place."""
        for worker in self.workers:
            self._begin(worker)

    def broadcast(self, message: bytes) -> None:
        """Sends to every worker that lives; one that starts later is greeted instead."""
        for worker in self.workers:
            for control in (worker.control, *worker.relieved):
                if control is not None:
                    control.send(message)

    def broadcast_run(self, messages: Sequence[bytes]) -> None:
        """Sends many messages that belong together; see `Control.send_run`."""
        for worker in self.workers:
            for control in (worker.control, *worker.relieved):
                if control is not None:
                    control.send_run(messages)

    def relieve(self, place: int) -> None:
        """Starts another process in the place of one that wants to go; see `ready`."""
        worker = self.workers[place]
        if self._stopping.is_set() or worker.control is None:
            return
        worker.relieved.append(worker.control)
        worker.control = None
        worker.restarts += 1
        self._begin(worker)

    def ready(self, place: int, farewell: bytes) -> None:
        """The process in this place answers: those that it relieves are told to drain."""
        leaving = self.workers[place].relieved
        while leaving:
            leaving.pop().send(farewell)

    async def stop(self, farewell: bytes, seconds: float) -> None:
        """Asks all workers to drain, waits at most `seconds`, then kills what is left."""
        self._stopping.set()
        # Ours first: a socket that no worker holds any more must not go on listening, or whoever
        # connects during the drain waits for an answer instead of being refused.
        for worker in self.workers:
            for listening in worker.sockets:
                listening.close()
        self.broadcast(farewell)
        keepers = list(self._keepers)
        _, late = await asyncio.wait(keepers, timeout=seconds) if keepers else ((), ())
        if late:
            _log.warning("drain took too long; killing", workers=len(late), seconds=seconds)
            self.kill()
            await asyncio.wait(late, timeout=ENDS_WITHIN)

    def kill(self) -> None:
        """Kills every worker that lives; unless it stops, they are replaced."""
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _begin(self, worker: Worker) -> None:
        worker.keeper = keeper = asyncio.create_task(self._keep(worker))
        self._keepers.add(keeper)
        keeper.add_done_callback(self._keepers.discard)

    async def _keep(self, worker: Worker) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            started = loop.time()
            try:
                await self._run(worker)
            except Exception:
                # A mistake of ours with one process must not leave its place empty for ever.
                _log.exception("keeping a worker failed", worker=worker.index)
            if worker.keeper is not asyncio.current_task() or self._stopping.is_set():
                return
            worker.restarts += 1
            worker.deaths = 1 if loop.time() - started > SETTLED_AFTER else worker.deaths + 1
            pause = min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** min(worker.deaths - 1, 16))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _run(self, worker: Worker) -> None:
        ours, theirs = socket.socketpair()
        descriptors = [theirs.fileno(), *(each.fileno() for each in worker.sockets)]
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *map(str, descriptors),
                pass_fds=[*descriptors, *self._shared],
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
        self._processes.add(process)
        worker.process = process
        worker.control = control = await Control.over(ours)
        watch = asyncio.create_task(self._watch(worker.index, process, control))
        try:
            await self._talk(worker, process, control)
        finally:
            watch.cancel()
            if worker.control is control:
                worker.control = None
            if control in worker.relieved:
                worker.relieved.remove(control)
            code = await self._end(process)
            await control.close()
            self._processes.discard(process)
        self._on_death(worker.index, process.pid)
        if not self._stopping.is_set() and worker.keeper is asyncio.current_task():
            _log.error("a worker died", worker=worker.index, pid=process.pid, exit=code)

    async def _talk(
        self, worker: Worker, process: asyncio.subprocess.Process, control: Control
    ) -> None:
        first, run = self._greet(worker.index)
        control.send(first)
        control.send_run(run)
        if self._stopping.is_set():
            process.terminate()
        async for message in control.messages():
            try:
                if worker.control is control:
                    self._on_message(worker.index, message)
                else:
                    self._on_parting(message)
            except Exception:
                _log.exception("a worker's message failed", worker=worker.index)

    async def _end(self, process: asyncio.subprocess.Process) -> int | None:
        """The channel is closed: the process is gone or going; one that hangs is not waited for."""
        for _ in range(2):
            try:
                return await asyncio.wait_for(process.wait(), ENDS_WITHIN)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        return None  # not even SIGKILL ends it, while the system waits for a disk: leave it behind

    def _starts_within(self) -> float:
        return STARTS_WITHIN + START_COSTS * len(self.workers) / len(os.sched_getaffinity(0))

    async def _watch(
        self, place: int, process: asyncio.subprocess.Process, control: Control
    ) -> None:
        """Kills a process that is frozen, or whose event loop is stuck; its place is kept."""
        if not self._frozen:
            return
        pause = self._frozen / LOOKS
        while True:
            bound = LOOKS if control.answered else max(LOOKS, round(self._starts_within() / pause))
            missed = control.ask()
            if missed >= bound:
                _log.error(
                    "a worker is frozen; it is killed",
                    worker=place,
                    pid=process.pid,
                    seconds=round(missed * pause, 1),
                )
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                # Its channel ends with it; unless the system waits for a disk, or a child of it
                # has the channel, too. The place must be kept all the same.
                await asyncio.sleep(ENDS_WITHIN)
                control.cut()
                return
            await asyncio.sleep(pause)

"""A worker process: one event loop that answers, by the bundle that the supervising process sent.

Started as `python -m gatewright.worker CONTROL LISTENING...` with inherited descriptors.
"""

import asyncio
import contextlib
import functools
import gc
import resource
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import uvloop

from callout.config.settings import Settings
from callout.grpc.call import Face
from callout.grpc.health import HealthBoard
from callout.observe import logs
from callout.serve.certificates import Certificates
from callout.serve.control import Control
from callout.serve.server import Server, serve
from gatewright.bundle.sections import sections_of
from gatewright.cli.folders import cache_folder
from gatewright.run import messages
from gatewright.run.answers import Answers
from gatewright.run.er.report import ErReport
from gatewright.run.faces import Faces
from gatewright.run.generation import Generation
from gatewright.run.options import serve_options
from gatewright.run.questions import Question
from gatewright.run.serving import Serving
from gatewright.run.telemetry import Telemetry
from ratelimit.envoy import SERVICE

if TYPE_CHECKING:
    from gatewright.run.er.http import ErHttp

_log = structlog.get_logger("gatewright.worker")

COLLECT_EVERY = 600.0
"""Seconds between two full garbage collections. By itself Python makes one whenever long-lived
objects have grown by a quarter, and each walks all memory tables (measured: up to 20 ms, which is
a whole Redis deadline) to find nothing: requests leave no cycles, only connections do."""
RELIEVED_WITHIN = 10.0
"""Seconds after SIGTERM in which another worker should have taken our place; then we go anyway."""


class Worker:
    """What one process holds: the snapshot of this moment, the faces, the server."""

    def __init__(
        self,
        settings: Settings,
        metrics: Path,
        control: Control,
        failed: Callable[[], None],
        place: int,
        counters: int | None = None,
    ) -> None:
        self._settings = settings
        self._control = control
        self.failed = failed
        """Called when it cannot do its work: the process must end, and be replaced."""
        self.generation = Generation(
            self._loaded, self._refused, sections_of(settings, cache_folder())
        )
        self._health = HealthBoard()
        if "limit" in settings.faces:
            # What envoyproxy/ratelimit calls itself; probes of its users ask for it.
            self._health.add(Face("ratelimit", SERVICE, ()))
        self._telemetry = Telemetry(settings.telemetry, metrics, place)
        self._faces = Faces(settings, lambda: self.generation.snapshot, self._telemetry, counters)
        self._serving = Serving(settings, self._health, lambda: self._faces.redis_away)
        self._server: Server | None = None
        self._listening: Sequence[socket.socket] = ()
        self._http_listening: Sequence[socket.socket] = ()
        self._http: ErHttp | None = None
        self._report: ErReport | None = None
        self._certificates: Certificates | None = None
        self._opening: asyncio.Task[None] | None = None
        self.answers = Answers(
            lambda: self._server,
            self._telemetry.slowest,
            self._faces.hottest,
            lambda answer: control.send(messages.encode(answer)),
        )
        self._collecting: asyncio.TimerHandle | None = None

    async def start(
        self,
        listening: Sequence[socket.socket],
        certificates: Certificates | None,
        hold: bool = False,
        http: int = 0,
    ) -> None:
        """Accepts connections; health says NOT_SERVING until the first bundle is loaded.

        With `hold` it accepts none before that: what waits in the queue is not denied for want of
        a bundle. The last `http` of the sockets are of the HTTP port.
        """
        first = len(listening) - http
        self._listening, self._certificates = listening[:first], certificates
        self._http_listening = listening[first:]
        await self._faces.start()
        self._serving.start()
        if self._faces.stats is not None:
            self._report = ErReport(self._faces.stats, self._control)
            self._report.start()
        self._telemetry.start()
        gc.set_threshold(20_000, 50, 1_000_000)
        self._collect_later()
        if not hold:
            await self._open()

    async def _open(self) -> None:
        options = serve_options(
            self._settings, self._health, self._telemetry.counters, self._certificates
        )
        self._server = await serve(self._faces.table, self._listening, options)
        if self._http_listening:
            # Here: aiohttp's server costs 1.4 MB that most workers have no use for.
            from gatewright.run.er.http import http_port

            self._http = http_port(self._settings, self._faces.table, self._health)
            await self._http.start(self._http_listening)
        self._control.send(messages.encode(messages.Listening()))

    def renew(self, certificates: Certificates) -> None:
        """Shows these to clients that come from now on."""
        self._certificates = certificates
        if self._server is None:
            return
        try:
            self._server.renew(certificates)
        except OSError as error:
            # They were tried before they were sent: only a worker short of something comes here.
            _log.error("certificates cannot be used; the former stay in use", error=str(error))

    def _loaded(self, digest: str) -> None:
        self._serving.loaded(self.generation.snapshot)
        self._say(messages.Loaded(digest))

    def _refused(self, digest: str, problems: list[str]) -> None:
        self._say(messages.Refused(digest, problems))

    def _say(self, message: messages.Loaded | messages.Refused) -> None:
        """Says what became of a bundle, once clients are answered by it."""
        if self._server is not None:
            self._control.send(messages.encode(message))
            return
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        self._opening.add_done_callback(functools.partial(self._opened, message))

    def _opened(
        self, message: messages.Loaded | messages.Refused, opening: asyncio.Task[None]
    ) -> None:
        error = None if opening.cancelled() else opening.exception()
        if error is None:
            self._control.send(messages.encode(message))
        else:
            _log.error("cannot listen", error=str(error))
            self.failed()

    def _collect_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._collecting = loop.call_later(COLLECT_EVERY, self._collect)

    def _collect(self) -> None:
        gc.collect()
        self._collect_later()

    async def drain(self, seconds: float, succeeded: bool = False) -> None:
        """NOT_SERVING, GOAWAY, finish what is in flight, within the bound.

        Whom another process succeeds stays SERVING: who asks here is answered there next.
        """
        self.generation.stop()
        self._serving.stop()
        self.answers.stop()
        if self._opening is not None:
            await asyncio.wait((self._opening,))
        if self._server is not None:
            drained = [self._server.drain(seconds, succeeded)]
            if self._http is not None:
                drained.append(self._http.close(seconds))
            await asyncio.gather(*drained)
            await self._server.close()
        if self._collecting is not None:
            self._collecting.cancel()
        if self._report is not None:
            await self._report.close()
        await self._faces.close()
        await self._telemetry.stop()


def raise_descriptor_limit() -> None:
    """Allows as many descriptors as the system does: the usual 1024 are kept for old programs."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Life:
    """What a worker does as the supervising process says."""

    def __init__(self, control: Control, listening: Sequence[socket.socket]) -> None:
        self._control = control
        self._listening = listening
        self._worker: Worker | None = None
        self._seconds = 0.0
        self._succeeded = False
        self._over = asyncio.Event()
        self._leaving = False

    async def live(self) -> None:
        """Returns when it is told to drain, nobody is there any more, or it cannot go on."""
        obeying = asyncio.create_task(self._obey())
        over = asyncio.create_task(self._over.wait())
        await asyncio.wait((obeying, over), return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if self._worker is not None:
            await self._worker.drain(self._seconds, self._succeeded)
        # Until here: whoever does not answer the supervising process counts as frozen.
        obeying.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await obeying

    def leave(self) -> None:
        """SIGTERM, SIGINT: goes when another one has taken the place, or nobody sends one.

        systemd sends it to every process of a service; then the supervising process says drain.
        """
        if not self._leaving:
            self._leaving = True
            self._control.send(messages.encode(messages.Leaving()))
            asyncio.get_running_loop().call_later(RELIEVED_WITHIN, self._over.set)

    async def _obey(self) -> None:
        try:
            async for data in self._control.messages():
                if not self._over.is_set():
                    await self._do(messages.to_worker(data))
        finally:
            self._over.set()

    async def _do(self, message: messages.ToWorker) -> None:
        if isinstance(message, messages.Start):
            settings = Settings.model_validate_json(message.settings)
            logs.configure(settings.telemetry.log, settings.telemetry.level, sys.stderr)
            self._seconds = settings.drain
            self._worker = Worker(
                settings,
                Path(message.metrics),
                self._control,
                self._over.set,
                message.place,
                message.counters,
            )
            await self._worker.start(
                self._listening, message.certificates, message.hold, message.http
            )
        elif self._worker is None:
            return
        elif isinstance(message, messages.OfBundle):
            self._worker.generation.hear(message)
        elif isinstance(message, Question):
            self._worker.answers.hear(message)
        elif isinstance(message, messages.Level):
            logs.set_level(message.level)
        elif isinstance(message, messages.NewCertificates):
            self._worker.renew(message.certificates)
        else:
            self._seconds, self._succeeded = message.seconds, message.succeeded
            self._over.set()


async def work(control_end: socket.socket, listening: Sequence[socket.socket]) -> int:
    """Does what the supervising process says until it says drain, or is gone."""
    control = await Control.over(control_end)
    life = _Life(control, listening)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, life.leave)
    await life.live()
    await control.close()
    return 0


def main(argv: Sequence[str]) -> int:
    """The process."""
    # `systemctl kill` sends them to every process of a service, and they would end us.
    for number in (signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    raise_descriptor_limit()
    control, *listening = (socket.socket(fileno=int(each)) for each in argv)
    return uvloop.run(work(control, listening))

"""A worker process: one event loop that answers, by the bundle that the supervising process sent.

Started as `python -m gatewright.run.worker CONTROL LISTENING...` with inherited descriptors.
"""

import asyncio
import contextlib
import gc
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog
import uvloop

from callout.config.settings import Settings
from callout.grpc.health import HealthBoard
from callout.observe import logs
from callout.serve.certificates import Certificates
from callout.serve.control import Control
from callout.serve.server import Server, serve
from gatewright.run import messages
from gatewright.run.answers import Answers
from gatewright.run.faces import Faces
from gatewright.run.generation import Generation
from gatewright.run.options import serve_options
from gatewright.run.questions import Question
from gatewright.run.telemetry import Telemetry

_log = structlog.get_logger("gatewright.worker")

COLLECT_EVERY = 600.0
"""Seconds between two full garbage collections. By itself Python makes one whenever long-lived
objects have grown by a quarter, and each walks all memory tables (measured: up to 20 ms, which is
a whole Redis deadline) to find nothing: requests leave no cycles, only connections do."""


class Worker:
    """What one process holds: the snapshot of this moment, the faces, the server."""

    def __init__(self, settings: Settings, metrics: Path, control: Control) -> None:
        self._settings = settings
        self._control = control
        self.generation = Generation(self._loaded, self._refused)
        self._health = HealthBoard()
        self._telemetry = Telemetry(settings.telemetry, metrics)
        self._faces = Faces(settings, lambda: self.generation.snapshot, self._telemetry)
        self._server: Server | None = None
        self.answers = Answers(
            lambda: self._server,
            self._telemetry.slowest,
            lambda answer: control.send(messages.encode(answer)),
        )
        self._collecting: asyncio.Task[None] | None = None

    async def start(
        self, listening: Sequence[socket.socket], certificates: Certificates | None
    ) -> None:
        """Accepts connections; health says NOT_SERVING until the first bundle is loaded."""
        self._health.set("", serving=False)
        await self._faces.start()
        options = serve_options(
            self._settings, self._health, self._telemetry.counters, certificates
        )
        self._server = await serve(self._faces.table, listening, options)
        self._telemetry.start()
        self._collecting = asyncio.create_task(_collect_rarely())
        self._control.send(messages.encode(messages.Listening()))

    def renew(self, certificates: Certificates) -> None:
        """Shows these to clients that come from now on."""
        if self._server is None:
            return
        try:
            self._server.renew(certificates)
        except OSError as error:
            # They were tried before they were sent: only a worker short of something comes here.
            _log.error("certificates cannot be used; the former stay in use", error=str(error))

    def _loaded(self, digest: str) -> None:
        self._health.set("", serving=True)
        self._control.send(messages.encode(messages.Loaded(digest)))

    def _refused(self, digest: str, problems: list[str]) -> None:
        self._control.send(messages.encode(messages.Refused(digest, problems)))

    async def drain(self, seconds: float) -> None:
        """NOT_SERVING, GOAWAY, finish what is in flight, within the bound."""
        self.generation.stop()
        self.answers.stop()
        if self._server is not None:
            await self._server.drain(seconds)
            await self._server.close()
        if self._collecting is not None:
            self._collecting.cancel()
        await self._faces.close()
        await self._telemetry.stop()


def raise_descriptor_limit() -> None:
    """Allows as many descriptors as the system does: the usual 1024 are kept for old programs."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _collect_rarely() -> None:
    gc.set_threshold(20_000, 50, 1_000_000)
    while True:
        await asyncio.sleep(COLLECT_EVERY)
        gc.collect()


class _Life:
    """What a worker does as the supervising process says."""

    def __init__(self, control: Control, listening: Sequence[socket.socket]) -> None:
        self._control = control
        self._listening = listening
        self._worker: Worker | None = None
        self._seconds = 0.0

    async def obey(self) -> None:
        """Returns when it is told to drain, or nobody is there any more."""
        async for data in self._control.messages():
            message = messages.to_worker(data)
            if isinstance(message, messages.Start):
                settings = Settings.model_validate_json(message.settings)
                logs.configure(settings.telemetry.log, settings.telemetry.level, sys.stderr)
                self._seconds = settings.drain
                self._worker = Worker(settings, Path(message.metrics), self._control)
                await self._worker.start(self._listening, message.certificates)
            elif self._worker is None:
                continue
            elif isinstance(message, messages.OfBundle):
                self._worker.generation.hear(message)
            elif isinstance(message, Question):
                self._worker.answers.hear(message)
            elif isinstance(message, messages.Level):
                logs.set_level(message.level)
            elif isinstance(message, messages.NewCertificates):
                self._worker.renew(message.certificates)
            else:
                self._seconds = message.seconds
                return

    async def end(self) -> None:
        if self._worker is not None:
            await self._worker.drain(self._seconds)


async def work(control_end: socket.socket, listening: Sequence[socket.socket]) -> int:
    """Does what the supervising process says until it says drain, or is gone."""
    control = await Control.over(control_end)
    life = _Life(control, listening)
    obeying = asyncio.create_task(life.obey())
    # systemd sends SIGTERM to every process of a service, ours included: that means drain too.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, obeying.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await obeying
    await life.end()
    await control.close()
    return 0


def main(argv: Sequence[str]) -> int:
    """The process."""
    raise_descriptor_limit()
    control, *listening = (socket.socket(fileno=int(each)) for each in argv)
    return uvloop.run(work(control, listening))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

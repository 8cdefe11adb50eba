"""All parts of `gatewright up`, started in order and stopped in the other one."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from aiohttp import web

from callout.config.settings import Listen, Settings
from callout.config.snapshot import Snapshot
from callout.serve.address import Address, address_of
from gatewright.envoy.gateway import Gateway, Upstream, failure_modes, inspects, parse_upstream
from gatewright.envoy.process import EnvoyFailed, EnvoyProcess, binary
from gatewright.run.service import Service, StartFailed
from gatewright.run.signals import Signals
from gatewright.run.sockets import free_address
from gatewright.up import upstream as sample

_log = structlog.get_logger("gatewright.up")

LOOPBACK = "127.0.0.1"
DEFAULT_ADMIN = 9001


class UpFailed(RuntimeError):
    """It cannot start; the user reads why in the text."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start."""

    settings: Settings
    """Of the service; where it listens is replaced by places of our own."""
    upstream: str | None
    """The user's service; None: the sample one."""
    port: int | None
    """Of the gateway; 0: any free one; None: `preferred`, or any free one if that is taken."""
    preferred: int
    cache: Path


class Stack:
    """Sample upstream, service, Envoy; an asynchronous context."""

    def __init__(self, plan: Plan, progress: Callable[[str], None]) -> None:
        self._plan = plan
        self._progress = progress
        self._folder = Path(tempfile.mkdtemp(prefix="gatewright-up-"))
        self._signals: Signals | None = None
        self._sample: web.AppRunner | None = None
        self._service: Service | None = None
        self._envoy: EnvoyProcess | None = None
        self._render: Callable[[Snapshot], Gateway] | None = None
        self._rendering: asyncio.Task[None] | None = None
        self._snapshot: Snapshot | None = None
        self.gateway = ""
        """`http://127.0.0.1:8080`."""

    @property
    def admin(self) -> str:
        """Of the service: `http://127.0.0.1:9001`."""
        return f"http://{self._service.admin}" if self._service is not None else ""

    @property
    def envoy_admin(self) -> str:
        """Of Envoy."""
        return f"http://{self._envoy.admin}" if self._envoy is not None else ""

    async def __aenter__(self) -> Self:
        """Starts everything; whatever was started is stopped if a part cannot be.

        Raises:
            UpFailed: A part does not start, or the bundle is bad.
        """
        try:
            await self._start()
        except (StartFailed, EnvoyFailed, OSError) as error:
            await self._stop()
            raise UpFailed(str(error)) from error
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops everything."""
        await self._stop()

    async def until_stopped(self) -> None:
        """Returns at Ctrl-C or SIGTERM.

        Raises:
            UpFailed: Envoy ended by itself.
        """
        if self._signals is None or self._envoy is None:
            return
        stopped = asyncio.create_task(self._signals.stop())
        ended = asyncio.create_task(self._envoy.wait())
        done, waiting = await asyncio.wait((stopped, ended), return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
        if ended in done:
            raise UpFailed(f"Envoy ended{ended.result()}")

    async def _start(self) -> None:
        plan = self._plan
        executable = binary()
        self._signals = Signals()
        target = await self._target()
        settings = plan.settings.model_copy(
            update={
                "listen": Listen(
                    grpc=f"unix:{self._folder}/grpc.sock",
                    spread=plan.settings.listen.spread,
                    process=f"unix:{self._folder}/process.sock",
                    admin=_free(DEFAULT_ADMIN),
                ),
                "drain": 2.0,
                "faces": ("authz", "limit", "process"),
            }
        )
        self._service = Service(settings, plan.cache, self._progress, self._loaded)
        self._signals.on_reload(self._service.reload)
        await self._service.start()
        callout, process = ",".join(self._service.addresses), ",".join(self._service.process)
        snapshot = await self._first_snapshot(self._service)
        listen = _free(plan.preferred) if plan.port is None else _free_exactly(plan.port)
        host, _, port = listen.rpartition(":")
        retries = settings.limits.retries
        request_id = retries.by if retries is not None else ""

        def render(snapshot: Snapshot) -> Gateway:
            failure = failure_modes(snapshot.policies.sources)
            looks = process if inspects(snapshot.policies.sources) else ""
            return Gateway(host, int(port), callout, target, failure, request_id, looks)

        self._envoy = EnvoyProcess(executable, self._folder)
        await self._envoy.apply(render(snapshot))
        await self._envoy.start()
        self._render = render
        await self._service.ready()
        self.gateway = f"http://{listen}"

    async def _target(self) -> Upstream:
        if self._plan.upstream is not None:
            parsed = parse_upstream(self._plan.upstream)
            if isinstance(parsed, str):
                raise UpFailed(f"--upstream: {parsed}")
            return parsed
        listening = free_address([Address(host=LOOPBACK)])
        self._sample = await sample.start(listening)
        return Upstream(LOOPBACK, address_of(listening).port, tls=False)

    async def _first_snapshot(self, service: Service) -> Snapshot:
        while self._snapshot is None:
            if service.problems:
                raise UpFailed("the bundle is not good:\n" + "\n".join(service.problems))
            await asyncio.sleep(0.02)
        return self._snapshot

    def _loaded(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        if self._render is not None:
            self._rendering = asyncio.create_task(self._apply(self._render(snapshot)))

    async def _apply(self, gateway: Gateway) -> None:
        try:
            if self._envoy is not None:
                await self._envoy.apply(gateway)
        except EnvoyFailed as failed:
            _log.error("Envoy keeps what it had", reason=str(failed))

    async def _stop(self) -> None:
        if self._rendering is not None:
            await asyncio.wait((self._rendering,))
        if self._envoy is not None:
            await self._envoy.stop()
        if self._service is not None:
            await self._service.stop()
        if self._sample is not None:
            await self._sample.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)


def _free(preferred: int) -> str:
    """The preferred port of the loopback address, or any free one."""
    with free_address([Address(LOOPBACK, preferred), Address(LOOPBACK)]) as probe:
        return str(address_of(probe))


def _free_exactly(port: int) -> str:
    with free_address([Address(LOOPBACK, port)]) as probe:
        return str(address_of(probe))

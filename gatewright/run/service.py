"""The supervising process: the bundle, the workers, the admin port. It answers no gRPC itself."""

import asyncio
import contextlib
import os
import socket
import sys
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, cast

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

import gatewright
from callout.config.bundle import Bundle
from callout.config.problems import Problem, Rejected
from callout.config.reload import Reloader
from callout.config.settings import Settings
from callout.config.snapshot import Snapshot
from callout.observe import admin, logs, shared
from callout.observe.admin import AdminSources, Effective, Readiness
from callout.observe.debug.access import BadToken, read_token
from callout.observe.debug.pages import DebugSources
from callout.observe.exemplars import Exemplified
from callout.observe.fleet import LOAD_RESULTS, FleetMetrics
from callout.observe.metrics import negotiated, plain
from callout.serve import address
from callout.serve.certificate_keeper import CertificateKeeper
from callout.serve.certificates import Certificates, open_to_all
from callout.serve.supervisor import Supervisor
from gatewright.bundle.sections import sections
from gatewright.bundle.unmatched import unanswered, unmatched
from gatewright.run import messages
from gatewright.run.accepted import Acceptance, Accepted, collect
from gatewright.run.aside import aside
from gatewright.run.audit import check_place
from gatewright.run.certificates import CertificateMetrics, certificates_shown
from gatewright.run.decision_logs import check_places
from gatewright.run.er.fleet import ErFleet
from gatewright.run.er_pages import er_pages
from gatewright.run.feed import DirectoryFeed, Feed, MakeFeed, Offer
from gatewright.run.folder import Folder
from gatewright.run.handover import Counts, Heritage, Inheritance, Listens
from gatewright.run.lacking import lacking
from gatewright.run.memory_counters import memory_for
from gatewright.run.options import server_tls, xds_options
from gatewright.run.process_workers import of_decisions, of_process
from gatewright.run.questions import Answer, Inquiries, Question
from gatewright.run.retiring import Retiring
from gatewright.run.sockets import places
from ratelimit.domains import load
from ratelimit.er.dump import dump
from ratelimit.planner import SECTION
from ratelimit.rules import Tree

_log = structlog.get_logger("gatewright.service")

SEND_AGAIN = 5.0
"""Seconds after which a worker that refused the bundle is sent it again."""
KILL_AFTER = 2.0
"""Seconds that a worker gets beyond the drain's own bound before it is killed."""
GIVES_UP = 3
"""Deaths of workers after which a successor says that it cannot take over."""


class StartFailed(RuntimeError):
    """The service cannot start; the operator reads why in the text."""


class Service:
    """One running service. Use it in one event loop."""

    def __init__(
        self,
        settings: Settings,
        cache: Path,
        progress: Callable[[str], None],
        on_loaded: Callable[[Snapshot], None] = lambda _: None,
        inheritance: Inheritance | None = None,
        feed: MakeFeed | None = None,
        er_debug: bool = False,
    ) -> None:
        """Prepares.

        Args:
            settings: how to run.
            cache: where compiled plans are kept between runs.
            progress: told in a sentence of what takes long.
            on_loaded: told of each snapshot that is decided by from now on.
            inheritance: of the process that this one takes over from; see `take_over`.
            feed: makes what brings bundles; None: they come from the settings' directory.
            er_debug: whether the admin port has the pages of envoyproxy/ratelimit's debug port.
        """
        self._settings = settings
        self._deciding, self._processing = of_decisions(settings), of_process(settings)
        """The settings of workers, by what they answer."""
        self._on_loaded = on_loaded
        self._acceptance = Acceptance(
            cache,
            progress,
            inheritance is not None,
            # As the workers make them, so that these find their databases of patterns made.
            sections(settings.limits, cache if self._processing is not None else None),
        )
        self._reloader = Reloader(self._acceptance.build)
        self._sent: Accepted | None = None
        """What workers decide by."""
        self._lacking: str | None = None
        """What it lacks for readiness."""
        self._retiring = Retiring(after=collect)
        self._inquiries = Inquiries(self._reachable, self._question)
        self._refused: dict[int, messages.Refused] = {}
        """By place: what a worker could not use of what we sent."""
        self._digests: dict[int, str] = {}
        """The snapshot of each worker that has one, by its place."""
        self._ready = asyncio.Event()
        self._fleet = FleetMetrics(self._worker_digests, self._restarts)
        self._feed = (feed or self._directory)(self._offered)
        if self._feed.metrics is not None:
            self._fleet.registry.register(self._feed.metrics)
        self._watching: asyncio.Task[None] | None = None
        self._certificates: CertificateKeeper | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._supervisor: Supervisor | None = None
        self._admin: web.AppRunner | None = None
        self._admin_socket: socket.socket | None = None
        self._folder: Folder | None = None
        self._counters: int | None = None
        """The descriptor of the memory that workers count in."""
        self._metrics = Path()
        self._inheritance = inheritance
        self._counts_before = Counts()
        """Of those that we have taken over from."""
        self.addresses: tuple[str, ...] = ()
        """Where Envoy calls, once it has started, each `host:port` or `unix:/path`: one, or one
        for each worker."""
        self.process: tuple[str, ...] = ()
        """Where Envoy's external processing calls, likewise; empty: nobody answers."""
        self.admin = ""
        """Where the admin port is."""
        self.http = ""
        """Where the HTTP port is; empty: there is none."""
        self._er = ErFleet(settings, self._own_loads)
        self._er_debug = er_debug
        self._rules = ""
        """Those in use, as `/rlconfig` shows them."""
        self._prometheus: socket.socket | None = None
        self._http: list[list[socket.socket]] = []
        """Its sockets by worker, beside those of gRPC."""

    async def start(self) -> None:
        """Listens, starts the workers and begins to read the bundle.

        A bundle that is bad, or not there yet, is no failure: the service waits for a good one,
        and denies everything meanwhile.

        Raises:
            StartFailed: An address is taken, a certificate cannot be read, decision logs cannot be
                written.
        """
        settings = self._settings
        workers = settings.worker_count(len(os.sched_getaffinity(0)))
        tls = server_tls(settings)
        if tls is not None:
            with _or_fail("cannot start"):
                self._certificates = CertificateKeeper(tls, self._certified)
            self._fleet.registry.register(CertificateMetrics(self._certificates))
        deciding = workers if self._deciding is not None else 0
        with _or_fail(f"cannot listen at {settings.listen.grpc}"):
            sockets = self._grpc_sockets(deciding)
        with _or_fail(f"cannot listen at {settings.listen.process}"):
            processing = self._process_sockets(workers)
        with _or_fail(f"cannot listen at {settings.listen.http}"):
            self._http = self._http_sockets(deciding)
        token_file = self._token_file()
        if token_file is not None:
            with _or_fail("cannot start: admin.token_file"):
                read_token(token_file)
            if problem := open_to_all(token_file, "admin.token_file"):
                _log.warning("settings", problem=problem)
        with _or_fail("cannot start: decision_logs"):
            check_places(settings)
        with _or_fail("cannot start: waf.audit"):
            check_place(settings.waf.audit if self._processing is not None else None)
        with _or_fail(f"cannot listen at {settings.listen.admin}"):
            self._admin_socket = self._admin_listening()
        self.addresses, self.process = _addresses(sockets), _addresses(processing)
        if settings.limits.prometheus is not None:
            with _or_fail(f"cannot listen at {settings.limits.prometheus.address}"):
                self._prometheus = self._prometheus_listening(settings.limits.prometheus.address)
        self.admin = str(address.address_of(self._admin_socket))
        self.http = str(address.address_of(self._http[0][0])) if any(self._http) else ""
        with _or_fail("cannot start"):
            self._use_folder()
            inherited = self._inheritance.counters if self._inheritance is not None else None
            self._counters = memory_for(settings, deciding, inherited)
        self._supervisor = Supervisor(
            [sys.executable, "-m", "gatewright.worker"],
            [
                *([*grpc, *http] for grpc, http in zip(sockets, self._http, strict=True)),
                *processing,
            ],
            greet=self._greet,
            on_message=self._heard,
            on_death=self._died,
            on_parting=self._heard_parting,
            environ=os.environ,
            frozen=settings.frozen,
            shared=() if self._counters is None else (self._counters,),
        )
        await self._supervisor.start()
        self._watching = asyncio.create_task(self._feed.run())
        if self._certificates is not None:
            self._keeping = asyncio.create_task(self._certificates.run())
        if self._inheritance is None:
            await self._answer_admin(self._admin_socket)
        more = {"http": self.http} if self.http else {}
        if self.process:
            more["process"] = ",".join(self.process)
        if self._prometheus is not None:
            more["prometheus"] = str(address.address_of(self._prometheus))
        _log.info(
            "listening", grpc=",".join(self.addresses), admin=self.admin, workers=workers, **more
        )

    async def _answer_admin(self, listening: socket.socket) -> None:
        self._admin = await admin.serve(self._sources(), listening)
        await self._er.start(self._prometheus)

    def _grpc_sockets(self, workers: int) -> list[list[socket.socket]]:
        settings, inheritance = self._settings, self._inheritance
        if not workers:
            return []
        where = address.parse(settings.listen.grpc)
        inherited: Sequence[socket.socket] = ()
        if inheritance is not None:
            listens, ours = inheritance.heritage.listens, self._listens()
            if (listens.grpc, listens.spread) == (ours.grpc, ours.spread):
                inherited = inheritance.grpc
            if settings.transport == "grpcio" and any(map(_accepts, inherited)):
                raise OSError("a restart cannot change the transport from own to grpcio")
        return places(
            where,
            workers,
            # grpcio binds for itself, beside the socket that reserves its address.
            reuse_port=workers > 1 or settings.transport == "grpcio",
            spread=settings.listen.spread,
            inherited=inherited,
        )

    def _process_sockets(self, workers: int) -> list[list[socket.socket]]:
        settings, inheritance = self._settings, self._inheritance
        if self._processing is None:
            return []
        inherited: Sequence[socket.socket] = ()
        if inheritance is not None:
            listens, ours = inheritance.heritage.listens, self._listens()
            if (listens.process, listens.spread) == (ours.process, ours.spread):
                inherited = inheritance.process
        return places(
            address.parse(settings.listen.process),
            workers,
            reuse_port=workers > 1 or settings.transport == "grpcio",
            spread=settings.listen.spread,
            inherited=inherited,
        )

    def _http_sockets(self, workers: int) -> list[list[socket.socket]]:
        wanted, inheritance = self._settings.listen.http_address, self._inheritance
        if wanted is None or not workers:
            return [[] for _ in range(workers)]
        inherited: Sequence[socket.socket] = ()
        if inheritance is not None and inheritance.heritage.listens.http == wanted:
            inherited = inheritance.http
        return places(address.parse(wanted), workers, reuse_port=workers > 1, inherited=inherited)

    def _admin_listening(self) -> socket.socket:
        inheritance, wanted = self._inheritance, self._settings.listen.admin
        if inheritance is not None and inheritance.heritage.listens.admin == wanted:
            return inheritance.admin
        return address.bind(address.parse(wanted))

    def _prometheus_listening(self, wanted: str) -> socket.socket:
        inheritance = self._inheritance
        inherited = inheritance.prometheus if inheritance is not None else None
        if inheritance is None or inheritance.heritage.listens.prometheus != wanted:
            inherited = None
        return inherited or address.bind(address.parse(wanted))

    def _use_folder(self) -> None:
        heritage = self._inheritance.heritage if self._inheritance is not None else None
        if heritage is not None and heritage.version == gatewright.__version__:
            # Sums go on: the workers of both count in one folder while there are both.
            self._folder = Folder.join(Path(heritage.metrics))
            self._count_on(heritage.counts)
        else:
            self._folder = Folder.make()
        self._metrics = self._folder.path

    def _count_on(self, counts: Counts) -> None:
        before, self._counts_before = self._counts_before, counts
        for result in LOAD_RESULTS:
            more = counts.loads.get(result, 0) - before.loads.get(result, 0)
            self._fleet.config_load(result, more)

    # --- from one process to the next ---

    def _listens(self) -> Listens:
        listen = self._settings.listen
        prometheus = self._settings.limits.prometheus
        return Listens(
            listen.grpc,
            listen.spread,
            listen.admin,
            listen.http_address or "",
            prometheus.address if prometheus is not None else "",
            listen.process if self._processing is not None else "",
        )

    def heritage(self) -> tuple[Heritage, list[socket.socket]] | str:
        """What a successor is given; or why there can be none."""
        if self._supervisor is None or self._admin_socket is None:
            return "this process has not started yet"
        if self._inheritance is not None:
            return "this process has not taken over yet"
        addresses = (*self.addresses, *self.process)
        if self._settings.transport == "grpcio" and addresses[0].startswith("unix:"):
            return "grpcio cannot hand a Unix socket over"
        http = {each.fileno(): each for place in self._http for each in place}
        deciding = len(self._http)
        sockets, process = (
            {
                each.fileno(): each
                for worker in workers
                for each in worker.sockets
                if each.fileno() not in http
            }
            for workers in (
                self._supervisor.workers[:deciding],
                self._supervisor.workers[deciding:],
            )
        )
        heritage = Heritage(
            version=gatewright.__version__,
            metrics=str(self._metrics),
            counts=self.counts(),
            listens=self._listens(),
            sockets=1 + len(sockets),
            http=len(http),
            prometheus=int(self._prometheus is not None),
            counters=self._counters,
            process=len(process),
        )
        last = [self._prometheus] if self._prometheus is not None else []
        last += process.values()
        return heritage, [self._admin_socket, *sockets.values(), *http.values(), *last]

    def counts(self) -> Counts:
        """What has been counted until now, and must go on in a successor."""
        return Counts(self._restarts(), dict(self._fleet.loads))

    def _own_loads(self) -> Tally[str]:
        """Without those of a process that we have taken over from."""
        return self._fleet.loads - Tally(self._counts_before.loads)

    async def take_over(self) -> None:
        """Returns once every worker answers, and whoever we take over from was told.

        Raises:
            StartFailed: Something is wrong: who answered until now should go on.
        """
        if self._inheritance is None or self._supervisor is None or self._admin_socket is None:
            return
        while len(self._digests) < len(self._supervisor.workers) or self._feed.missing:
            if self.problems:
                raise StartFailed("; ".join(self.problems))
            if self._supervisor.restarts >= GIVES_UP:
                raise StartFailed("workers die")
            await asyncio.sleep(0.05)
        counts = await asyncio.to_thread(self._inheritance.succeed)
        if self._inheritance.heritage.version == gatewright.__version__:
            self._count_on(counts)
        used = {each for worker in self._supervisor.workers for each in worker.sockets}
        self._inheritance.close_all_but({self._admin_socket, self._prometheus, *used})
        self._inheritance = None
        await self._answer_admin(self._admin_socket)
        _log.info("took over", pid=os.getpid(), grpc=",".join(self.addresses))

    def reload(self) -> None:
        """Reads the bundle again, changed or not, and the certificates: SIGHUP."""
        self._feed.reload_now()
        if self._certificates is not None:
            self._certificates.look(at_once=True)

    def set_level(self, level: Literal["debug", "info", "warning", "error"]) -> None:
        """Logs from this level on, here and in all workers."""
        telemetry = self._settings.telemetry.model_copy(update={"level": level})
        self._settings = self._settings.model_copy(update={"telemetry": telemetry})
        self._deciding = of_decisions(self._settings)
        self._processing = of_process(self._settings)
        logs.set_level(level)
        if self._supervisor is not None:
            self._supervisor.broadcast(messages.encode(messages.Level(level)))

    async def ready(self) -> None:
        """Returns once a worker decides by a good bundle, of each kind one."""
        await self._ready.wait()

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the bundle that was offered last is not in use, or not by every worker."""
        return (
            *(str(each) for each in self._reloader.problems),
            *(
                f"worker {place} refused it: {each}"
                for place, refused in sorted(self._refused.items())
                for each in refused.problems
            ),
        )

    async def stop(self, succeeded: bool = False) -> None:
        """Drains the workers within the bound of the settings, and closes everything.

        If another process has taken over, what it uses stays: addresses, and the folder.
        """
        for task in (self._watching, self._keeping):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        seconds = self._settings.drain
        self._retiring.stop()
        if succeeded and self._admin is not None:
            await self._admin.cleanup()
            self._admin = None
        if succeeded:
            await self._er.close()
        if self._supervisor is not None:
            farewell = messages.encode(messages.Drain(seconds, succeeded))
            await self._supervisor.stop(farewell, seconds + KILL_AFTER)
        if self._admin is not None:
            await self._admin.cleanup()
        await self._er.close()
        for each in (*self.addresses, *self.process, self.admin, self.http, self._er.address):
            if each.startswith("unix:") and not succeeded and self._inheritance is None:
                address.remove_socket(each.removeprefix("unix:"))
        if self._folder is not None:
            self._folder.leave()
        if self._counters is not None:
            os.close(self._counters)
            self._counters = None

    def hurry(self) -> None:
        """Ends a `stop` that is under way: calls in flight are cut off."""
        if self._supervisor is not None:
            self._supervisor.kill()

    # --- the bundle ---

    def _directory(self, offer: Offer) -> Feed:
        directory, xds = self._settings.bundle, self._settings.xds

        def failed() -> None:
            self._fleet.config_load("rejected")

        if xds is None:
            return DirectoryFeed(directory, offer, on_failure=failed)
        # Here: gRPC's client costs 8 MB that most services have no use for.
        from gatewright.run.xds_feed import XdsFeed

        limits = self._settings.limits
        return XdsFeed(
            directory,
            xds_options(xds),
            xds.initial_fetch_timeout,
            offer,
            on_failure=failed,
            read=partial(
                load,
                merge=limits.merge_domains,
                joined=limits.compat == "er",
                calendar=limits.calendar_month,
            ),
        )

    async def _offered(self, bundle: Bundle | Rejected) -> tuple[Problem, ...]:
        """Uses it if it is good; what is wrong with it."""
        # In a thread: compiling takes long, and workers and the admin port must be answered.
        outcome = await aside(lambda: self._reloader.offer(bundle))
        if outcome == "rejected":
            self._fleet.config_load("rejected")
            last = "the last good one decides" if self._sent else "everything is denied"
            _log.error(f"bundle rejected; {last}", problems=self.problems)
            return self._reloader.problems
        self._fleet.config_load("loaded")
        accepted, snapshot = self._reloader.snapshot, self._acceptance.take_snapshot()
        if outcome == "unchanged" or accepted is None or snapshot is None:
            return ()
        settings = self._settings
        doubts = (*unmatched(settings, snapshot), *unanswered(settings, snapshot))
        for warning in (*accepted.warnings, *doubts):
            _log.warning("bundle", problem=str(warning))
        self._sent, self._lacking = accepted, lacking(self._settings, snapshot)
        self._refused.clear()
        if self._supervisor is not None:
            self._supervisor.broadcast_run(accepted.messages)
        _log.info("bundle loaded", digest=accepted.digest, policies=len(accepted.policies))
        if self._er_debug:
            self._rules = dump(cast("Mapping[str, Tree]", snapshot.parts[SECTION]))
        self._on_loaded(snapshot)
        self._retiring.retire(snapshot)
        return ()

    def _send_again(self, place: int, digest: str) -> None:
        """To a worker that refused what we accepted: it may have lacked memory just then."""
        if self._sent is None or self._sent.digest != digest or self._supervisor is None:
            return
        control = self._supervisor.workers[place].control
        if control is not None and self._digests.get(place) != digest:
            control.send_run(self._sent.messages)

    # --- the workers ---

    def _certified(self, certificates: Certificates) -> None:
        if self._supervisor is not None:
            self._supervisor.broadcast(messages.encode(messages.NewCertificates(certificates)))

    def _greet(self, place: int) -> tuple[bytes, Iterable[bytes]]:
        certificates = self._certificates.current if self._certificates is not None else None
        processes = place >= len(self._http)
        settings = self._processing if processes else self._deciding
        assert settings is not None, "a place that nobody has"  # noqa: S101
        # What waits for a worker that is replaced should not be denied for want of a bundle.
        hold = self._sent is not None or self._inheritance is not None
        http = 0 if processes else len(self._http[place])
        metrics, counters = str(self._metrics), None if processes else self._counters
        said = settings.model_dump_json().encode()
        start = messages.Start(said, metrics, certificates, hold, place, http, counters)
        return messages.encode(start), self._sent.messages if self._sent is not None else ()

    def _heard(self, place: int, data: bytes) -> None:
        message = messages.from_worker(data)
        if isinstance(message, messages.Loaded):
            self._digests[place] = message.digest
            self._refused.pop(place, None)
            if self._every_kind_decides():
                self._ready.set()
            self._relieved(place)
        elif isinstance(message, messages.Leaving):
            if self._supervisor is not None:
                self._supervisor.relieve(place)
            # It is not heard any more, and its successor knows nothing of the question.
            self._inquiries.died(place)
        elif isinstance(message, Answer):
            self._inquiries.heard(place, message)
        elif isinstance(message, messages.Counted):
            self._er.heard(message.grown)
        elif isinstance(message, messages.Refused):
            _log.error(
                "a worker refused the bundle; it decides by the one before",
                worker=place,
                digest=message.digest,
                problems=message.problems,
            )
            self._refused[place] = message
            self._relieved(place)
            asyncio.get_running_loop().call_later(
                SEND_AGAIN, self._send_again, place, message.digest
            )

    def _heard_parting(self, data: bytes) -> None:
        message = messages.from_worker(data)
        if isinstance(message, messages.Counted):
            self._er.heard(message.grown)

    def _relieved(self, place: int) -> None:
        if self._supervisor is not None:
            farewell = messages.encode(messages.Drain(self._settings.drain, succeeded=True))
            self._supervisor.ready(place, farewell)

    def _died(self, place: int, pid: int) -> None:
        process = self._supervisor.workers[place].process if self._supervisor else None
        if process is None or process.pid == pid:  # not one that another has relieved
            self._digests.pop(place, None)
            self._refused.pop(place, None)
            self._inquiries.died(place)
        try:
            shared.forget_dead(self._metrics)
        except OSError as error:
            # Whatever the disk has: a dead worker must be replaced.
            _log.error("gauges of a dead worker cannot be removed", error=str(error))

    def _every_kind_decides(self) -> bool:
        """Whether a worker of decisions, and one of the face `process`, has a good bundle."""
        deciding = any(place < len(self._http) for place in self._digests)
        processing = any(place >= len(self._http) for place in self._digests)
        return (deciding or self._deciding is None) and (processing or self._processing is None)

    def _worker_digests(self) -> list[str]:
        return list(self._digests.values())

    def _restarts(self) -> int:
        now = self._supervisor.restarts if self._supervisor is not None else 0
        return self._counts_before.restarts + now

    def _reachable(self) -> list[int]:
        workers = self._supervisor.workers if self._supervisor is not None else ()
        return [each.index for each in workers if each.control is not None]

    def _question(self, place: int, question: Question) -> None:
        control = self._supervisor.workers[place].control if self._supervisor is not None else None
        if control is not None:
            control.send(messages.encode(question))

    # --- the admin port ---

    def _sources(self) -> AdminSources:
        workers: Collector = shared.SharedMetrics(self._metrics)
        answer: Callable[..., tuple[bytes, str]] = plain
        if self._settings.telemetry.otlp is not None:
            # Exemplars are the only reason to speak OpenMetrics.
            workers, answer = Exemplified(workers, self._metrics), negotiated
        registry = CollectorRegistry()
        registry.register(workers)
        return AdminSources(
            metrics=lambda accept: answer(accept, registry, self._fleet.registry),
            ready=self._readiness,
            version={"version": gatewright.__version__, "python": sys.version.split()[0]},
            effective=self._effective,
            debug=DebugSources(ask=self._inquiries.ask, token_file=self._token_file()),
            pages=er_pages(lambda: self._rules, self._er.text) if self._er_debug else (),
        )

    def _token_file(self) -> Path | None:
        file = self._settings.admin.token_file
        return Path(file) if file is not None else None

    def _readiness(self) -> Readiness:
        if self._feed.missing:
            names = ", ".join(self._feed.missing)
            return Readiness(ready=False, reason=f"bundles that are not active yet: {names}")
        if self._lacking is not None:
            return Readiness(ready=False, reason=self._lacking)
        if self._every_kind_decides():
            return Readiness(ready=True)
        if self._reloader.problems:
            return Readiness(ready=False, reason="no good bundle yet: see /config")
        return Readiness(ready=False, reason="starting")

    def _effective(self) -> Effective:
        snapshot = self._reloader.snapshot
        workers = self._supervisor.workers if self._supervisor is not None else ()
        return Effective(
            settings=self._settings.model_dump(mode="json"),
            digest=snapshot.digest if snapshot is not None else None,
            policies=snapshot.policies if snapshot is not None else (),
            problems=self.problems,
            workers={str(each.index): self._digests.get(each.index) for each in workers},
            certificates=certificates_shown(self._certificates),
        )


def _addresses(places: Sequence[Sequence[socket.socket]]) -> tuple[str, ...]:
    """In order, each once: a Unix socket is shared by all workers."""
    every = (str(address.address_of(each)) for place in places for each in place)
    return tuple(dict.fromkeys(every))


def _accepts(listening: socket.socket) -> bool:
    return bool(listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


@contextlib.contextmanager
def _or_fail(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, BadToken) as error:
        raise StartFailed(f"{what}: {error}") from error

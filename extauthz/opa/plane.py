"""Follows the bundles of OPA's configuration (an edge): asked for, activated, kept, reported.

Runs in the supervising process, beside its event loop's other work: what takes long is done
`beside` it. Whatever comes is offered by the one reload rule: it is used as a whole, together with
all other bundles, or what was in use stays.
"""

import asyncio
import contextlib
import dataclasses
import functools
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, TypeVar
from urllib.parse import unquote, urlsplit

import structlog

from callout.config.bundle import Bundle
from callout.config.problems import Problem
from extauthz.opa import persistence
from extauthz.opa.activation import assembled, place_in_bundle
from extauthz.opa.archive import unpack
from extauthz.opa.bundle import Delta, OpaBundle, Trust, read_bundle
from extauthz.opa.client import Reply, ServiceClient
from extauthz.opa.download import Download
from extauthz.opa.local import read_local
from extauthz.opa.metrics import BundleMetrics, as_reported
from extauthz.opa.problems import BundleRefused, RequestFailed
from extauthz.opa.reporter import Reporter
from extauthz.opa.settings import BundleSource, OpaConfig
from extauthz.opa.status import BundleStatus, report

_log = structlog.get_logger("gatewright.opa")

T = TypeVar("T")

Offer: TypeAlias = Callable[[Bundle], Awaitable[tuple[Problem, ...]]]
"""Uses a bundle from now on if it is good; says what is wrong with it otherwise."""

_PLUGINS: Final = ("bundle", "decision_logs", "discovery", "status", "envoy_ext_authz_grpc")
"""As OPA names them; it reports `discovery` also where there is none."""
_FILE: Final = "file://"
MOST_SAID: Final = 200
"""Characters of a service's words in a line of the log."""


class Beside(Protocol):
    """Runs long work in a thread, and gives its result."""

    def __call__(self, work: Callable[[], T]) -> Awaitable[T]:
        """Runs it."""
        ...


class _Refused(NamedTuple):
    """Kept so that the same again, beside the same others, is not compiled again at each retry."""

    what: object
    why: BundleRefused
    was_read: bool


class BundlePlane:
    """All bundles of one configuration. Use it in one event loop."""

    def __init__(
        self,
        config: OpaConfig,
        offer: Offer,
        beside: Beside,
        labels: Mapping[str, str],
        descriptors: bytes | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepares; `run` follows.

        Args:
            config: what to follow.
            offer: takes what is to be decided by.
            beside: runs what takes long.
            labels: who we are, for reports.
            descriptors: the content of `proto-descriptor`.
            now: seconds since 1970, for reports.
        """
        self._config = config
        self._offer = offer
        self._beside = beside
        self._labels = labels
        self._descriptors = descriptors
        self._now = now
        self._active: Mapping[str, OpaBundle] = {}
        self._activations = 0
        self._activating = asyncio.Lock()
        self._refused: dict[str, _Refused] = {}
        """Of each bundle, what was not used last."""
        self._statuses = {name: BundleStatus(name) for name in config.bundles}
        self._wake = {name: asyncio.Event() for name in config.bundles}
        self._clients = {name: ServiceClient(each) for name, each in config.services.items()}
        self.reporter: Reporter | None = None
        """Who reports; None: nobody is to be told."""
        if config.status is not None:
            client = self._clients.get(config.status.service)
            self.reporter = Reporter(config.status, client, self.report)
        self.metrics = BundleMetrics(self._statuses, self.reporter)
        """What is counted of all this."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Bundles that are not active yet; while there are any, nothing is allowed."""
        return tuple(name for name in self._config.bundles if name not in self._active)

    def report(self) -> dict[str, Any]:
        """What is said of this moment."""
        logs = self._config.decision_logs is not None
        plugins = {
            name: not self.missing if name == "bundle" else True
            for name in _PLUGINS
            if name != "decision_logs" or logs
        }
        metrics = as_reported(self.metrics.collect())
        return report(self._labels, self._statuses, plugins, metrics)

    def reload_now(self) -> None:
        """Asks for all bundles again: SIGHUP."""
        for each in self._wake.values():
            each.set()

    async def run(self) -> None:
        """Follows until it is cancelled."""
        tasks = [] if self.reporter is None else [self.reporter.run()]
        try:
            if not self._config.bundles:
                await self._offer(assembled({}, self._config, self._descriptors))
            await self._start_from_disk()
            self._notify()
            async with asyncio.TaskGroup() as group:
                for each in (*tasks, *map(self._follow, self._config.bundles)):
                    group.create_task(each)
        finally:
            for client in self._clients.values():
                await client.close()

    def _notify(self) -> None:
        if self.reporter is not None:
            self.reporter.notify()

    # --- one bundle ---

    async def _follow(self, name: str) -> None:
        source, wake = self._config.bundles[name], self._wake[name]
        download = Download(source.polling)
        while True:
            delay: float | None = None
            try:
                if source.resource.startswith(_FILE):
                    await self._read_file(name, source)
                else:
                    delay = await self._once(name, source, download)
            except BundleRefused as refused:
                self._failed(name, refused)
                delay = download.failed()
            except Exception as error:
                # Memory, a thread, a descriptor that is lacking, or a bug: the next may be taken.
                _log.exception("following a bundle failed", bundle=name)
                self._statuses[name].failed(BundleRefused(f"failed: {type(error).__name__}"))
                delay = download.failed()
            self._notify()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await wake.wait()
            wake.clear()

    async def _once(self, name: str, source: BundleSource, download: Download) -> float:
        """Asks once; how long to wait then."""
        status = self._statuses[name]
        status.timers = {}
        try:
            with _timed(status, "timer_bundle_request_ns"):
                reply = await self._clients[source.service].get(
                    source.resource, download.headers(time.monotonic()), source.size_limit_bytes,
                    download.waits,
                )  # fmt: skip
        finally:
            status.requested = self._now()
        if reply.status not in (200, 304):
            raise RequestFailed(
                f"server replied with {_phrase(reply.status)}", http_code=reply.status
            )
        if reply.status == 304:
            status.succeeded = status.requested
            if name in self._active and status.problem is not None:
                status.problem = None
                await self._settle()
            return download.unchanged()
        with _timed(status, "timer_rego_load_bundles_ns"):
            await self._take(name, source, reply)
        status.size = len(reply.body)
        return download.activated(reply.headers.get("ETag", ""), reply.headers, time.monotonic())

    async def _take(self, name: str, source: BundleSource, reply: Reply) -> None:
        """Activates what came, and keeps it on disk if that is asked for."""
        status, was_read = self._statuses[name], False
        same = hashlib.sha256(reply.body).digest(), self._activations
        refused = self._refused.get(name)
        etag = reply.headers.get("ETag", "")
        try:
            if refused is not None and refused.what == same:
                was_read = refused.was_read
                raise refused.why
            bundle = await self._beside(
                functools.partial(self._read, name, source, reply.body, etag)
            )
            was_read = True
            await self._activate(name, bundle)
        except BundleRefused as error:
            was_read = was_read and not error.is_of_syntax
            self._refused[name] = _Refused(same, error, was_read)
            raise
        finally:
            if was_read:
                status.succeeded = status.downloaded = status.requested
        self._refused.pop(name, None)
        if source.persist:
            where = Path(self._config.persistence)
            await self._beside(functools.partial(persistence.save, where, name, reply.body))

    def _read(self, name: str, source: BundleSource, tarball: bytes, etag: str) -> OpaBundle:
        files = unpack(tarball, source.size_limit_bytes)
        found = read_bundle(files, self._trust(source), etag, len(tarball))
        if isinstance(found, OpaBundle):
            return found
        return self._applied(name, source, found, etag, len(tarball))

    def _applied(
        self, name: str, source: BundleSource, delta: Delta, etag: str, size: int
    ) -> OpaBundle:
        if source.persist:
            raise BundleRefused("persisting delta bundle to disk is not supported")
        base = self._active.get(name)
        if base is None:
            raise BundleRefused("a delta came, and no bundle is active that it could change")
        return delta.applied_to(base, etag, size)

    def _trust(self, source: BundleSource) -> Trust:
        return Trust(source.signing, self._config.keys)

    async def _activate(self, name: str, bundle: OpaBundle) -> None:
        """Uses it together with all others that are active, or raises why not."""
        async with self._activating:
            candidate = {**self._active, name: bundle}
            made = await self._beside(
                functools.partial(assembled, candidate, self._config, self._descriptors)
            )
            problems = await self._offer(made)
            errors = tuple(each for each in problems if each.severity == "error")
            if errors:
                told = tuple(
                    dataclasses.replace(each, file=place_in_bundle(each.file, candidate))
                    for each in errors
                )
                raise BundleRefused("; ".join(map(str, errors)), errors=told)
            self._active = candidate
            self._activations += 1
        self._statuses[name].taken(bundle, self._now())
        said = {"revision": bundle.revision[:MOST_SAID], "etag": bundle.etag[:MOST_SAID]}
        _log.info("bundle activated", bundle=name, **said)

    async def _settle(self) -> None:
        """Offers what is in use again: its author went back, and nothing is wrong any more."""
        if not any(each.problem for each in self._statuses.values()):
            async with self._activating:
                active = self._active
                made = functools.partial(assembled, active, self._config, self._descriptors)
                await self._offer(await self._beside(made))

    def _failed(self, name: str, refused: BundleRefused) -> None:
        status = self._statuses[name]
        before = status.problem
        status.failed(refused)
        # Its frames hold all that came, and more of them at each retry.
        refused.__traceback__ = None
        if before is None or before.message != refused.message:
            # Not at each retry.
            _log.error("bundle not used", bundle=name, problem=refused.message)

    async def _read_file(self, name: str, source: BundleSource) -> None:
        """A bundle of this machine is read at start, and when we are told to."""
        path = Path(unquote(urlsplit(source.resource).path))

        def read() -> OpaBundle:
            files = read_local(path, source.size_limit_bytes)
            found = read_bundle(files, self._trust(source))
            if isinstance(found, OpaBundle):
                return found
            return self._applied(name, source, found, "", 0)

        status = self._statuses[name]
        try:
            bundle = await self._beside(read)
        finally:
            status.requested = self._now()
        status.succeeded = status.downloaded = status.requested
        await self._activate(name, bundle)

    # --- from disk ---

    async def _start_from_disk(self) -> None:
        """Activates what was kept, as long as there is some that fits what is active already."""
        waiting = [name for name, each in self._config.bundles.items() if each.persist]
        while waiting:
            refused: dict[str, BundleRefused] = {}
            for name in waiting:
                try:
                    await self._from_disk(name)
                except BundleRefused as error:
                    refused[name] = error
            for name, why in refused.items():
                self._failed(name, why)
            if len(refused) == len(waiting):
                return
            waiting = list(refused)

    async def _from_disk(self, name: str) -> None:
        source = self._config.bundles[name]
        where = Path(self._config.persistence)

        def read() -> OpaBundle | None:
            tarball = persistence.saved(where, name, source.size_limit_bytes)
            if tarball is None:
                return None
            found = read_bundle(unpack(tarball, source.size_limit_bytes), self._trust(source))
            if not isinstance(found, OpaBundle):
                raise BundleRefused("a delta was kept on disk")
            return found

        bundle = await self._beside(read)
        if bundle is not None:
            await self._activate(name, bundle)


@contextlib.contextmanager
def _timed(status: BundleStatus, timer: str) -> Iterator[None]:
    began = time.perf_counter_ns()
    try:
        yield
    finally:
        status.timers[timer] = time.perf_counter_ns() - began


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return str(status)

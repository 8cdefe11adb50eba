"""The faces that a worker answers, with what each needs: one place where services are made."""

import asyncio
import secrets
from collections.abc import Callable

from callout.config.limits_settings import Limits
from callout.config.settings import FaceName, Settings
from callout.config.snapshot import Snapshot
from callout.grpc.call import Face
from callout.observe.sources import follow_breaker, follow_overload, follow_replicas
from callout.redis.connection import is_cluster
from callout.redis.contract import Redis
from callout.redis.heartbeat import Heartbeat
from callout.redis.presence import Presence
from extauthz.cache.metrics import follow_cache
from extauthz.policy.opa_server.metrics import follow_opa
from extauthz.policy.outside import http_client
from extauthz.service import AuthorizationService
from gatewright.run.audit import audit_log
from gatewright.run.decision_logs import FLUSH_WITHIN, decision_log
from gatewright.run.er.statistics import statistics
from gatewright.run.memory_counters import in_memory
from gatewright.run.options import extras, modes, opa_options, redis_waits
from gatewright.run.telemetry import Telemetry
from ratelimit.hottest import Hottest
from ratelimit.local.denied import Denied
from ratelimit.local.refused import Refused
from ratelimit.local.share import LocalShare
from ratelimit.retries.contract import Retries
from ratelimit.retries.memory import OnceInMemory
from ratelimit.retries.redis import OnceInRedis, TwoOnce
from ratelimit.retries.shared_memory import OnceInSharedMemory
from ratelimit.service import RateLimitService
from ratelimit.stop_when_over import StopWhenOver
from ratelimit.stores.contract import Store
from ratelimit.stores.er_redis_store import ErRedisStore
from ratelimit.stores.per_second import PerSecondStore
from ratelimit.stores.redis_scripts.across_slots import AcrossSlots
from ratelimit.stores.redis_scripts.states import RedisStates
from ratelimit.stores.redis_store import RedisStore
from ratelimit.stores.shared_memory.counters import SharedCounters
from ratelimit.stores.states import StateStore
from waf.audit.log import AuditLog


class Faces:
    """The services of one worker, and the connections behind them."""

    def __init__(
        self,
        settings: Settings,
        snapshot: Callable[[], Snapshot | None],
        telemetry: Telemetry,
        counters: int | None = None,
    ) -> None:
        """Makes what `settings.faces` names; connects in `start`.

        Args:
            settings: of the process.
            snapshot: what is decided by; None: nothing yet.
            telemetry: of the worker.
            counters: the memory that it counts in with others; see `memory_counters`.
        """
        parts = telemetry.parts
        self._keys = parts.keys()
        self._redis: Redis | None = None
        self._per_second: Redis | None = None
        self._heartbeat: Heartbeat | None = None
        self._counts = "limit" in settings.faces  # who does not has no part of any limit
        denied: Denied | None = None
        share: LocalShare | None = None
        refused: Refused | None = None
        store: Store
        states: StateStore
        if settings.redis is None:
            memory = in_memory(settings.limits.memory, counters, telemetry.metrics)
            store, states = memory.windows, memory.states
            # Where a stopped worker holds the counters: no other decides about a part of them.
            share = LocalShare(lambda: None)
        else:
            waits = redis_waits(settings.limits)
            self._redis = client = parts.redis(settings.redis, waits)
            store = _windows(client, settings.limits)
            if settings.redis_per_second is not None:
                self._per_second = second = parts.redis(settings.redis_per_second, waits)
                store = PerSecondStore(store, _windows(second, settings.limits))
                follow_breaker(telemetry.metrics, "redis_per_second", lambda: second.state)
            states = AcrossSlots(client) if is_cluster(settings.redis) else RedisStates(client)
            if settings.limits.deny_cache:
                denied, refused = Denied(), Refused()
            presence = Presence(secrets.token_hex(8).encode())
            share = LocalShare(lambda: presence.place, denied)
            self._heartbeat = Heartbeat(client, presence)
            follow_replicas(
                telemetry.metrics, lambda: presence.place.of if presence.place is not None else 0
            )
            follow_breaker(telemetry.metrics, "redis", lambda: client.state)
        self._opa = None
        if settings.opa is not None:
            self._opa = parts.opa(*opa_options(settings.opa))
            follow_opa(telemetry.metrics, self._opa)
        self.stats, self._statsd = statistics(settings)
        """What counts as envoyproxy/ratelimit does; None: nothing does."""
        self._log = decision_log(settings, telemetry) if "authz" in settings.faces else None
        self.hottest = Hottest()
        """The counters that are asked about most."""
        made: dict[FaceName, Callable[[], Face]] = {
            "authz": lambda: self._authorization(snapshot, telemetry).face(settings.overload.authz),
            "limit": lambda: RateLimitService(
                snapshot,
                store,
                telemetry.observer,
                extras=extras(settings.answers),
                modes=modes(settings.limits),
                denied=denied,
                share=share,
                stats=self.stats,
                hottest=self.hottest,
                retries=_retries(settings.limits, store, states, self._redis, self._per_second),
                states=states,
                refused=refused,
                stop=_stop(settings.limits, store, self._redis, self._per_second),
            ).face(settings.overload.limit),
        }
        self._audit: AuditLog | None = None
        if "process" in settings.faces:
            # Here: who runs no rules has no need of their 2 MB.
            from gatewright.run.inspections import inspections

            self._audit = audit_log(settings.waf.audit, telemetry)
            made["process"] = inspections(snapshot, telemetry, self._audit).face
        self.table: tuple[Face, ...] = tuple(parts.served(made[name]()) for name in settings.faces)
        """What the transport offers."""
        follow_overload(telemetry.metrics, telemetry.counters, self.table)

    def _authorization(
        self, snapshot: Callable[[], Snapshot | None], telemetry: Telemetry
    ) -> AuthorizationService:
        service = telemetry.parts.authorization(
            snapshot,
            telemetry.observer,
            self._keys,
            self._opa.engine if self._opa is not None else None,
            self._log.recorder if self._log is not None else None,
        )
        follow_cache(telemetry.metrics, service.decisions, service.flights)
        return service

    @property
    def redis_away(self) -> bool:
        """Whether counters in some Redis cannot be asked now."""
        clients = (self._redis, self._per_second)
        return any(each is not None and each.state != "closed" for each in clients)

    async def start(self) -> None:
        """Connects; a neighbour that is away is tried again in the background."""
        if self._redis is not None:
            await self._redis.start()
        if self._per_second is not None:
            await self._per_second.start()
        if self._heartbeat is not None and self._counts:
            self._heartbeat.start()
        if self._statsd is not None:
            self._statsd.start()

    async def close(self) -> None:
        """Closes the connections."""
        if self._statsd is not None:
            await self._statsd.close()
        if self._heartbeat is not None:
            await self._heartbeat.close()
        if self._redis is not None:
            await self._redis.close()
        if self._per_second is not None:
            await self._per_second.close()
        if self._opa is not None:
            await self._opa.close()
        await http_client.close()
        await self._keys.close()
        if self._log is not None:
            await asyncio.to_thread(self._log.close, FLUSH_WITHIN)
        if self._audit is not None:
            await asyncio.to_thread(self._audit.close, FLUSH_WITHIN)


def _retries(
    limits: Limits,
    store: Store,
    states: StateStore,
    redis: Redis | None,
    per_second: Redis | None,
) -> Retries | None:
    written = limits.retries
    if written is None:
        return None
    if isinstance(store, SharedCounters):
        return Retries(written.by, OnceInSharedMemory(store, states, written.within))
    if redis is None:
        return Retries(written.by, OnceInMemory(store, states, written.within))
    across = states if isinstance(states, AcrossSlots) else None
    once = OnceInRedis(redis, written.within, across)
    if per_second is None:
        return Retries(written.by, once)
    return Retries(written.by, TwoOnce(once, OnceInRedis(per_second, written.within)))


def _stop(
    limits: Limits, store: Store, redis: Redis | None, per_second: Redis | None
) -> StopWhenOver | None:
    if not limits.stop_when_over:
        return None
    if redis is None or limits.compat is None:
        return StopWhenOver(store, store)
    looks: Store = RedisStore(redis)
    if per_second is not None:
        looks = PerSecondStore(looks, RedisStore(per_second))
    return StopWhenOver(store, looks)


def _windows(client: Redis, limits: Limits) -> Store:
    """Counters of fixed windows in that Redis."""
    if limits.compat == "er":
        return ErRedisStore(client, limits.expiry_jitter, calendar=limits.calendar_month)
    return RedisStore(client)

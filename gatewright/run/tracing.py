"""Traces of a worker, put together; imported only where `telemetry.otlp` is written."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import gatewright
from callout.config.settings import Traces
from callout.config.snapshot import Snapshot
from callout.grpc.call import Face
from callout.observe.decision import Observer
from callout.observe.exemplars import Exemplars, file_of
from callout.observe.metrics import Metrics
from callout.observe.traces.encode import Encoder
from callout.observe.traces.export import Exporter, Sender
from callout.observe.traces.http_client import http_spans
from callout.observe.traces.observer import TracingObserver
from callout.observe.traces.otlp_grpc import GrpcSender
from callout.observe.traces.otlp_http import HttpSender
from callout.observe.traces.redis_client import TracedRedis
from callout.observe.traces.sampler import Sampler
from callout.observe.traces.span import Value
from callout.observe.traces.tracer import Tracer
from callout.redis.client import ClientOptions
from callout.redis.connection import connection
from callout.redis.contract import Redis
from extauthz.decision_logs.recorder import Recorder
from extauthz.identity.contract import KeySource
from extauthz.identity.jwks_fetch import JwksFetcher
from extauthz.policy.engine import Engine
from extauthz.policy.opa_server.access import Access
from extauthz.policy.opa_server.servers import OpaServers
from extauthz.service import AuthorizationService
from extauthz.traced import TracedAuthorizationService
from gatewright.run.parts import Parts

FLUSH_WITHIN: Final = 1.0
"""Seconds after the drain in which the last spans are sent: half of what a worker has left before
it is killed."""


class Tracing(Parts):
    """The tracer of one worker, its exporter, and the parts that it looks into."""

    def __init__(
        self, collector: str, settings: Traces, place: int, metrics: Metrics, directory: Path
    ) -> None:
        """Prepares; call it in the event loop.

        Args:
            collector: the URL of the settings.
            settings: which requests, and how many spans wait.
            place: of this worker among its like.
            metrics: where dropped spans are counted.
            directory: where workers share what is scraped.
        """
        sampler = Sampler(settings.sample, settings.asked)
        resource: dict[str, Value] = {
            "service.name": "gatewright",
            "service.version": gatewright.__version__,
            "service.instance.id": os.urandom(16).hex(),
            "gatewright.worker": place,
        }
        self._exporter = exporter = Exporter(_sender(collector), Encoder(resource), settings.queue)
        self._tracer = Tracer(sampler, exporter.put)
        self._exemplars = Exemplars(file_of(directory, place))
        metrics.follow_counters(
            "gatewright_trace_spans_dropped",
            "Spans that were not sent; with `asked`, traces that callers asked for beyond the"
            " ceiling.",
            "reason",
            lambda: {
                "asked": sampler.refused,
                "queue": exporter.dropped_full,
                "collector": exporter.dropped_failed,
            },
        )
        metrics.also_flush(self._exemplars.flush)

    def observer(self, told: Observer) -> Observer:
        """Stands before those who are told of decisions."""
        return TracingObserver(told, self._exemplars)

    def start(self) -> None:
        """Begins to send."""
        self._exporter.start()

    async def close(self) -> None:
        """Sends what is left, within a bound."""
        await self._exporter.close(FLUSH_WITHIN)

    def keys(self) -> JwksFetcher:
        """Key servers are strangers: they are not told of our traces."""
        return JwksFetcher(trace_configs=(http_spans("jwks", hands_on=False),))

    def redis(self, url: str, options: ClientOptions) -> Redis:
        """With a span for each request."""
        return TracedRedis(connection(url, options))

    def opa(self, urls: Sequence[str], access: Access) -> OpaServers:
        """With a span for each question, which the server is told of."""
        return OpaServers(urls, access, (http_spans("opa", hands_on=True),))

    def authorization(
        self,
        snapshot: Callable[[], Snapshot | None],
        observer: Observer,
        keys: KeySource,
        opa: Callable[[str], Engine] | None,
        log: Recorder | None,
    ) -> AuthorizationService:
        """With spans for policies, and for callers that are waited for."""
        return TracedAuthorizationService(self._tracer, snapshot, observer, keys, opa, log=log)

    def served(self, face: Face) -> Face:
        """With a span for each call; a Check says what context its request has."""
        return self._tracer.face(face, reads_context=face.name == "authz")


def _sender(collector: str) -> Sender:
    """OTLP over HTTP has a path, `/v1/traces` as a rule; over gRPC it has none."""
    parts = urlsplit(collector)
    if parts.path.strip("/"):
        return HttpSender(collector)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return GrpcSender(f"{host}:{parts.port or 4317}", tls=parts.scheme == "https")

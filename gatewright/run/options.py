"""Settings of the process as options of its parts."""

from pathlib import Path

from callout.config.settings import Settings
from callout.grpc.health import HealthBoard
from callout.serve.counters import Counters
from callout.serve.options import ServeOptions
from callout.serve.tls import ServerTls


def server_tls(settings: Settings) -> ServerTls | None:
    """TLS of the gRPC listener; None: plain."""
    tls = settings.tls
    if tls is None:
        return None
    return ServerTls(
        Path(tls.cert),
        Path(tls.key),
        Path(tls.client_ca) if tls.client_ca else None,
        tuple(tls.client_san),
    )


def serve_options(settings: Settings, health: HealthBoard, counters: Counters) -> ServeOptions:
    """How the worker's gRPC server behaves."""
    return ServeOptions(
        transport=settings.transport,
        tls=server_tls(settings),
        max_message=settings.max_message,
        health=health,
        reflection=True,
        reuse_port=settings.shares_port,
        counters=counters,
    )

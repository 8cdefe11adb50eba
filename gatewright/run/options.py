"""Settings of the process as options of its parts."""

import dataclasses
import resource
from collections.abc import Mapping
from pathlib import Path

from callout.config.answers import Answers
from callout.config.limits_settings import Limits
from callout.config.opa import Opa, opa_of
from callout.config.settings import Settings
from callout.config.xds import Xds
from callout.grpc.health import HealthBoard
from callout.redis.client import ClientOptions
from callout.serve.admission import AdmissionOptions
from callout.serve.certificates import Certificates
from callout.serve.counters import Counters
from callout.serve.options import ServeOptions
from callout.serve.tls import ServerTls
from extauthz.policy.opa_server.access import Access
from ratelimit.answers import Extras, Names
from ratelimit.modes import Modes
from ratelimit.plan import OnError
from ratelimit.xds.backoff import Backoff
from ratelimit.xds.options import XdsOptions, XdsTls

RESERVED = 128
"""Descriptors that connections leave for Redis, key sets, metrics and files: whoever only opens
connections must not keep the worker from reaching them."""


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
        tls.client or "required",
        tls.min_version,
    )


def serve_options(
    settings: Settings,
    health: HealthBoard,
    counters: Counters,
    certificates: Certificates | None = None,
) -> ServeOptions:
    """How the worker's gRPC server behaves; with `tls`, by these certificates."""
    peers = settings.connections
    return ServeOptions(
        transport=settings.transport,
        tls=server_tls(settings),
        certificates=certificates,
        max_message=settings.max_message,
        health=health,
        reflection=settings.reflection,
        limits=settings.http2.limits(),
        reuse_port=settings.shares_port,
        max_connections=_max_connections(peers.max),
        **peers.model_dump(exclude={"max"}),
        admission=admission_options(settings),
        counters=counters,
    )


def opa_options(written: str | tuple[str, ...] | Opa) -> tuple[tuple[str, ...], Access]:
    """The OPA servers, and what they are shown."""
    opa = opa_of(written)
    files = opa.model_dump(exclude={"servers"})
    return opa.servers, Access(**{name: each and Path(each) for name, each in files.items()})


def extras(answers: Answers) -> Extras:
    """What answers of limits say beside their verdict."""
    return Extras(
        answers.headers,
        answers.metadata,
        Names(**answers.names.model_dump()),
        Names(**answers.upstream_names.model_dump()) if answers.upstream else None,
        answers.rule_metadata,
    )


_ON_ERROR: Mapping[str, OnError] = {
    "error": "deny",
    "allow": "allow",
    "deny": "refuse",
    "share": "share",
}
"""What the settings say, as limits say it."""


def modes(limits: Limits) -> Modes:
    """What holds for every limit."""
    on_error = {domain: _ON_ERROR[each] for domain, each in limits.on_error.items()}
    return Modes(limits.shadow, limits.quota, on_error)


def redis_waits(limits: Limits) -> ClientOptions:
    """How long requests wait for Redis."""
    default = ClientOptions()
    return dataclasses.replace(
        default, timeout=min(default.timeout, limits.redis_wait), longest=limits.redis_wait
    )


def xds_options(xds: Xds) -> XdsOptions:
    """The management server of rate limit domains."""
    tls = None
    if xds.tls is not None:
        files = {
            name: each and Path(each)
            for name, each in xds.tls.model_dump(exclude={"server_name"}).items()
        }
        tls = XdsTls(**files, server_name=xds.tls.server_name or "")
    return XdsOptions(
        server=xds.server,
        node=xds.node_id,
        tls=tls,
        max_message=xds.max_message,
        backoff=Backoff(xds.backoff_initial, xds.backoff_max, xds.backoff_jitter),
        metadata=xds.metadata_values,
        headers=xds.header_values,
    )


def admission_options(settings: Settings) -> AdmissionOptions | None:
    """When requests are refused because there are too many; None: never."""
    overload = settings.overload
    if not overload.target:
        return None
    return AdmissionOptions(target=overload.target, interval=overload.interval)


def _max_connections(most: int) -> int:
    """So many, if the system allows a process as many descriptors."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return most
    return max(1, min(most, descriptors - RESERVED))

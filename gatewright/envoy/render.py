"""The gateway as Envoy configuration, built with envoy-data-plane's types.

The order of filters is written out: ext_authz, rate limit, external processing, router. So are the
failure modes and time limits, because Envoy's own defaults let requests pass when a rate limit
service is silent.
"""

import ipaddress
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from envoy_data_plane.envoy.config.bootstrap.v3 import (
    Admin,
    Bootstrap,
    BootstrapDynamicResources,
    BootstrapStaticResources,
)
from envoy_data_plane.envoy.config.cluster.v3 import (
    CircuitBreakers,
    CircuitBreakersThresholds,
    Cluster,
    ClusterDiscoveryType,
)
from envoy_data_plane.envoy.config.core.v3 import (
    Address,
    ApiVersion,
    ConfigSource,
    GrpcService,
    GrpcServiceEnvoyGrpc,
    HeaderValue,
    Http2ProtocolOptions,
    Node,
    PathConfigSource,
    Pipe,
    SocketAddress,
    TransportSocket,
)
from envoy_data_plane.envoy.config.endpoint.v3 import (
    ClusterLoadAssignment,
    Endpoint,
    LbEndpoint,
    LocalityLbEndpoints,
)
from envoy_data_plane.envoy.config.listener.v3 import Filter, FilterChain, Listener
from envoy_data_plane.envoy.config.ratelimit.v3 import RateLimitServiceConfig
from envoy_data_plane.envoy.config.route.v3 import (
    RateLimit as RouteRateLimit,
)
from envoy_data_plane.envoy.config.route.v3 import (
    RateLimitAction,
    RateLimitActionMetaData,
    RateLimitActionMetaDataSource,
    RateLimitActionRemoteAddress,
    RateLimitActionRequestHeaders,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
)
from envoy_data_plane.envoy.extensions.filters.http.ext_authz.v3 import ExtAuthz
from envoy_data_plane.envoy.extensions.filters.http.ext_proc.v3 import (
    ExternalProcessor,
    MetadataOptions,
    MetadataOptionsMetadataNamespaces,
    ProcessingMode,
    ProcessingModeBodySendMode,
    ProcessingModeHeaderSendMode,
)
from envoy_data_plane.envoy.extensions.filters.http.ratelimit.v3 import (
    RateLimit,
    RateLimitXRateLimitHeadersRfcVersion,
)
from envoy_data_plane.envoy.extensions.filters.http.router.v3 import Router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
    HttpFilter,
)
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import UpstreamTlsContext
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import (
    HttpProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
)
from envoy_data_plane.envoy.service.discovery.v3 import DiscoveryResponse
from envoy_data_plane.envoy.type.metadata.v3 import MetadataKey, MetadataKeyPathSegment
from envoy_data_plane.envoy.type.v3 import HttpStatus, StatusCode
from envoy_data_plane.google.protobuf import Any as AnyMessage

from callout.ext_proc.session import MODE_OVERRIDE
from gatewright.envoy.gateway import Gateway

AUTH_TIMEOUT = timedelta(milliseconds=500)
"""Envoy's default of 200 ms is less than the first fetch of a key set may take."""
LIMIT_TIMEOUT = timedelta(milliseconds=100)
"""Envoy's default of 20 ms is what our own Redis deadline is; the answer needs a way back."""
PROCESS = "gatewright-process"
"""The cluster of our external processing."""
PROCESS_TIMEOUT = timedelta(seconds=1)
"""For one message. Envoy's default of 200 ms is little more than the 100 ms that rules may take,
and another request's rules may have to be waited for."""
METADATA_NAMESPACE = "envoy.filters.http.ext_authz"
"""Where ext_authz puts what we answer, whatever the filter is called."""
CALLOUT_REQUESTS = 16_384
"""Requests in flight to us; beyond Envoy's default of 1,024 it would refuse by itself."""


def bootstrap(node: str, admin_host: str, lds: str, cds: str) -> dict[str, Any]:
    """The part that never changes: the admin address, and the files that may."""
    message = Bootstrap(
        node=Node(id=node, cluster="gatewright"),
        admin=Admin(
            address=Address(socket_address=SocketAddress(address=admin_host, port_value=0))
        ),
        dynamic_resources=BootstrapDynamicResources(
            lds_config=_file(lds),
            cds_config=_file(cds),
        ),
    )
    return _json(message)


def static(gateway: Gateway) -> dict[str, Any]:
    """All of it in one file, without discovery: what `envoy --mode validate` can check whole."""
    return _json(
        Bootstrap(
            static_resources=BootstrapStaticResources(
                listeners=[_listener(gateway)], clusters=_clusters(gateway)
            )
        )
    )


def listeners(gateway: Gateway, version: str) -> dict[str, Any]:
    """The discovery response with the gateway's one listener."""
    return _discovery(version, [_listener(gateway)])


def clusters(gateway: Gateway, version: str) -> dict[str, Any]:
    """The discovery response with the two clusters: ourselves and the upstream."""
    return _discovery(version, _clusters(gateway))


def _listener(gateway: Gateway) -> Listener:
    manager = HttpConnectionManager(
        stat_prefix="gateway",
        use_remote_address=True,
        stream_idle_timeout=timedelta(minutes=5),
        request_headers_timeout=timedelta(seconds=10),
        route_config=_routes(gateway),
        http_filters=[
            HttpFilter(
                name="envoy.filters.http.ext_authz",
                typed_config=AnyMessage.pack(_ext_authz(gateway)),
            ),
            HttpFilter(
                name="envoy.filters.http.ratelimit",
                typed_config=AnyMessage.pack(_rate_limit(gateway)),
            ),
            *_inspecting(gateway),
            HttpFilter(
                name="envoy.filters.http.router",
                typed_config=AnyMessage.pack(Router()),
            ),
        ],
    )
    return Listener(
        name="gateway",
        address=Address(
            socket_address=SocketAddress(address=gateway.host, port_value=gateway.port)
        ),
        filter_chains=[
            FilterChain(
                filters=[
                    Filter(
                        name="envoy.filters.network.http_connection_manager",
                        typed_config=AnyMessage.pack(manager),
                    )
                ]
            )
        ],
    )


def _clusters(gateway: Gateway) -> list[Cluster]:
    http2 = HttpProtocolOptions(
        explicit_http_config=HttpProtocolOptionsExplicitHttpConfig(
            http2_protocol_options=Http2ProtocolOptions()
        )
    )

    def ours(name: str, addresses: str) -> Cluster:
        return Cluster(
            name=name,
            type=ClusterDiscoveryType.STATIC,
            connect_timeout=timedelta(milliseconds=250),
            load_assignment=_endpoint(name, *map(_address, addresses.split(","))),
            circuit_breakers=CircuitBreakers(
                thresholds=[
                    CircuitBreakersThresholds(
                        max_requests=CALLOUT_REQUESTS, max_pending_requests=CALLOUT_REQUESTS
                    )
                ]
            ),
            typed_extension_protocol_options={
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": AnyMessage.pack(http2)
            },
        )

    upstream = gateway.upstream
    target = Cluster(
        name="upstream",
        type=(
            ClusterDiscoveryType.STATIC
            if _is_address(upstream.host)
            else ClusterDiscoveryType.STRICT_DNS
        ),
        connect_timeout=timedelta(seconds=2),
        load_assignment=_endpoint(
            "upstream",
            Address(socket_address=SocketAddress(address=upstream.host, port_value=upstream.port)),
        ),
        transport_socket=(
            TransportSocket(
                name="envoy.transport_sockets.tls",
                typed_config=AnyMessage.pack(UpstreamTlsContext(sni=upstream.host)),
            )
            if upstream.tls
            else None
        ),
    )
    callouts = [ours("gatewright", gateway.callout)]
    if gateway.process:
        callouts.append(ours(PROCESS, gateway.process))
    return [*callouts, target]


def _routes(gateway: Gateway) -> RouteConfiguration:
    return RouteConfiguration(
        name="gateway",
        virtual_hosts=[
            VirtualHost(
                name="all",
                domains=["*"],
                rate_limits=[RouteRateLimit(actions=_descriptor(gateway.request_id))],
                routes=[
                    Route(
                        name="all",
                        match=RouteMatch(prefix="/"),
                        route=RouteAction(cluster="upstream", timeout=timedelta(seconds=15)),
                    )
                ],
            )
        ],
    )


def _descriptor(request_id: str) -> list[RateLimitAction]:
    """The one constant descriptor: a bundle reload never needs another.

    Envoy gives no descriptor at all when an action without `skip_if_absent` finds nothing, and
    the request would go uncounted: hence the last ones, which an anonymous request or a gateway
    that makes no ids lacks, may be absent, while the others are always there.
    """

    def header(name: str, key: str, *, optional: bool = False) -> RateLimitAction:
        return RateLimitAction(
            request_headers=RateLimitActionRequestHeaders(
                header_name=name, descriptor_key=key, skip_if_absent=optional
            )
        )

    def metadata(key: str) -> RateLimitAction:
        return RateLimitAction(
            metadata=RateLimitActionMetaData(
                descriptor_key=key,
                source=RateLimitActionMetaDataSource.DYNAMIC,
                skip_if_absent=True,
                metadata_key=MetadataKey(
                    key=METADATA_NAMESPACE, path=[MetadataKeyPathSegment(key=key)]
                ),
            )
        )

    # Envoy makes it at the edge (`use_remote_address`), whatever the client sent.
    ids = [header("x-request-id", request_id, optional=True)] if request_id else []
    return [
        header(":authority", "host"),
        header(":path", "path"),
        header(":method", "method"),
        RateLimitAction(remote_address=RateLimitActionRemoteAddress()),
        metadata("policy"),
        metadata("id"),
        *ids,
    ]


def _ext_authz(gateway: Gateway) -> ExtAuthz:
    return ExtAuthz(
        grpc_service=_grpc(AUTH_TIMEOUT),
        transport_api_version=ApiVersion.V3,
        failure_mode_allow=gateway.failure.auth_allows,
        status_on_error=HttpStatus(code=StatusCode.ServiceUnavailable),
        validate_mutations=True,
    )


def _rate_limit(gateway: Gateway) -> RateLimit:
    return RateLimit(
        domain="gatewright",
        timeout=LIMIT_TIMEOUT,
        failure_mode_deny=not gateway.failure.limits_allow,
        status_on_error=HttpStatus(code=StatusCode.ServiceUnavailable),
        rate_limited_as_resource_exhausted=True,
        enable_x_ratelimit_headers=RateLimitXRateLimitHeadersRfcVersion.DRAFT_VERSION_03,
        rate_limit_service=RateLimitServiceConfig(
            grpc_service=_grpc(LIMIT_TIMEOUT), transport_api_version=ApiVersion.V3
        ),
    )


def _inspecting(gateway: Gateway) -> list[HttpFilter]:
    """After identity and limits, the cheaper refusals; nothing if no policy inspects."""
    if not gateway.process:
        return []
    # Heads only, until our answer to one asks for its body: where no policy wants it, none is sent.
    skip = ProcessingModeHeaderSendMode.SKIP
    none = ProcessingModeBodySendMode.NONE
    send = ProcessingModeHeaderSendMode.SEND
    processor = ExternalProcessor(
        grpc_service=GrpcService(
            envoy_grpc=GrpcServiceEnvoyGrpc(cluster_name=PROCESS),
            initial_metadata=[HeaderValue(key=MODE_OVERRIDE.decode(), value="true")],
        ),
        failure_mode_allow=gateway.failure.inspection_allows,
        message_timeout=PROCESS_TIMEOUT,
        allow_mode_override=True,
        processing_mode=ProcessingMode(
            request_header_mode=send,
            response_header_mode=send,
            request_body_mode=none,
            response_body_mode=none,
            request_trailer_mode=skip,
            response_trailer_mode=skip,
        ),
        request_attributes=list(_ATTRIBUTES),
        metadata_options=MetadataOptions(
            forwarding_namespaces=MetadataOptionsMetadataNamespaces(untyped=[METADATA_NAMESPACE])
        ),
    )
    return [HttpFilter(name="envoy.filters.http.ext_proc", typed_config=AnyMessage.pack(processor))]


_ATTRIBUTES: Final = (
    "source.address",
    "source.port",
    "destination.address",
    "request.protocol",
    "request.id",
    "xds.route_name",
)
"""Without them rules that ask for the client's address or the protocol see nothing."""


def _grpc(timeout: timedelta) -> GrpcService:
    return GrpcService(envoy_grpc=GrpcServiceEnvoyGrpc(cluster_name="gatewright"), timeout=timeout)


def _address(text: str) -> Address:
    if text.startswith("unix:"):
        return Address(pipe=Pipe(path=text.removeprefix("unix:")))
    host, _, port = text.rpartition(":")
    return Address(socket_address=SocketAddress(address=host.strip("[]"), port_value=int(port)))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _endpoint(cluster: str, *addresses: Address) -> ClusterLoadAssignment:
    endpoints = [LbEndpoint(endpoint=Endpoint(address=each)) for each in addresses]
    return ClusterLoadAssignment(
        cluster_name=cluster, endpoints=[LocalityLbEndpoints(lb_endpoints=endpoints)]
    )


def _file(path: str) -> ConfigSource:
    return ConfigSource(
        path_config_source=PathConfigSource(path=path), resource_api_version=ApiVersion.V3
    )


def _discovery(version: str, resources: Sequence[Listener | Cluster]) -> dict[str, Any]:
    return _json(
        DiscoveryResponse(
            version_info=version, resources=[AnyMessage.pack(each) for each in resources]
        )
    )


def _json(message: Bootstrap | DiscoveryResponse) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(message.to_json())
    return result

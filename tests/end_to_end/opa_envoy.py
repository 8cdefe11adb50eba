"""opa-envoy-plugin's configuration and Envoys that ask it, for tests through a real Envoy."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_TYPE = "type.googleapis.com/envoy.extensions"
HTTP_CONNECTIONS = f"{_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager"


def config(folder: Path, policy: str, plugin: Mapping[str, Any], **more: Any) -> Path:
    """The plugin's file, with a folder of its own that has the policy."""
    rego = folder / "policy"
    rego.mkdir()
    (rego / "policy.rego").write_text(policy)
    document = {
        "bundles": {"policy": {"resource": f"file://{rego}"}},
        "plugins": {"envoy_ext_authz_grpc": {"addr": "127.0.0.1:0", **plugin}},
        **more,
    }
    path = folder / "config.json"
    path.write_text(json.dumps(document))
    return path


def gateway(
    callout: str, upstream: str, access_log: Path, ext_authz: Mapping[str, Any]
) -> dict[str, Any]:
    """An Envoy whose listener `gateway` asks `callout` about each request.

    Args:
        callout: `host:port` or `unix:/path`.
        upstream: `host:port`.
        access_log: one JSON object a request: `path`, `status`, and as `said` the metadata.
        ext_authz: more of the filter's configuration; it may have a `grpc_service` of its own.
    """
    log = {
        "@type": f"{_TYPE}.access_loggers.file.v3.FileAccessLog",
        "path": str(access_log),
        "log_format": {
            "json_format": {
                "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
                "status": "%RESPONSE_CODE%",
                "said": "%DYNAMIC_METADATA(envoy.filters.http.ext_authz)%",
            }
        },
    }
    authz = {
        "@type": f"{_TYPE}.filters.http.ext_authz.v3.ExtAuthz",
        "transport_api_version": "V3",
        "failure_mode_allow": True,  # so that an answer that is an error would be seen to pass
        "grpc_service": {"envoy_grpc": {"cluster_name": "callout"}, "timeout": "10s"},
        **ext_authz,
    }
    router = {"@type": f"{_TYPE}.filters.http.router.v3.Router"}
    hosts = {"name": "all", "domains": ["*"]}
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}]
    manager = {
        "@type": HTTP_CONNECTIONS,
        "stat_prefix": "gateway",
        "access_log": [{"name": "file", "typed_config": log}],
        "route_config": {"virtual_hosts": [{**hosts, "routes": routes}]},
        "http_filters": [
            {"name": "envoy.filters.http.ext_authz", "typed_config": authz},
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return bootstrap([listener("gateway", filters)], callout, upstream)


def listener(name: str, filters: list[Any], **chain: Any) -> dict[str, Any]:
    """A listener on a free port of 127.0.0.1; `chain` is more of its filter chain."""
    return {
        "name": name,
        "address": address("127.0.0.1:0"),
        "filter_chains": [{"filters": filters, **chain}],
    }


def bootstrap(listeners: list[Any], callout: str, upstream: str) -> dict[str, Any]:
    """Listeners, and the clusters `callout` (HTTP/2) and `upstream`."""
    http2: dict[str, Any] = {"explicit_http_config": {"http2_protocol_options": {}}}
    options = {"@type": f"{_TYPE}.upstreams.http.v3.HttpProtocolOptions", **http2}
    authz = {
        **_cluster("callout", callout),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options
        },
    }
    return {
        "static_resources": {
            "listeners": listeners,
            "clusters": [authz, _cluster("upstream", upstream)],
        }
    }


def _cluster(name: str, where: str) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": address(where)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "10s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def address(text: str) -> dict[str, Any]:
    """`host:port` or `unix:/path` as Envoy writes it."""
    if text.startswith("unix:"):
        return {"pipe": {"path": text.removeprefix("unix:")}}
    host, _, port = text.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}

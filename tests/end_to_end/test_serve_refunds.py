"""A real Envoy charges a request in advance, and gives back what it did not use."""

import http.client
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest

from callout.testing.envoy import Envoy
from callout.testing.plugin import StartEnvoy
from callout.testing.redis import RedisServer, until
from callout.testing.upstream import EchoUpstream
from tests.end_to_end.serve import Serve

YEAR = 365 * 86_400
COUNTER = "edge_tenant_ann_"
RULES = """domain: edge
descriptors:
  - {key: tenant, rate_limit: {unit: year, requests_per_unit: 12}}
"""


@pytest.fixture
def serve(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[Serve]:
    redis_server.flush()
    root = tmp_path_factory.mktemp("er")
    (root / "config").mkdir()
    (root / "config" / "edge.yaml").write_text(RULES)
    environ = {
        "RUNTIME_ROOT": str(root),
        "REDIS_URL": redis_server.address,
        "REDIS_SOCKET_TYPE": "tcp",
    }
    with closing(Serve(root, None, "--er-config", "--workers", "1", environ=environ)) as running:
        yield running


def charge(hits: dict[str, Any], *, after: bool) -> dict[str, Any]:
    tenant = {"request_headers": {"header_name": "x-tenant", "descriptor_key": "tenant"}}
    return {"actions": [tenant], "hits_addend": hits, "apply_on_stream_done": after}


def cluster(name: str, address: str, **more: Any) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    where = {"socket_address": {"address": host, "port_value": int(port)}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": where}}]}]
    assignment = {"cluster_name": name, "endpoints": endpoints}
    return {"name": name, "type": "STATIC", "load_assignment": assignment, **more}


def bootstrap(limits: str, upstream: str) -> dict[str, Any]:
    extensions = "type.googleapis.com/envoy.extensions"
    options = f"{extensions}.upstreams.http.v3.HttpProtocolOptions"
    http2 = {
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        }
    }
    # Of a route itself Envoy takes no `hits_addend`.
    per_route = {
        "@type": f"{extensions}.filters.http.ratelimit.v3.RateLimitPerRoute",
        "rate_limits": [
            charge({"number": 5}, after=False),
            charge({"number": 3, "is_negative_hits": True}, after=True),
        ],
    }
    route = {
        "match": {"prefix": "/"},
        "route": {"cluster": "upstream"},
        "typed_per_filter_config": {"envoy.filters.http.ratelimit": per_route},
    }
    hosts = [{"name": "all", "domains": ["*"], "routes": [route]}]
    service = {"grpc_service": {"envoy_grpc": {"cluster_name": "limits"}}}
    limiter = {
        "@type": f"{extensions}.filters.http.ratelimit.v3.RateLimit",
        "domain": "edge",
        "timeout": "10s",
        "failure_mode_deny": True,
        "rate_limit_service": {**service, "transport_api_version": "V3"},
    }
    manager = {
        "@type": f"{extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "route_config": {"virtual_hosts": hosts},
        "http_filters": [
            {"name": "envoy.filters.http.ratelimit", "typed_config": limiter},
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{extensions}.filters.http.router.v3.Router"},
            },
        ],
    }
    listener = {
        "name": "gateway",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    clusters = [cluster("limits", limits, **http2), cluster("upstream", upstream)]
    return {"static_resources": {"listeners": [listener], "clusters": clusters}}


def status(envoy: Envoy) -> int:
    connection = http.client.HTTPConnection(envoy.url.removeprefix("http://"), timeout=20)
    connection.request("GET", "/", headers={"x-tenant": "ann"})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def test_what_envoy_gives_back_after_a_request_can_be_used_again(
    serve: Serve, redis_server: RedisServer, envoy: StartEnvoy, echo_upstream: EchoUpstream
) -> None:
    gateway = envoy(bootstrap(serve.grpc, echo_upstream.address))
    name = COUNTER + str(int(time.time()) // YEAR * YEAR)
    with redis_server.client() as redis:
        for used in (2, 4, 6, 8):
            # 5 are taken and 3 given back: without that the third request would be one too many.
            assert status(gateway) == 200
            until(partial(is_at, redis, name, used), 20)
    assert status(gateway) == 429


def is_at(redis: Any, name: str, used: int) -> bool:
    return bool(redis.get(name) == b"%d" % used)

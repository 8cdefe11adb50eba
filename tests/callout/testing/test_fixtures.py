"""The fixtures against the real programs that they start."""

import asyncio
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any

import grpc
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from callout.testing.clock import Clock
from callout.testing.envoy import Envoy
from callout.testing.grpc_client import Client
from callout.testing.plugin import StartEnvoy, StartOpa
from callout.testing.process import DidNotStart
from callout.testing.redis import RedisServer
from callout.testing.requests import browser_check_request, check_request, rate_limit_request
from callout.testing.upstream import EchoUpstream


def test_redis_answers_on_its_port_and_its_socket(redis_server: RedisServer) -> None:
    redis_server.flush()
    with redis.Redis.from_url(redis_server.url) as client:
        client.set("a", 1)
    with redis.Redis.from_url(redis_server.unix_url) as client:
        assert client.get("a") == b"1"
        redis_server.flush()
        assert client.get("a") is None


def test_a_stopped_redis_hangs_and_a_killed_one_refuses(private_redis: RedisServer) -> None:
    with redis.Redis(
        port=private_redis.port, socket_timeout=0.2, retry=Retry(NoBackoff(), 0)
    ) as client:
        client.set("a", 1)
        private_redis.stop()
        with pytest.raises(redis.TimeoutError):
            client.get("a")
        private_redis.cont()
        assert client.get("a") == b"1"
        private_redis.kill()
        with pytest.raises(redis.ConnectionError):
            client.get("a")
        private_redis.restart()
        assert client.get("a") is None


def test_a_redis_with_a_password_refuses_strangers(tmp_path_factory: Any) -> None:
    server = RedisServer(tmp_path_factory.mktemp("r"), password="hush")
    try:
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
        with redis.Redis(port=server.port) as client, pytest.raises(redis.AuthenticationError):
            client.ping()
    finally:
        server.close()


def test_opa_decides_by_the_policy_and_data_that_it_was_given(opa_server: StartOpa) -> None:
    server = opa_server(
        {"shop.rego": "package shop\nallow if input.user in data.shop.users\n"},
        {"shop": {"users": ["alice"]}},
    )
    assert server.query("shop/allow", {"user": "alice"}) == {"result": True}
    assert "result" not in server.query("shop/allow", {"user": "bob"})


def test_a_policy_that_opa_refuses_fails_with_what_opa_says(opa_server: StartOpa) -> None:
    with pytest.raises(DidNotStart, match="rego_parse_error"):
        opa_server({"shop.rego": "package shop\nallow if {"})


def test_the_upstream_echoes_the_request(echo_upstream: EchoUpstream) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", echo_upstream.port, timeout=5)
    connection.request("POST", "/a%2Fb?c=d", body=b"hello", headers={"X-One": "1"})
    answer = json.load(connection.getresponse())
    assert answer["method"] == "POST"
    assert answer["path"] == "/a%2Fb?c=d"
    assert answer["body"] == "hello"
    assert ["x-one", "1"] in answer["headers"]
    [seen] = echo_upstream.seen
    assert seen.header("x-one") == "1"
    connection.request("GET", "/status/503")
    assert connection.getresponse().status == 503
    connection.close()


def test_the_upstream_remembers_only_the_requests_of_this_test(echo_upstream: EchoUpstream) -> None:
    assert not echo_upstream.seen


async def test_an_asynchronous_test_may_use_them_too(
    echo_upstream: EchoUpstream, redis_server: RedisServer
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", echo_upstream.port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    assert b"200 OK" in await reader.read()
    writer.close()
    assert redis_server.pid


def _bootstrap(upstream: EchoUpstream) -> dict[str, Any]:
    return {
        "static_resources": {
            "listeners": [
                {
                    "name": "gateway",
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
                    "filter_chains": [{"filters": [_manager()]}],
                }
            ],
            "clusters": [
                {
                    "name": "upstream",
                    "connect_timeout": "1s",
                    "load_assignment": {
                        "cluster_name": "upstream",
                        "endpoints": [{"lb_endpoints": [_endpoint(upstream.port)]}],
                    },
                }
            ],
        }
    }


def _manager() -> dict[str, Any]:
    extensions = "type.googleapis.com/envoy.extensions.filters"
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{extensions}.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "gateway",
            "http_filters": [
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {"@type": f"{extensions}.http.router.v3.Router"},
                }
            ],
            "route_config": {
                "virtual_hosts": [
                    {
                        "name": "all",
                        "domains": ["*"],
                        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}],
                    }
                ]
            },
        },
    }


def _endpoint(port: int) -> Mapping[str, Any]:
    return {
        "endpoint": {
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        }
    }


def test_envoy_proxies_and_shows_its_stats(envoy: StartEnvoy, echo_upstream: EchoUpstream) -> None:
    gateway = envoy(_bootstrap(echo_upstream))
    with urllib.request.urlopen(f"{gateway.url}/through", timeout=5) as answer:
        assert json.load(answer)["path"] == "/through"
    end = time.monotonic() + 5
    while not gateway.stat("http.gateway.downstream_rq_2xx") and time.monotonic() < end:
        time.sleep(0.02)
    assert gateway.stat("http.gateway.downstream_rq_2xx") == 1
    assert gateway.stat("no.such.stat") == 0
    assert gateway.addresses.keys() == {"gateway"}


def test_two_envoys_run_side_by_side(envoy: StartEnvoy, echo_upstream: EchoUpstream) -> None:
    first, second = (envoy(_bootstrap(echo_upstream)) for _ in range(2))
    assert first.url != second.url
    _end(first)
    with urllib.request.urlopen(second.url, timeout=5) as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(first.url, timeout=5)


def _end(gateway: Envoy) -> None:
    gateway.close()


def test_a_bootstrap_that_envoy_refuses_fails_with_what_envoy_says(envoy: StartEnvoy) -> None:
    with pytest.raises(DidNotStart, match="no_such_field"):
        envoy('{"no_such_field": 1}')


def test_the_clock_stands_still_until_it_is_moved(clock: Clock) -> None:
    before = clock()
    assert clock() == before
    clock.move(1.5)
    assert clock() == before + 1.5
    with pytest.raises(ValueError, match="not go back"):
        clock.move(-1)


def test_a_free_port_can_be_listened_on(free_port: Callable[[], int]) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    assert server.add_insecure_port(f"127.0.0.1:{free_port()}")
    server.stop(None)


def test_the_browser_request_has_sixteen_headers_and_the_size_that_is_measured() -> None:
    request = browser_check_request()
    assert len(request.attributes.request.http.headers) == 16
    assert 1150 <= request.ByteSize() <= 1350


def test_builders_put_everything_in_its_place() -> None:
    http = check_request("POST", "/a?b", "h:1", {"x": "y"}, body="é").attributes.request.http
    assert (http.method, http.path, http.host, http.size) == ("POST", "/a?b", "h:1", 2)
    assert dict(http.headers) == {
        ":authority": "h:1",
        ":method": "POST",
        ":path": "/a?b",
        ":scheme": "https",
        "x": "y",
    }
    limits = rate_limit_request("shop", {"a": "1", "b": "2"}, {"c": "3"}, hits_addend=4)
    assert [[(e.key, e.value) for e in d.entries] for d in limits.descriptors] == [
        [("a", "1"), ("b", "2")],
        [("c", "3")],
    ]
    assert limits.hits_addend == 4


def test_the_client_speaks_to_a_stock_server(free_port: Callable[[], int]) -> None:
    from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
    from envoy.service.ratelimit.v3 import rls_pb2, rls_pb2_grpc
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    class Both:
        def Check(self, request: Any, context: Any) -> Any:
            answer = external_auth_pb2.CheckResponse()
            answer.status.code = 7
            return answer

        def ShouldRateLimit(self, request: Any, context: Any) -> Any:
            return rls_pb2.RateLimitResponse(overall_code=1)

    server = grpc.server(futures.ThreadPoolExecutor(1))
    external_auth_pb2_grpc.add_AuthorizationServicer_to_server(Both(), server)
    rls_pb2_grpc.add_RateLimitServiceServicer_to_server(Both(), server)
    checks = health.HealthServicer()
    checks.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with Client(f"127.0.0.1:{port}") as client:
            assert client.check(check_request()).status.code == 7
            assert client.should_rate_limit(rate_limit_request("d")).overall_code == 1
            assert client.health() == "NOT_SERVING"
    finally:
        server.stop(None)

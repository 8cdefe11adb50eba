"""`gatewright serve` with Redis and two workers: one service to whoever looks at it."""

import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from callout.testing.grpc_client import Client
from callout.testing.redis import RedisServer
from callout.testing.requests import check_request, rate_limit_request
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, kill, policy, write_bundle

PASSWORD = "planted-pass"
LIMIT = 100
CLIENTS = 8


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Two workers; what a test counts is told apart by the client's address."""
    folder = tmp_path_factory.mktemp("fleet")
    limits = f"limits: [{{name: each, by: [address], rate: {LIMIT}/year}}]"
    files = {
        "all.yaml": policy("all", f"{OPEN}\n{limits}"),
        "sums.yaml": policy("sums", limits, '{host: "sums.example"}'),
        **EVERYBODY,
    }
    bundle = write_bundle(folder / "bundle", files)
    with ExitStack() as running:
        short = running.enter_context(tempfile.TemporaryDirectory())
        redis = running.enter_context(closing(RedisServer(Path(short), password=PASSWORD)))
        environ = {"GATEWRIGHT_REDIS": redis.url, "GATEWRIGHT_REFLECTION": "true"}
        yield running.enter_context(
            closing(Serve(folder, bundle, "--workers", "2", environ=environ))
        )


def connections(serve: Serve, stack: ExitStack) -> list[Client]:
    """Connections to both workers: the kernel chooses, so as many as it takes."""
    found: list[Client] = []
    prefixes: set[str] = set()
    for _ in range(64):
        client = stack.enter_context(serve.client())
        found.append(client)
        prefixes.add(worker_of(client))
        if len(prefixes) == 2 and len(found) >= CLIENTS:
            return found
    raise AssertionError(f"64 connections, and all to {prefixes}")


def worker_of(client: Client) -> str:
    """Which process answers on this connection: its decisions' ids begin alike."""
    answer = client.check(check_request())
    assert answer.status.code == 0
    return str(answer.dynamic_metadata["decision_id"])[:16]


def limited(client: Client, address: str, host: str = "shop.example") -> int:
    """The overall code: 1 is OK, 2 is OVER_LIMIT."""
    request = rate_limit_request(
        "gatewright",
        {"host": host, "path": "/", "method": "GET", "remote_address": address},
    )
    return client.should_rate_limit(request).overall_code


def test_a_limit_is_exact_over_both_workers(fleet: Serve) -> None:
    assert len(fleet.workers()) == 2
    with ExitStack() as stack, ThreadPoolExecutor(CLIENTS) as pool:
        clients = connections(fleet, stack)
        calls = [clients[index % len(clients)] for index in range(2 * LIMIT)]
        codes = Counter(pool.map(lambda client: limited(client, "192.0.2.1"), calls))
    assert codes == {1: LIMIT, 2: LIMIT}


def test_metrics_are_sums_that_survive_a_killed_worker_which_is_replaced(fleet: Serve) -> None:
    def counted() -> float:
        return fleet.metric("gatewright_decisions_total", face="limit", policy="sums")

    restarts = fleet.metric("gatewright_worker_restarts_total")
    with ExitStack() as stack:
        clients = connections(fleet, stack)
        for index in range(40):
            limited(clients[index % len(clients)], "192.0.2.2", "sums.example")
        # Workers write down what they counted twice a second.
        until(lambda: counted() == 40)

        victim, other = fleet.workers()
        os.kill(victim, signal.SIGKILL)
        end = time.monotonic() + 10
        while fleet.metric("gatewright_worker_restarts_total") == restarts:
            assert time.monotonic() < end
            assert counted() == 40
    until(lambda: len(fleet.workers()) == 2 and None not in fleet.config()["workers"].values())
    assert victim not in fleet.workers()
    assert other in fleet.workers()
    assert counted() == 40

    with ExitStack() as stack:
        clients = connections(fleet, stack)
        for index in range(40):
            limited(clients[index % len(clients)], "192.0.2.3", "sums.example")
        until(lambda: counted() == 80)
    # A dead worker's connections are not counted as open for ever.
    until(lambda: fleet.metric("gatewright_transport_open_connections") == 0)


def test_both_workers_decide_by_one_snapshot_and_readyz_and_config_say_so(fleet: Serve) -> None:
    assert fleet.admin("/readyz")[0] == 200
    assert fleet.admin("/healthz") == (200, "ok\n")
    config = fleet.config()
    assert config["policies"] == ["all", "sums"]
    assert config["problems"] == []
    assert config["workers"] == {"0": config["digest"], "1": config["digest"]}
    assert fleet.metric("gatewright_snapshot_info", digest=config["digest"]) == 2
    assert config["settings"]["workers"] == 2


def test_the_password_of_redis_is_shown_nowhere(fleet: Serve) -> None:
    config = fleet.config()
    assert config["settings"]["redis"]
    for page in ("/config", "/metrics", "/version", "/readyz"):
        assert PASSWORD not in fleet.admin(page)[1]
    assert PASSWORD not in fleet.log
    for pid in (fleet.process.pid, *fleet.workers()):
        assert PASSWORD.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.parametrize(
    "service",
    [
        "",
        "authz",
        "limit",
        "envoy.service.auth.v3.Authorization",
        "envoy.service.ratelimit.v3.RateLimitService",
    ],
)
def test_health_is_told_under_every_name(fleet: Serve, service: str) -> None:
    with fleet.client() as client:
        assert client.health(service) == "SERVING"


def test_health_of_a_service_that_is_not_there_is_not_found(fleet: Serve) -> None:
    import grpc

    with fleet.client() as client, pytest.raises(grpc.RpcError) as error:
        client.health("waf")
    assert error.value.code() is grpc.StatusCode.NOT_FOUND


def test_reflection_lists_what_is_served(fleet: Serve) -> None:
    with fleet.client() as client:
        services = set(ProtoReflectionDescriptorDatabase(client.channel).get_services())
    assert services >= {
        "envoy.service.auth.v3.Authorization",
        "envoy.service.ratelimit.v3.RateLimitService",
        "grpc.health.v1.Health",
    }


def test_a_frozen_worker_costs_only_its_own_connections(fleet: Serve) -> None:
    import grpc

    with ExitStack() as stack:
        clients = connections(fleet, stack)
        by_worker: dict[str, Client] = {}
        for client in clients:
            by_worker.setdefault(worker_of(client), client)
        frozen = fleet.workers()[0]
        os.kill(frozen, signal.SIGSTOP)
        try:
            answered = 0
            for client in by_worker.values():
                try:
                    answered += client.check(check_request(), timeout=1).status.code == 0
                except grpc.RpcError as error:
                    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED  # noqa: PT017
            assert answered == 1
        finally:
            kill(frozen, signal.SIGCONT)
        for client in by_worker.values():
            assert client.check(check_request()).status.code == 0

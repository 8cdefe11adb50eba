"""Counters behind Sentinels and in a Cluster, shared by two workers, over the wire."""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from callout.testing.redis_cluster import RedisCluster
from callout.testing.redis_sentinel import SentinelTrio
from callout.testing.requests import rate_limit_request
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, policy, write_bundle

EDGE = """domain: edge
descriptors:
  - {key: tenant, rate_limit: {unit: year, requests_per_unit: 3}}
  - {key: plan, rate_limit: {unit: year, requests_per_unit: 1000}}
"""
LIMITS = """limits:
  - {name: narrow, by: [address], rate: [3/month, 50/year], algorithm: sliding-log}
  - {name: wide, rate: 10/year}
"""
OK, OVER = 1, 2


@pytest.fixture(scope="module", params=["sentinel", "cluster"])
def serve(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serve]:
    folder = tmp_path_factory.mktemp("topologies")
    limits = policy("all", f"{OPEN}\n{LIMITS}")
    files = {"ratelimit/edge.yaml": EDGE, "all.yaml": limits, **EVERYBODY}
    bundle = write_bundle(folder / "bundle", files)
    kind = RedisCluster if request.param == "cluster" else SentinelTrio
    with (
        tempfile.TemporaryDirectory() as short,
        closing(kind(Path(short))) as servers,
        closing(
            # Traces are sent nowhere: what makes them is between all that counts and Redis.
            Serve(
                folder,
                bundle,
                *("--redis", servers.url, "--workers", "2"),
                environ={"GATEWRIGHT_TELEMETRY__OTLP": "http://127.0.0.1:9"},
            )
        ) as running,
    ):
        until(lambda: running.metric("gatewright_redis_breaker") == 0, 20)
        yield running


def codes(serve: Serve, tenant: str, times: int) -> list[int]:
    found = []
    for _ in range(times):
        # A connection each: they go to either worker.
        with serve.client() as client:
            asked = rate_limit_request("edge", {"tenant": tenant}, {"plan": "all"})
            found.append(client.should_rate_limit(asked).overall_code)
    return found


def test_limits_are_exact_for_each_value_and_shared_by_the_workers(serve: Serve) -> None:
    for tenant in ("one", "two", "three", "four", "five"):
        assert codes(serve, tenant, 5) == [OK] * 3 + [OVER] * 2


def test_limits_of_a_request_are_all_or_nothing_wherever_their_counters_are(serve: Serve) -> None:
    found = []
    for address in range(4):
        for _ in range(5):
            with serve.client() as client:
                entries = {"host": "shop.example", "path": "/", "method": "GET"}
                asked = rate_limit_request(
                    "gatewright", entries | {"remote_address": f"198.51.100.{address}"}
                )
                found.append(client.should_rate_limit(asked).overall_code)
    three = [OK] * 3 + [OVER] * 2
    assert found == [*three, *three, *three, OK, *[OVER] * 4]

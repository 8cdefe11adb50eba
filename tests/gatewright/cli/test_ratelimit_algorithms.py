"""`ratelimit try` and `keys` of limits that are counted otherwise than by plain numbers."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from callout.redis.client import Client
from callout.testing.redis import RedisServer
from callout.testing.requests import rate_limit_request
from ratelimit.stores.redis_scripts.states import RedisStates
from ratelimit.stores.redis_store import RedisStore
from tests.gatewright.cli.test_ratelimit_try import Tried, tried  # noqa: F401 (a fixture)
from tests.ratelimit.stores.conftest import PATIENT
from tests.ratelimit.world import World, code

POLICY = """apiVersion: bundle/v1
kind: Policy
name: shop
on: [{host: shop.example}]
limits:
  - {name: fixed, rate: 1000/day}
  - {name: sliding, rate: 40/day, algorithm: sliding-window}
  - {name: parts, rate: 50/day, algorithm: sub-buckets}
  - {name: log, rate: 60/day, algorithm: sliding-log}
  - {name: bucket, by: [address], rate: 1/day, algorithm: token-bucket, burst: 5}
  - {name: all, rate: 70/day, counting: each}
"""
ENTRIES = {"host": "shop.example", "path": "/", "method": "GET", "remote_address": "192.0.2.1"}
VISIT = "host=shop.example,path=/,method=GET,remote_address=192.0.2.1"


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    (tmp_path / "shop.yaml").write_text(POLICY)
    return str(tmp_path)


async def visit(server: RedisServer, hits: int) -> str:
    client = Client(server.url, PATIENT)
    await client.start()
    try:
        world = World({"shop.yaml": POLICY}, RedisStore(client), states=RedisStates(client))
        world.clock.move(_now(server) - world.clock())
        request = rate_limit_request("gatewright", ENTRIES, hits_addend=hits)
        return code(await world.asked(request))
    finally:
        await client.close()


def _now(server: RedisServer) -> float:
    seconds, micros = server.client().time()
    return float(seconds + micros / 1_000_000)


def by_name(told: Any) -> dict[str, Any]:
    return {each["limit"]: each for each in told["descriptors"][0]["limits"]}


def test_each_counter_is_told_as_it_is_and_nothing_is_counted(
    tried: Tried,  # noqa: F811
    bundle: str,
    redis_server: RedisServer,
) -> None:
    redis_server.flush()
    assert asyncio.run(visit(redis_server, 3)) == "OK"
    assert asyncio.run(visit(redis_server, 9)) == "OVER_LIMIT"
    flags = ["--redis", redis_server.url]
    asked = ["try", bundle, *flags, "--descriptor", VISIT]
    for _ in range(2):
        told = tried.json(0, *asked, "--hits", "2")
        limits = by_name(told)
        assert {name: each["before"] for name, each in limits.items()} == {
            "fixed": 3,
            "sliding": 3,
            "parts": 3,
            "log": 3,
            "bucket": 3,
            "all": 12,
        }
        assert all(each["counted"] and not each["over"] for each in limits.values())
    assert limits["bucket"]["burst"] == 5
    assert limits["log"]["algorithm"] == "sliding-log"
    told = tried.json(1, *asked, "--hits", "3")
    limits = by_name(told)
    assert [name for name, each in limits.items() if each["over"]] == ["bucket"]
    assert [name for name, each in limits.items() if each["counted"]] == ["all"]

    keys = {name: each["counter"] for name, each in limits.items()}
    said = {name: tried(0, "keys", key, *flags) for name, key in keys.items()}
    assert "  3, kept for" in said["fixed"]
    assert "  sliding-window, 3 in its window and 0 in the one before, kept" in said["sliding"]
    assert "  sub-buckets, 3 in its parts, kept" in said["parts"]
    assert "  sliding-log, a list, kept" in said["log"]
    assert "  token-bucket, 2 left, kept" in said["bucket"]
    assert "was reset" in tried(0, "keys", keys["bucket"], keys["log"], "--reset", *flags)
    before = {name: each["before"] for name, each in by_name(tried.json(0, *asked)).items()}
    assert (before["bucket"], before["log"], before["sliding"]) == (0, 0, 3)


def test_without_redis_all_are_new(tried: Tried, bundle: str) -> None:  # noqa: F811
    out = tried(1, "try", bundle, "--descriptor", VISIT, "--hits", "6")
    assert "bucket: 1/day (token-bucket, burst 5), shop.yaml:10" in out
    assert "over: 0 before, 6 do not fit" in out
    assert "within: 0 before, not counted" in out
    assert "all: 70/day, shop.yaml:11\n      within: 0 before, 6 after" in out

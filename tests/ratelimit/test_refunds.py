"""Hits that are given back (`is_negative_hits`), through the whole service."""

from collections.abc import Mapping
from typing import Any

import pytest
from envoy.service.ratelimit.v3 import rls_pb2

from callout.testing.requests import rate_limit_request
from ratelimit.er.stats import ErStats
from ratelimit.local.denied import TRUST, Denied
from ratelimit.local.refused import Refused
from ratelimit.stores.memory import MemoryStore
from ratelimit.stores.memory_states import MemoryStates
from tests.ratelimit.world import World, code, policy

FILES = {
    "ratelimit/shop.yaml": """
domain: shop
descriptors:
  - key: user
    rate_limit: {unit: hour, requests_per_unit: 10}
  - key: vip
    rate_limit: {unlimited: true}
""",
    "policies.yaml": policy("p", "limits: [{name: each, rate: 10/h, by: [address]}]"),
}


def request(
    entries: Mapping[str, str], hits: int, *more: Mapping[str, str], domain: str = "shop"
) -> "rls_pb2.RateLimitRequest":
    """The first descriptor's `hits`, given back if they are below 0; the others count one."""
    made = rate_limit_request(domain, entries, *more)
    made.descriptors[0].hits_addend.value = abs(hits)
    if hits < 0:
        made.descriptors[0].MergeFromString(b"\x20\x01")
    return made


def refund_of_nothing(
    entries: Mapping[str, str], domain: str = "shop"
) -> "rls_pb2.RateLimitRequest":
    made = request(entries, 0, domain=domain)
    made.descriptors[0].MergeFromString(b"\x20\x01")
    return made


@pytest.fixture
def world() -> World:
    return World(FILES)


async def told(world: World, hits: int, user: str = "ann") -> tuple[str, int]:
    answer: Any = await world.asked(request({"user": user}, hits))
    return code(answer), answer.statuses[0].limit_remaining


async def test_what_is_given_back_can_be_used_again_and_no_more(world: World) -> None:
    assert await told(world, 8) == ("OK", 2)
    assert await told(world, -3) == ("OK", 5)
    assert await told(world, -(2**64 - 1)) == ("OK", 10)
    assert await told(world, -1, "nobody") == ("OK", 10)
    assert await told(world, 10) == ("OK", 0)
    assert await told(world, 1) == ("OVER_LIMIT", 0)


async def test_who_gives_back_is_told_ok_though_the_limit_stays_passed(world: World) -> None:
    assert await told(world, 50) == ("OVER_LIMIT", 0)
    assert await told(world, -20) == ("OK", 0)
    assert world.seen.last.verdict == "allow"
    assert code(await world.asked(refund_of_nothing({"user": "ann"}))) == "OK"
    assert await told(world, 0) == ("OVER_LIMIT", 0)
    assert await told(world, -20) == ("OK", 0)
    assert await told(world, 0) == ("OK", 0)


async def test_another_descriptor_of_the_same_request_may_refuse(world: World) -> None:
    await told(world, 5, "ann")
    await told(world, 99, "bob")
    answer: Any = await world.asked(request({"user": "ann"}, -5, {"user": "bob"}))
    assert code(answer) == "OVER_LIMIT"
    codes = [rls_pb2.RateLimitResponse.Code.Name(each.code) for each in answer.statuses]
    assert codes == ["OK", "OVER_LIMIT"]
    assert await told(world, 0) == ("OK", 10)


async def test_an_unlimited_rule_has_nothing_to_give_back(world: World) -> None:
    answer: Any = await world.asked(request({"vip": "v"}, -5))
    assert (code(answer), answer.statuses[0].limit_remaining) == ("OK", 2**32 - 1)


async def test_limits_of_policies_take_hits_back(world: World) -> None:
    who = {"host": "a", "path": "/", "method": "GET", "remote_address": "10.0.0.1"}

    async def visit(hits: int) -> str:
        return code(await world.asked(request(who, hits, domain="gatewright")))

    assert [await visit(each) for each in (10, 1, -2, 1, 0, 1)] == [
        "OK", "OVER_LIMIT", "OK", "OK", "OK", "OVER_LIMIT",
    ]  # fmt: skip


async def test_who_gives_nothing_back_is_not_taken_for_one_who_asks() -> None:
    world = World({"p.yaml": policy("p", "limits: [{name: n, rate: 10/h, strict: true}]")})
    who = {"host": "a", "path": "/", "method": "GET"}
    assert code(await world.asked(request(who, 10, domain="gatewright"))) == "OK"
    assert code(await world.asked(request(who, 0, domain="gatewright"))) == "OVER_LIMIT"

    assert code(await world.asked(refund_of_nothing(who, "gatewright"))) == "OK"
    assert (world.seen.last.verdict, world.seen.last.policy) == ("allow", "p")


KINDS = ["sliding-window", "sub-buckets", "sliding-log", "token-bucket"]
"""What counts no hit that it refuses."""


@pytest.mark.parametrize("kind", KINDS)
async def test_every_algorithm_takes_hits_back_and_no_more_than_it_counted(kind: str) -> None:
    limit = f"limits: [{{name: each, rate: 10/h, by: [address], algorithm: {kind}}}]"
    memory = MemoryStore()
    states = MemoryStates(windows=memory)
    here, there = [
        World(
            {"policies.yaml": policy("p", limit)},
            memory,
            states=states,
            denied=Denied(),
            refused=Refused(),
        )
        for _ in range(2)
    ]
    who = {"host": "a", "path": "/", "method": "GET", "remote_address": "10.0.0.1"}

    async def visit(world: World, hits: int) -> str:
        return code(await world.asked(request(who, hits, domain="gatewright")))

    assert [await visit(here, each) for each in (4, 4, 2)] == ["OK"] * 3
    assert [await visit(each, 1) for each in (here, there)] == ["OVER_LIMIT"] * 2
    assert await visit(here, -3) == "OK"
    assert [await visit(here, 2)] == ["OK"]
    there.clock.move(TRUST)
    assert [await visit(there, each) for each in (1, 1)] == ["OK", "OVER_LIMIT"]
    assert await visit(here, -(2**32)) == "OK"
    here.clock.move(TRUST)
    assert [await visit(here, each) for each in (10, 1)] == ["OK", "OVER_LIMIT"]


async def test_refunds_are_counted_apart_from_hits() -> None:
    stats = ErStats()
    world = World(FILES, stats=stats)
    await told(world, 4)
    await told(world, -3)
    await told(world, -3)
    assert {each.name: each.value for each in stats.statistics()} == {
        "total_hits": 4,
        "within_limit": 4,
        "total_negative_hits": 6,
    }


async def test_a_refund_is_seen_by_its_worker_at_once_and_by_all_within_a_tenth_of_a_second() -> (
    None
):
    store = MemoryStore()
    here = World(FILES, store, denied=Denied())
    there = World(FILES, store, denied=Denied())
    for each in (here, there):
        assert await told(each, 11) == ("OVER_LIMIT", 0)
    assert await told(there, 0) == ("OVER_LIMIT", 0)  # it is known to be over
    assert await told(here, -20) == ("OK", 8)
    assert await told(here, 1) == ("OK", 7)
    assert await told(there, 1) == ("OVER_LIMIT", 0)
    there.clock.move(TRUST)
    assert await told(there, 1) == ("OK", 6)

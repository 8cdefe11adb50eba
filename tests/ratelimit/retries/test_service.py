"""A request that comes again, from its message to its answer."""

import pytest

from ratelimit.er.stats import ErStats, Statistic
from ratelimit.retries.contract import Retries
from ratelimit.retries.memory import OnceInMemory
from ratelimit.stores.memory import MemoryStore
from ratelimit.stores.memory_states import MemoryStates
from tests.ratelimit.world import World, code, policy

BUNDLE = {
    "one.yaml": policy("one", "limits: [{name: a, by: [address], rate: 2/h}]", "{host: one}"),
    "two.yaml": policy(
        "two", "limits: [{name: a, rate: 2/h}, {name: b, rate: 5/h}]", "{host: two}"
    ),
    "ratelimit/edge.yaml": """
domain: edge
descriptors:
  - {key: user, rate_limit: {unit: hour, requests_per_unit: 2}}
""",
}


def world(*, knows: bool = True, stats: ErStats | None = None) -> World:
    store = MemoryStore()
    states = MemoryStates(windows=store)
    once = OnceInMemory(store, states, 10)
    retries = Retries("request_id", once) if knows else None
    return World(BUNDLE, store, states=states, retries=retries, stats=stats)


@pytest.mark.parametrize("host", ["one", "two"])
async def test_a_request_that_comes_again_is_counted_once_and_told_the_same(host: str) -> None:
    shop = world()
    first = await shop.visit(host=host, request_id="r1")
    await shop.visit(host=host, request_id="r2")
    assert code(await shop.visit(host=host, request_id="r3")) == "OVER_LIMIT"
    assert await shop.visit(host=host, request_id="r1") == first
    assert code(await shop.visit(host=host, request_id="r3")) == "OVER_LIMIT"
    assert code(await shop.visit(host=host, request_id="r4")) == "OVER_LIMIT"


async def test_without_the_setting_each_is_counted() -> None:
    shop = world(knows=False)
    codes = [code(await shop.visit(host="one", request_id="r1")) for _ in range(3)]
    assert codes == ["OK", "OK", "OVER_LIMIT"]


@pytest.mark.parametrize("more", [{}, {"request_id": ""}])
async def test_a_request_without_an_id_is_counted_each_time(more: dict[str, str]) -> None:
    shop = world()
    codes = [code(await shop.visit(host="one", **more)) for _ in range(3)]
    assert codes == ["OK", "OK", "OVER_LIMIT"]


async def test_the_id_is_no_part_of_an_operators_descriptor() -> None:
    shop = world()
    told = [
        (await shop.ask("edge", {"user": "ann", "request_id": f"r{n}"})).statuses[0].limit_remaining
        for n in (1, 2, 1, 2)
    ]
    assert told == [1, 0, 1, 0]
    assert code(await shop.ask("edge", {"user": "ann"})) == "OVER_LIMIT"


async def test_a_charge_after_the_response_is_no_retry_of_the_question_before_it() -> None:
    shop = world()
    entries = {"user": "ann", "request_id": "r1"}
    assert code(await shop.ask("edge", entries)) == "OK"
    assert code(await shop.ask("edge", entries, hits=2)) == "OVER_LIMIT"


async def test_a_plan_is_not_remembered_for_a_message_that_never_comes_again() -> None:
    shop = world()
    for number in range(50):
        for _ in range(2):
            await shop.ask("edge", {"user": "ann", "request_id": f"r{number}"})
    assert len(shop.service._plans) == 0
    for _ in range(2):
        await shop.ask("edge", {"user": "ann"})
    assert len(shop.service._plans) == 1


async def test_a_reload_forgets_no_request() -> None:
    shop = world()
    first = await shop.visit(host="one", request_id="r1")
    shop.load(BUNDLE)
    assert await shop.visit(host="one", request_id="r1") == first


async def test_statistics_of_rules_count_a_request_that_comes_again_once() -> None:
    stats = ErStats()
    shop = world(stats=stats)
    for number in (1, 1, 2, 2, 3, 3, 3):
        await shop.ask("edge", {"user": "ann", "request_id": f"r{number}"})
    assert set(stats.statistics()) == {
        Statistic("edge.user", "total_hits", 3),
        Statistic("edge.user", "within_limit", 2),
        Statistic("edge.user", "near_limit", 1),
        Statistic("edge.user", "over_limit", 1),
    }

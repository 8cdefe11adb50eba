"""Requests that are refused are counted only by what refuses them."""

from callout.testing.requests import rate_limit_request
from ratelimit.keys import descriptor_key, window_key
from ratelimit.limits import window
from ratelimit.modes import AS_WRITTEN, Modes
from ratelimit.stop_when_over import StopWhenOver
from ratelimit.stores.memory import MemoryStore
from tests.ratelimit.world import World, code, policy

RULES = """
domain: d
descriptors:
  - {key: narrow, rate_limit: {unit: day, requests_per_unit: 2}}
  - {key: wide, rate_limit: {unit: day, requests_per_unit: 10}}
  - {key: tried, shadow_mode: true, rate_limit: {unit: day, requests_per_unit: 2}}
  - {key: own, quota_mode: true, rate_limit: {unit: day, requests_per_unit: 2}}
  - {key: common, quota_mode: true, rate_limit: {unit: day, requests_per_unit: 4}}
"""


def world(modes: Modes = AS_WRITTEN) -> tuple[World, MemoryStore]:
    store = MemoryStore()
    files = {"ratelimit/d.yaml": RULES}
    return World(files, store, modes=modes, stop=StopWhenOver(store, store)), store


def counted(made: World, store: MemoryStore, key: str) -> int:
    start, end = window(made.clock(), 86_400)
    name = window_key(descriptor_key("d", 86_400, [(key, "x")]), start)
    return store._windows.get(end, {}).get(name, 0)


async def asked(made: World, times: int, *keys: str) -> list[str]:
    return [code(await made.ask("d", *[{key: "x"} for key in keys])) for _ in range(times)]


async def test_a_refused_request_leaves_the_limits_that_have_room_as_they_were() -> None:
    made, store = world()

    assert await asked(made, 5, "narrow", "wide") == ["OK"] * 2 + ["OVER_LIMIT"] * 3
    assert (counted(made, store, "narrow"), counted(made, store, "wide")) == (5, 2)


async def test_a_limit_that_the_refused_request_would_have_filled_is_left_as_it_was() -> None:
    made, store = world()
    await asked(made, 2, "narrow")
    await asked(made, 9, "wide")

    assert await asked(made, 1, "narrow", "wide") == ["OVER_LIMIT"]
    assert (counted(made, store, "narrow"), counted(made, store, "wide")) == (3, 9)


async def test_a_limit_in_shadow_that_is_over_keeps_no_other_from_counting() -> None:
    made, store = world()

    assert await asked(made, 12, "tried", "wide") == ["OK"] * 10 + ["OVER_LIMIT"] * 2
    assert counted(made, store, "wide") == 12


async def test_while_all_limits_are_in_shadow_each_counts_for_itself() -> None:
    made, store = world(Modes(shadow=True))

    assert await asked(made, 12, "narrow", "wide") == ["OK"] * 12
    assert (counted(made, store, "narrow"), counted(made, store, "wide")) == (12, 12)


async def test_a_quota_that_is_over_keeps_the_other_from_counting_only_when_both_are() -> None:
    made, store = world()

    assert await asked(made, 6, "own", "common") == ["OK"] * 4 + ["OVER_LIMIT"] * 2
    assert counted(made, store, "common") == 6


async def test_what_is_given_back_is_given_back_with_a_refused_request_too() -> None:
    made, store = world()
    await asked(made, 3, "narrow")
    await asked(made, 4, "wide")
    request = rate_limit_request("d", {"narrow": "x"}, {"wide": "x"})
    request.descriptors[1].MergeFromString(b"\x20\x01")

    assert code(await made.asked(request)) == "OVER_LIMIT"
    assert (counted(made, store, "narrow"), counted(made, store, "wide")) == (4, 3)


async def test_a_limit_of_a_policy_that_counts_each_is_not_told_of_the_others() -> None:
    store = MemoryStore()
    limits = (
        "limits:\n"
        "  - {name: attempts, by: [address], rate: 10/d, counting: each}\n"
        "  - {name: pace, by: [address], rate: 2/d, counting: each}"
    )
    made = World({"p.yaml": policy("shop", limits)}, store, stop=StopWhenOver(store, store))

    assert [code(await made.visit()) for _ in range(5)] == ["OK"] * 2 + ["OVER_LIMIT"] * 3
    (counters,) = store._windows.values()
    assert sorted(counters.values()) == [5, 5]

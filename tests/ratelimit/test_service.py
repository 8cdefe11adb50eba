"""The operator's own domains, through the whole service with counters in memory."""

import pytest

from callout.grpc.call import Code, Status
from callout.testing.requests import rate_limit_request
from ratelimit.service import RateLimitService
from ratelimit.stores.memory import MemoryStore
from tests.ratelimit.world import Seen, World, code

RULES = {
    "ratelimit/shop.yaml": """
domain: shop
descriptors:
  - key: user
    rate_limit: {unit: minute, requests_per_unit: 2}
  - key: user
    value: tester
    shadow_mode: true
    rate_limit: {unit: minute, requests_per_unit: 1}
  - key: vip
    rate_limit: {unlimited: true}
  - key: plan
    descriptors:
      - key: path
        rate_limit: {unit: second, requests_per_unit: 3}
"""
}


@pytest.fixture
def world() -> World:
    return World(RULES)


async def test_the_third_request_of_two_is_over_and_the_next_minute_is_new(world: World) -> None:
    codes = [code(await world.ask("shop", {"user": "ann"})) for _ in range(3)]
    assert codes == ["OK", "OK", "OVER_LIMIT"]
    assert code(await world.ask("shop", {"user": "bob"})) == "OK"
    world.clock.move(59.9)
    assert code(await world.ask("shop", {"user": "ann"})) == "OVER_LIMIT"
    world.clock.move(0.1)
    assert code(await world.ask("shop", {"user": "ann"})) == "OK"


async def test_a_status_tells_the_limit_what_remains_and_when_it_resets(world: World) -> None:
    world.clock.move(12.3)
    (status,) = (await world.ask("shop", {"user": "ann"})).statuses
    assert (status.current_limit.requests_per_unit, status.current_limit.unit) == (2, 2)
    assert (status.limit_remaining, status.duration_until_reset.seconds) == (1, 48)


async def test_statuses_are_as_many_as_descriptors_in_their_order(world: World) -> None:
    response = await world.ask(
        "shop", {"none": "x"}, {"vip": "x"}, {"user": "ann"}, {"user": "ann"}
    )
    assert [status.code for status in response.statuses] == [1, 1, 1, 1]
    assert [status.limit_remaining for status in response.statuses] == [0, 2**32 - 1, 1, 0]
    assert [status.HasField("current_limit") for status in response.statuses] == [
        False,
        False,
        True,
        True,
    ]


async def test_looking_costs_nothing_and_is_ok_at_the_limit(world: World) -> None:
    look = rate_limit_request("shop", {"user": "ann"})
    look.descriptors[0].hits_addend.value = 0
    await world.ask("shop", {"user": "ann"}, hits=2)
    for _ in range(3):
        response = await world.asked(look)
        assert code(response) == "OK"
        assert response.statuses[0].limit_remaining == 0
    await world.ask("shop", {"user": "ann"})
    assert code(await world.asked(look)) == "OVER_LIMIT"


async def test_an_endless_addend_does_not_break_the_counter(world: World) -> None:
    request = rate_limit_request("shop", {"user": "ann"})
    request.descriptors[0].hits_addend.value = 2**64 - 1
    for _ in range(3):
        assert code(await world.asked(request)) == "OVER_LIMIT"
    assert code(await world.ask("shop", {"user": "ann"})) == "OVER_LIMIT"


async def test_shadow_counts_is_seen_and_never_refuses(world: World) -> None:
    for _ in range(3):
        response = await world.ask("shop", {"user": "tester"})
        assert code(response) == "OK"
    assert not response.statuses[0].HasField("current_limit")
    decision = world.seen.last
    assert (decision.verdict, decision.reason, decision.shadow) == ("deny", "over_limit", True)


async def test_a_limit_of_the_request_replaces_the_rule_and_its_shadow(world: World) -> None:
    request = rate_limit_request("shop", {"user": "tester"})
    request.descriptors[0].limit.requests_per_unit = 1
    request.descriptors[0].limit.unit = 3
    first, second = await world.asked(request), await world.asked(request)
    assert [code(first), code(second)] == ["OK", "OVER_LIMIT"]
    assert first.statuses[0].current_limit.unit == 3


async def test_an_unknown_domain_is_ok_and_counted_without_its_name(world: World) -> None:
    response = await world.ask("attacker-chosen", {"user": "ann"}, {"user": "bob"})
    assert code(response) == "OK"
    assert len(response.statuses) == 2
    assert (world.seen.last.policy, world.seen.last.reason) == ("", "unknown_domain")


async def test_each_answer_is_told_with_its_reason(world: World) -> None:
    await world.ask("shop", {"user": "ann"})
    await world.ask("shop", {"user": "ann"}, hits=5)
    await world.ask("shop", {"nothing": "x"})
    await world.asked(b"")
    told = [(each.face, each.verdict, each.policy, each.reason) for each in world.seen.decisions]
    assert told == [
        ("limit", "allow", "shop", "within_limit"),
        ("limit", "deny", "shop", "over_limit"),
        ("limit", "allow", "shop", "no_limit"),
        ("limit", "error", "", "bad_request"),
    ]
    over = world.seen.decisions[1]
    assert (over.what, over.detail) == ("shop: user", "2/minute")


async def test_texts_are_left_out_when_nobody_looks(world: World) -> None:
    world.seen.wants_text = False
    await world.ask("shop", {"user": "ann"}, hits=5)
    await world.asked(b"")
    for each in world.seen.decisions:
        assert (each.who, each.what, each.detail) == ("", "", "")


BAD = {
    "nothing": b"",
    "junk": b"\xff" * 50,
    "no domain": rate_limit_request("", {"k": "v"}).SerializeToString(),
    "no descriptors": rate_limit_request("shop").SerializeToString(),
    "ten thousand descriptors": rate_limit_request(
        "shop", *[{"user": "ann"}] * 10_000
    ).SerializeToString(),
    "no text": rate_limit_request("shop", {"user": "ann"})
    .SerializeToString()
    .replace(b"ann", b"\xc3\x28\xff"),
    "half a message": rate_limit_request("shop", {"user": "ann"}).SerializeToString()[:-2],
}


@pytest.mark.parametrize("name", BAD)
async def test_a_hostile_message_is_an_invalid_argument(world: World, name: str) -> None:
    assert code(await world.asked(BAD[name])) == "INVALID_ARGUMENT"
    assert world.seen.last.verdict == "error"


async def test_a_descriptor_of_a_megabyte_is_counted_like_any_other(world: World) -> None:
    codes = [code(await world.ask("shop", {"user": "x" * 1_000_000})) for _ in range(3)]
    assert codes == ["OK", "OK", "OVER_LIMIT"]


async def test_nothing_loaded_yet_is_unavailable_and_not_ok(world: World) -> None:
    world.snapshot = None
    assert code(await world.ask("shop", {"user": "ann"})) == "UNAVAILABLE"
    assert world.seen.last.reason == "not_ready"


async def test_a_new_snapshot_decides_the_same_message_anew_and_keeps_the_counter(
    world: World,
) -> None:
    assert (await world.ask("shop", {"user": "ann"})).statuses[0].limit_remaining == 1
    changed = RULES["ratelimit/shop.yaml"].replace("requests_per_unit: 2", "requests_per_unit: 9")
    world.load({"ratelimit/shop.yaml": changed})
    assert (await world.ask("shop", {"user": "ann"})).statuses[0].limit_remaining == 7
    world.load({"ratelimit/other.yaml": "domain: other"})
    assert (await world.ask("shop", {"user": "ann"})).statuses[0].limit_remaining == 0
    assert world.seen.last.reason == "unknown_domain"


async def test_a_failure_of_ours_is_internal_and_says_nothing_of_the_request(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def add(self, *_: object) -> None:
            raise RuntimeError("a bug")

    service = RateLimitService(
        lambda: world.snapshot,
        Broken(),  # type: ignore[arg-type]
        world.seen,
        world.clock,
    )
    world.service = service
    assert await world.ask("shop", {"user": "ann"}) == Status(Code.INTERNAL, "internal error")
    assert (world.seen.last.verdict, world.seen.last.reason) == ("error", "internal")
    assert "ann" not in caplog.text


async def test_remembered_plans_are_bounded() -> None:
    world = World(RULES)
    world.service = RateLimitService(
        lambda: world.snapshot, MemoryStore(), Seen(), world.clock, remembered=10
    )
    for n in range(400):  # each twice: the second time it is remembered
        await world.ask("shop", {"user": f"u{n // 2}"})
    for _ in range(2):
        await world.ask("shop", {"user": "x" * 5000})
    assert len(world.service._plans) == 10
    assert code(await world.ask("shop", {"user": "new"})) == "OK"
    assert code(await world.ask("shop", {"user": "u0"})) == "OVER_LIMIT"


def test_the_face_offers_the_method(world: World) -> None:
    face = world.service.face()
    assert face.name == "limit"
    (method,) = face.methods
    assert method.path == "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"

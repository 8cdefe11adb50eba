"""The sketch of the counters that are asked about most: what it finds, and how large it becomes."""

import asyncio
import itertools
import random
from collections import Counter

from ratelimit.hottest import EVERY, PERIOD, Found, Hottest
from ratelimit.limits import HOUR, Limit
from ratelimit.plan import Counted, Group, Plan
from ratelimit.shown import shown
from tests.ratelimit.world import World, code

LIMIT = Limit(10, HOUR)
NOW = 1_735_689_600.0


def plan(*names: bytes) -> Plan:
    return Plan((Group((Counted(LIMIT, 1),) * len(names)),), keys=names)


def looked(hottest: Hottest, names: list[bytes], now: float = NOW) -> Found:
    """Every one of these is looked at."""
    plans = {name: plan(name) for name in set(names)}
    for name in names:
        hottest.look(plans[name], plans[name].hits(now), now)
    return hottest.found(now, 100)


def names_of(found: Found) -> list[bytes]:
    return [each.key.partition(b"@")[0] for each in found.hottest]


def test_the_true_top_of_a_hundred_thousand_keys_is_found() -> None:
    chance = random.Random(7)
    weights = [1 / (rank + 1) for rank in range(100_000)]
    names = [b"rl:%d" % rank for rank in range(100_000)]
    stream = chance.choices(names, cum_weights=list(itertools.accumulate(weights)), k=200_000)
    hottest = Hottest()
    found = looked(hottest, [each + b"@" for each in stream])
    true = Counter(stream)
    assert names_of(found)[:10] == [name for name, _ in true.most_common(10)]
    # What is said is never more than it was, and of the top little less.
    for each, name in zip(found.hottest[:10], names_of(found), strict=False):
        assert 0.9 * true[name] <= each.requests / EVERY <= true[name]
    assert len(hottest) == 1024


def test_a_flood_of_keys_that_come_once_hides_no_hot_one() -> None:
    flood = [b"rl:once%d@" % number for number in range(60_000)]
    hot = [b"rl:hot@"] * 300  # 1 of 200: more than 1 of 1,024
    stream = flood + hot
    random.Random(8).shuffle(stream)
    found = looked(Hottest(), stream)
    first, second = found.hottest[:2]
    assert first.key.startswith(b"rl:hot@")
    assert 200 * EVERY <= first.requests <= 300 * EVERY
    assert second.requests <= 3 * EVERY, "what came once is not told as more"


def test_a_period_later_it_is_remembered_and_two_later_forgotten() -> None:
    hottest = Hottest()
    looked(hottest, [b"a@"] * 5)
    found = looked(hottest, [b"a@", b"b@"], NOW + PERIOD)
    assert [(each.key[:1], each.requests) for each in found.hottest] == [
        (b"a", 6 * EVERY),
        (b"b", EVERY),
    ]
    assert (found.seconds, found.requests) == (PERIOD, 7 * EVERY)
    found = looked(hottest, [b"c@"], NOW + 2 * PERIOD)
    assert {each.key[:1]: each.requests for each in found.hottest} == dict.fromkeys(
        (b"a", b"b", b"c"), EVERY
    )
    found = looked(hottest, [b"d@"], NOW + 5 * PERIOD)
    assert names_of(found) == [b"d"]


def test_what_was_hot_before_nobody_asked_any_more_is_not_told() -> None:
    hottest = Hottest()
    looked(hottest, [b"a@"])
    assert names_of(hottest.found(NOW + 2 * PERIOD - 1, 10)) == [b"a"]
    assert hottest.found(NOW + 2 * PERIOD, 10) == Found(0.0, 0, [])


def test_a_clock_that_steps_back_begins_anew() -> None:
    hottest = Hottest()
    looked(hottest, [b"a@"], NOW)
    found = looked(hottest, [b"b@"], NOW - 1000)
    assert b"b" in names_of(found)
    assert found.seconds == 0.0


def test_the_name_is_that_of_the_last_window() -> None:
    found = looked(Hottest(), [b"a@"])
    assert found.hottest[0].key == b"a@1735689600"


def test_of_sixteen_requests_one_is_looked_at_on_average() -> None:
    hottest = Hottest(bits=random.Random(9).getrandbits)
    one = plan(b"a@")
    gaps = [hottest.look(one, one.hits(NOW), NOW) for _ in range(20_000)]
    assert (min(gaps), max(gaps)) == (1, 31)
    assert abs(sum(gaps) / len(gaps) - EVERY) < 0.3


async def _served(world: World) -> None:
    for number in range(4_000):
        assert code(await world.ask("edge", {"client": "busy"})) == "OK"
        assert code(await world.ask("edge", {"client": f"other-{number}"})) == "OK"


def test_the_service_tells_it_what_it_counts() -> None:
    hottest = Hottest(bits=random.Random(10).getrandbits)
    edge = "domain: edge\ndescriptors:\n  - {key: client, rate_limit: {unit: year}}\n"
    edge = edge.replace("{unit: year}", "{unit: year, requests_per_unit: 1000000}")
    world = World({"ratelimit/edge.yaml": edge}, hottest=hottest)
    world.seen.wants_text = False
    asyncio.run(_served(world))
    found = hottest.found(world.clock(), 2)
    assert found.hottest[0].key.startswith(b"rl:d:4:edge31536000s:6:client4:busy@")
    # Of 8,000 requests about 500 are looked at, of which 250 are of this counter: five deviations.
    assert abs(found.requests - 8_000) < 5 * 300
    assert abs(found.hottest[0].requests - 4_000) < 5 * 300


def test_secrets_are_not_shown() -> None:
    edge = b"rl:d:4:edge60s:"
    assert shown(edge + b"3:key5:a@b_c@60") == "rl:d:4:edge60s:3:key5:a@b_c@60"
    assert shown(edge + b"7:api_key6:s3cret@60") == "rl:d:4:edge60s:7:api_key6:***@60"
    assert shown(edge + b"1:a1:b13:authorization3:xyz1:c1:d@60") == (
        "rl:d:4:edge60s:1:a1:b13:authorization3:***1:c1:d@60"
    )
    assert shown(edge + b"1:h12:Bearer abcde@60") == "rl:d:4:edge60s:1:h12:Bearer ***@60"
    policy = b"rl:p:4:shop3:per60s:12:identity.sub3:ann@60"
    assert shown(policy) == policy.decode()
    secret = shown(b"rl:p:4:shop3:per60s:14:identity.token3:ann@60")
    assert secret == "rl:p:4:shop3:per60s:14:identity.token3:***@60"
    assert shown(b"rl:h:00ff@60") == "rl:h:00ff@60"
    assert shown(b"rl:d:h:00ff@60") == "rl:d:h:00ff@60"
    assert shown(b"edge_client_ann_60") == "edge_client_ann_60"
    assert shown(b"edge_api_key_s3cret_60") == "***"


def test_a_name_that_is_not_one_is_not_shown() -> None:
    for spoiled in (b"", b"@", b"x", b"3:a", b"-9:ab", b"60s:", b"4:edge60s:3:key", b"9:9:s:@"):
        text = shown(b"rl:d:" + spoiled)
        assert text == "***", spoiled

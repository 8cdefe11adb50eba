"""Counters in a real Redis beside the model's: the same numbers, gone when theirs may go."""

import json
from random import Random

from envoy.service.ratelimit.v3 import rls_pb2

from callout.redis.client import Client, ClientOptions
from callout.testing.redis import RedisServer
from callout.testing.requests import rate_limit_request
from ratelimit.keys import descriptor_key, window_key
from ratelimit.stores.redis_store import RedisStore
from tests.ratelimit.er.model import Asked, Model
from tests.ratelimit.world import World

RULES = {
    "domain": "d",
    "descriptors": [
        {"key": "k", "rate_limit": {"unit": "hour", "requests_per_unit": 7}},
        {"key": "k", "value": "b", "rate_limit": {"unit": "week", "requests_per_unit": 3}},
        {
            "key": "k",
            "value": "a*",
            "share_threshold": True,
            "rate_limit": {"unit": "minute", "unit_multiplier": 5, "requests_per_unit": 9},
        },
        {"key": "l", "rate_limit": {"unlimited": True}},
    ],
}
VALUES = ("", "a", "ab", "abc", "b", "c")


async def test_keys_hold_what_the_model_counts_and_live_as_long_as_their_windows(
    redis_server: RedisServer,
) -> None:
    redis_server.flush()
    client = Client(redis_server.url, ClientOptions(timeout=5.0, longest=5.0))
    await client.start()
    random, model = Random(6), Model([RULES])
    names: dict[str, bytes] = {}
    written: dict[str, list[int]] = {}
    try:
        world = World({"ratelimit/x.yaml": json.dumps(RULES)}, RedisStore(client))
        for _ in range(1_000):
            world.clock.move(random.choice([0, 0, 0, 0, 1, 20, 100]))
            late = max(world.clock() % 300 - 150, 0)
            world.clock.move(150 - late if late else 0)  # no key ends before the test does
            now = int(world.clock())
            asked = [
                Asked(((random.choice("kkkl"), random.choice(VALUES)),), random.choice([0, 1, 2]))
                for _ in range(random.choice([1, 2, 3]))
            ]
            request = rate_limit_request("d", *[dict(one.entries) for one in asked])
            for descriptor, one in zip(request.descriptors, asked, strict=True):
                descriptor.hits_addend.value = one.hits
            expected = model.should_rate_limit("d", asked, now)
            answered = await world.asked(request)
            assert isinstance(answered, rls_pb2.RateLimitResponse)
            name = rls_pb2.RateLimitResponse.Code.Name
            assert name(answered.overall_code) == expected.code
            told = [(name(each.code), each.limit_remaining) for each in answered.statuses]
            assert told == [(each.code, each.remaining) for each in expected.statuses]
            for one, limit in zip(asked, model.limits("d", asked), strict=True):
                if limit is None or limit.unlimited:
                    continue
                theirs = model.cache_key("d", one.entries, limit, now)
                start = now // limit.divider * limit.divider
                ((key, value),) = one.entries
                counted = [(key, limit.share_patterns.get(0, value))]
                names[theirs] = window_key(descriptor_key("d", limit.divider, counted), start)
                if one.hits:
                    written.setdefault(theirs, []).append(now)
        with redis_server.client() as redis:
            # None has ended: the test's clock runs, that of Redis hardly does.
            assert len(redis.keys("rl:*")) == len(written)
            for theirs, times in written.items():
                ours = names[theirs]
                assert int(redis.get(ours)) == model.counters[theirs]
                sent = times[:2][-1]  # with the first two hits
                rest = model.ends[theirs] - sent
                # What is left of the window, and little more; all was written just now.
                assert rest - 120 <= redis.ttl(ours) <= rest + 4 + min(rest // 10, 60)
    finally:
        await client.close()
    assert len(written) > 50

"""`compat: er` beside the model of envoyproxy/ratelimit: answers, statistics, and in a real Redis
every key, its number and how long it is kept."""

import asyncio
import json
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import redis
from envoy.service.ratelimit.v3 import rls_pb2
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from callout.config.problems import Rejected
from callout.redis.client import Client, ClientOptions
from callout.testing.redis import RedisServer
from ratelimit.config import LimitsSection
from ratelimit.er.stats import ErStats
from ratelimit.keys import ErNames
from ratelimit.stop_when_over import StopWhenOver
from ratelimit.stores.er_redis_store import ErRedisStore
from ratelimit.stores.redis_store import RedisStore
from tests.ratelimit.er.asking import message_of, some_descriptors
from tests.ratelimit.er.model import Asked, ConfigError, Model, RateLimit, Response
from tests.ratelimit.er.test_against_model import (
    ASKED_VALUES,
    GLUED_ASKED,
    GLUED_KEYS,
    GLUED_VALUES,
    KEYS,
    VALUES,
    descriptors,
)
from tests.ratelimit.world import World, built

DOMAINS = ("d", "d_k")
"""Their counters can meet: `d` with the key `k`, and `d_k`."""
LEAST, MOST = 30, 300
"""Seconds of jitter: no counter may be gone before its conversation is over."""


class Fleet:
    """A Redis, and a client of ours in a loop of its own."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.runner = asyncio.Runner()
        self.client = self.runner.run(self._client())
        self.redis = server.client()

    async def _client(self) -> Client:
        client = Client(self.server.url, ClientOptions(timeout=20.0, longest=20.0))
        await client.start()
        return client

    def close(self) -> None:
        self.redis.close()
        self.runner.run(self.client.close())
        self.runner.close()


@pytest.fixture
def fleet(redis_server: RedisServer) -> Iterator[Fleet]:
    made = Fleet(redis_server)
    yield made
    made.close()


class OnRedis(Model):
    """The model with its counters in Redis, by the commands that envoyproxy/ratelimit sends."""

    def __init__(self, client: "redis.Redis", *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._redis = client

    def look(self, key: str) -> int:
        found: Any = self._redis.get(key)
        return int(found or 0)

    def count(self, key: str, hits: int, keep: int) -> int:
        counted: Any = self._redis.incrby(key, hits)
        self._redis.expire(key, keep)
        return int(counted)

    def give_back(self, key: str, hits: int, keep: int) -> int:
        found: Any = self._redis.get(key)
        if found is None:
            return 0
        left = max(int(found) - hits, 0)
        self._redis.set(key, left, ex=keep)
        return left


def documents(written: list[dict[str, Any]], random: Random) -> list[dict[str, Any]]:
    """The same descriptors in two domains, one of which is in two files."""
    cut = random.randrange(len(written) + 1)
    parts = (written[:cut], written[cut:], written)
    names = (DOMAINS[0], DOMAINS[0], DOMAINS[1])
    return [{"domain": name, "descriptors": part} for name, part in zip(names, parts, strict=True)]


class Conversation:
    """The same requests to whoever shares the counters, and to a model that is alone."""

    def __init__(
        self,
        fleet: Fleet,
        written: list[dict[str, Any]],
        random: Random,
        *,
        turns: bool,
        calendar: bool = False,
        stop: bool = False,
    ) -> None:
        fleet.redis.flushall()
        self.fleet, self.random = fleet, random
        read = documents(written, random)
        prefix = random.choice(["", "edge:"])
        seed = random.random()
        options: Any = {"merge": True, "prefix": prefix, "calendar": calendar, "stop": stop}
        self.model = Model(read, jitter=jitter(seed), **options)
        self.stats = ErStats()
        ours = jitter(seed)
        store = ErRedisStore(fleet.client, MOST, lambda _: ours(), calendar)
        self.world = World(
            {f"ratelimit/{n}.yaml": json.dumps(each) for n, each in enumerate(read)},
            store,
            section(prefix, calendar),
            stats=self.stats,
            stop=StopWhenOver(store, RedisStore(fleet.client)) if stop else None,
        )
        self.world.seen.wants_text = False
        self.other = OnRedis(fleet.redis, read, jitter=ours, **options) if turns else None
        self.hit_at: dict[str, float] = {}

    def step(self) -> None:
        self.world.clock.move(self.random.choice([0, 0, 0, 0.5, 1, 7, 61, 4000, 90_000]))
        now, domain = int(self.world.clock()), self.random.choice(DOMAINS)
        keys, values = self.random.choice([(KEYS, ASKED_VALUES), (("k", "k_a", "lx"), GLUED_ASKED)])
        asked = some_descriptors(self.random, keys, values)
        kept, began = dict(self.model.kept), time.monotonic()
        expected = self.model.should_rate_limit(domain, asked, now)
        if self.other is not None and self.random.random() < 0.5:
            assert self.other.should_rate_limit(domain, asked, now) == expected
        else:
            message = message_of(domain, asked)
            answered: Any = self.fleet.runner.run(self.world.asked(message))
            same(answered, expected, self.model.limits(domain, asked))
        self.hit_at |= {
            key: began for key, seconds in self.model.kept.items() if kept.get(key) != seconds
        }

    def same_keys(self) -> None:
        """What is in Redis is what the model has, and kept as long."""
        pipeline: Any = self.fleet.redis.pipeline(transaction=False)
        for key in self.model.counters:
            pipeline.get(key).ttl(key)
        found = pipeline.execute()
        numbers = {key: int(n) for key, n in zip(self.model.counters, found[::2], strict=True)}
        assert numbers == self.model.counters
        assert self.fleet.redis.dbsize() == len(self.model.counters)
        now = time.monotonic()
        for key, rest in zip(self.model.counters, found[1::2], strict=True):
            since = now - self.hit_at[key]
            assert self.model.kept[key] - since - 1 <= rest <= self.model.kept[key]

    def same_statistics(self) -> None:
        ours = {f"{each.rule}.{each.name}": each.value for each in self.stats.statistics()}
        assert ours == {name: n for name, n in self.model.stats.items() if n}


def jitter(seed: float) -> Any:
    random = Random(seed)
    return lambda: random.randrange(LEAST, MOST)


def section(prefix: str, calendar: bool = False) -> LimitsSection:
    return LimitsSection(merge_domains=True, er=ErNames(prefix.encode()), calendar=calendar)


def same(answered: Any, expected: Response, limits: list[RateLimit | None]) -> None:
    code = rls_pb2.RateLimitResponse.Code.Name
    assert code(answered.overall_code) == expected.code
    for ours, theirs, limit in zip(answered.statuses, expected.statuses, limits, strict=True):
        assert (code(ours.code), ours.limit_remaining) == (theirs.code, theirs.remaining)
        assert ours.HasField("current_limit") == (theirs.limit is not None)
        if theirs.limit is None or limit is None:
            continue
        assert ours.duration_until_reset.seconds == theirs.reset
        requests, unit, name = theirs.limit
        assert (ours.current_limit.requests_per_unit, ours.current_limit.name) == (requests, name)
        shown = rls_pb2.RateLimitResponse.RateLimit.Unit.Name(ours.current_limit.unit)
        assert shown == ("UNKNOWN" if limit.multiplier > 1 else unit)


RULES = st.one_of(descriptors(KEYS, VALUES), descriptors(GLUED_KEYS, GLUED_VALUES))
REQUESTS = 100


def begun(
    fleet: Fleet, written: list[dict[str, Any]], random: Random, **how: bool
) -> Conversation | None:
    """None: both refuse the rules, because glued keys and values are another rule's."""
    document = {"domain": "d", "descriptors": written}
    refused = built({"ratelimit/x.yaml": json.dumps(document)}, section(""))
    if not isinstance(refused, Rejected):
        return Conversation(fleet, written, random, turns=how.pop("turns"), **how)
    with pytest.raises(ConfigError) as error:
        Model([document])
    assert str(error.value) in [each.message for each in refused.problems]
    return None


def converse(
    fleet: Fleet, written: list[dict[str, Any]], seed: int, *, turns: bool, **how: bool
) -> int:
    conversation = begun(fleet, written, Random(seed), turns=turns, **how)
    if conversation is None:
        return 0
    for _ in range(REQUESTS):
        conversation.step()
    conversation.same_keys()
    if not turns:
        conversation.same_statistics()
    return REQUESTS


def test_twenty_thousand_requests_leave_in_redis_what_the_model_counts(fleet: Fleet) -> None:
    compared = 0

    @settings(
        max_examples=240,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],  # to shrink takes minutes
    )
    @given(RULES, st.integers(0, 2**32))
    def conversation(written: list[dict[str, Any]], seed: int) -> None:
        nonlocal compared
        compared += converse(fleet, written, seed, turns=False)

    conversation()
    assert compared >= 20_000


def test_who_takes_turns_with_the_model_counts_as_if_it_were_alone(fleet: Fleet) -> None:
    compared = 0

    @settings(
        max_examples=60, deadline=None, derandomize=True, database=None, phases=[Phase.generate]
    )
    @given(RULES, st.integers(0, 2**32))
    def conversation(written: list[dict[str, Any]], seed: int) -> None:
        nonlocal compared
        compared += converse(fleet, written, seed, turns=True)

    conversation()
    assert compared >= 4_000


def plain(written: list[dict[str, Any]], *keys: str) -> list[dict[str, Any]]:
    """The same rules without these keys."""
    made = []
    for each in written:
        one = {key: value for key, value in each.items() if key not in keys}
        if "rate_limit" in one:
            one["rate_limit"] = {k: v for k, v in one["rate_limit"].items() if k not in keys}
        made.append(one | {"descriptors": plain(each.get("descriptors", []), *keys)})
    return made


@pytest.mark.parametrize("turns", [False, True])
@pytest.mark.parametrize("calendar", [False, True])
def test_refused_requests_and_months_are_counted_as_the_model_counts_them(
    fleet: Fleet, turns: bool, calendar: bool
) -> None:
    """STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT, with USE_CALENDAR_MONTH_RATE_LIMIT and without.

    Without shadow and quota mode: there, what is over in these keeps others from being counted.
    """
    compared = 0

    @settings(
        max_examples=30, deadline=None, derandomize=True, database=None, phases=[Phase.generate]
    )
    @given(RULES, st.integers(0, 2**32))
    def conversation(written: list[dict[str, Any]], seed: int) -> None:
        nonlocal compared
        rules = plain(written, "shadow_mode", "quota_mode", "unit_multiplier")
        compared += converse(fleet, rules, seed, turns=turns, stop=True, calendar=calendar)

    conversation()
    assert compared >= 2_000


@pytest.mark.parametrize("jitter", [0, 1, 300])
def test_counters_are_kept_for_their_window_and_a_random_time_more(
    fleet: Fleet, jitter: int
) -> None:
    rules = {
        "domain": "d",
        "descriptors": [{"key": "k", "rate_limit": {"unit": "day", "requests_per_unit": 5}}],
    }
    fleet.redis.flushall()
    store = ErRedisStore(fleet.client, jitter)
    world = World({"ratelimit/x.yaml": json.dumps(rules)}, store, section(""))
    began = time.monotonic()
    for n in range(200):
        fleet.runner.run(world.asked(message_of("d", [Asked((("k", str(n)),), 1)])))
    kept: list[Any] = [fleet.redis.ttl(key) for key in fleet.redis.scan_iter()]
    passed = int(time.monotonic() - began) + 1
    assert len(kept) == 200
    assert min(kept) >= 86_400 - passed
    assert max(kept) <= 86_400 + max(jitter - 1, 0)
    if jitter == 300:
        assert max(kept) - min(kept) > 200

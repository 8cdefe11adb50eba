"""Distinct values of a client's choice without end: counters and metrics stay bounded."""

import asyncio
import itertools

from envoy.service.ratelimit.v3 import rls_pb2

from callout.observe.tallies import DecisionTally
from ratelimit.envoy import MOST_DESCRIPTORS
from ratelimit.stores.contract import Hit
from ratelimit.stores.memory import MemoryStore
from tests.ratelimit.world import World, code

MOST_KEYS = 1_000
EDGE = """domain: edge
descriptors:
  - {key: client, rate_limit: {unit: hour, requests_per_unit: 1}}
"""


def test_a_hundred_thousand_values_are_one_series_and_as_many_counters_as_fit() -> None:
    store = MemoryStore(MOST_KEYS)
    world = World({"ratelimit/edge.yaml": EDGE}, store)
    world.seen.wants_text = False
    tally = DecisionTally()
    names = map(str, itertools.count())
    for _ in range(100_000 // MOST_DESCRIPTORS):
        request = rls_pb2.RateLimitRequest(domain="edge")
        for name in itertools.islice(names, MOST_DESCRIPTORS):
            request.descriptors.add().entries.add(key="client", value=name)
        world.reply(request.SerializeToString())
        tally.add(world.seen.decisions.pop())
    assert next(names) == "100000"
    assert len(store) == MOST_KEYS
    (row,) = tally.take()
    assert (row.labels.policy, row.labels.reason) == ("edge", "within_limit")
    assert sum(row.buckets) == 100


def test_a_million_counters_are_as_many_as_fit_and_the_rest_is_gone() -> None:
    store = MemoryStore(MOST_KEYS)
    for number in range(1_000_000):
        assert store.add((Hit(b"%d" % number, 1, 3600),), 0.0, None, list) == [1]
    assert len(store) == MOST_KEYS
    assert store.add((Hit(b"999999", 0, 3600),), 0.0, None, list) == [1]
    assert store.add((Hit(b"0", 0, 3600),), 0.0, None, list) == [0]


def test_domains_that_nobody_wrote_are_one_series_and_no_counter() -> None:
    store = MemoryStore(MOST_KEYS)
    world = World({"ratelimit/edge.yaml": EDGE}, store)
    tally = DecisionTally()

    async def ask() -> None:
        for number in range(2_000):
            assert code(await world.ask(f"made-up-{number}", {"client": "x"})) == "OK"
            tally.add(world.seen.decisions.pop())

    asyncio.run(ask())
    (row,) = tally.take()
    assert (row.labels.policy, row.labels.reason) == ("", "unknown_domain")
    assert len(store) == 0

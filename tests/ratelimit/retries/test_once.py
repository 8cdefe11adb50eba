"""Counting once, in memory and in Redis, single and as a Cluster: one contract."""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from redis.crc import key_slot

from callout.redis.client import ClientOptions
from callout.redis.connection import connection
from callout.testing.redis import RedisServer
from callout.testing.redis_cluster import RedisCluster
from ratelimit.algorithms.contract import Algorithm, Verdict
from ratelimit.algorithms.decision import Use
from ratelimit.algorithms.exact_log import ExactLog
from ratelimit.algorithms.sliding_window import SlidingWindow
from ratelimit.algorithms.token_bucket import TokenBucket
from ratelimit.keys import descriptor_key, window_key
from ratelimit.retries.contract import Once, ToldAgain
from ratelimit.retries.memory import OnceInMemory
from ratelimit.retries.redis import OnceInRedis, TwoOnce, receipt_key
from ratelimit.retries.request_id import MOST
from ratelimit.retries.shared_memory import OnceInSharedMemory
from ratelimit.stores.contract import Hit, Store, StoreUnavailable
from ratelimit.stores.memory import MemoryStore
from ratelimit.stores.memory_states import MemoryStates
from ratelimit.stores.per_second import PerSecondStore
from ratelimit.stores.redis_scripts.across_slots import AcrossSlots
from ratelimit.stores.redis_store import RedisStore
from ratelimit.stores.shared_memory.counters import SharedCounters
from ratelimit.stores.shared_memory.memory import LEAST_BYTES, SharedMemory, create
from ratelimit.stores.shared_memory.states import SharedStates
from tests.ratelimit.stores import processes

WITHIN = 10


class Pair(NamedTuple):
    """What counts once, and what counts each time, in the same counters."""

    once: Once
    store: Store


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with tempfile.TemporaryDirectory() as folder, closing(RedisCluster(Path(folder))) as started:
        yield started


@asynccontextmanager
async def opened(kind: str, url: str) -> AsyncIterator[Pair]:
    if kind == "memory":
        store = MemoryStore()
        yield Pair(OnceInMemory(store, MemoryStates(), WITHIN), store)
        return
    if kind == "shared":
        memory = SharedMemory(create(LEAST_BYTES))
        counters, states = SharedCounters(memory), SharedStates(memory)
        yield Pair(OnceInSharedMemory(counters, states, WITHIN), counters)
        os.close(memory.descriptor)
        return
    client = connection(url, ClientOptions(timeout=5.0, longest=5.0))
    await client.start()
    try:
        yield Pair(OnceInRedis(client, WITHIN, AcrossSlots(client)), RedisStore(client))
    finally:
        await client.close()


@pytest.fixture(params=["memory", "shared", "redis", "cluster"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    url = ""
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        server.flush()
        url = server.url
    elif request.param == "cluster":
        url = request.getfixturevalue("cluster").url
    async with opened(request.param, url) as made:
        yield made


def hit(addend: int = 1, name: str = "", seconds: int = 3600) -> Hit:
    """Of a counter that no other test has."""
    key = f"rl:{name or time.monotonic_ns()}@0"
    return Hit(key.encode(), addend, int(time.time()) + seconds)


async def once(pair: Pair, receipt: bytes, *hits: Hit, now: float | None = None) -> Sequence[int]:
    now = time.time() if now is None else now
    found = pair.once.add(receipt, hits, now, None, lambda counts: counts)
    counts = await found if isinstance(found, asyncio.Future) else found
    assert not isinstance(counts, StoreUnavailable), counts
    return counts


async def each_time(pair: Pair, *hits: Hit) -> Sequence[int]:
    found = pair.store.add(hits, time.time(), None, lambda counts: counts)
    counts = await found if isinstance(found, asyncio.Future) else found
    assert not isinstance(counts, StoreUnavailable), counts
    return counts


async def test_the_same_request_is_counted_once_and_answered_as_it_was(pair: Pair) -> None:
    counted = hit(3)
    assert await once(pair, b"r1", counted) == [3]
    assert await each_time(pair, counted) == [6]
    assert await once(pair, b"r1", counted) == [3]
    assert await once(pair, b"r2", counted) == [9]
    assert await each_time(pair, counted._replace(addend=0)) == [9]


async def test_who_is_answered_again_can_be_told_from_who_is_counted(pair: Pair) -> None:
    counted, looks = hit(2), hit(0)
    told = [await once(pair, b"r1", counted, looks) for _ in range(MOST + 2)]
    assert [isinstance(each, ToldAgain) for each in told] == [False, *[True] * MOST, False]
    assert list(told[1]) == [2, 0]
    assert not isinstance(await once(pair, b"r2", looks), ToldAgain)
    assert not isinstance(await once(pair, b"r2", looks), ToldAgain)


async def test_one_counter_that_is_hit_twice_is_counted_twice_and_that_once(pair: Pair) -> None:
    counted, other = hit(), hit(2)
    for _ in range(2):
        assert await once(pair, b"r", counted, other, counted) == [1, 2, 2]
    assert await each_time(pair, counted._replace(addend=0)) == [2]


async def test_it_is_answered_again_three_times_and_then_counted(pair: Pair) -> None:
    counted = hit()
    answers = [(await once(pair, b"r", counted))[0] for _ in range(2 * MOST + 2)]
    assert answers == [1] * (MOST + 1) + [2] * (MOST + 1)


async def test_what_is_given_back_is_given_back_once(pair: Pair) -> None:
    counted = hit(5)
    back = counted._replace(addend=-2)
    assert await once(pair, b"r1", counted) == [5]
    assert await once(pair, b"r2", back) == [3]
    assert await once(pair, b"r2", back) == [3]
    assert await once(pair, b"r3", back._replace(addend=-9)) == [0]
    assert await each_time(pair, counted._replace(addend=0)) == [0]


async def test_what_was_never_counted_is_not_below_nothing(pair: Pair) -> None:
    counted = hit(-2)
    assert await once(pair, b"r1", counted) == [0]
    assert await each_time(pair, counted._replace(addend=0)) == [0]


async def test_who_only_looks_sees_what_is_there_each_time(pair: Pair) -> None:
    look = hit(0)
    assert await once(pair, b"r", look) == [0]
    assert await each_time(pair, look._replace(addend=4)) == [4]
    assert await once(pair, b"r", look) == [4]


@pytest.mark.parametrize("name", ["a{b}c", "{b{c}", "a}b", "{}a", "a{b", "}{", "é"])
async def test_names_with_braces_are_counted_everywhere(pair: Pair, name: str) -> None:
    counted = hit(name=f"{name}{time.monotonic_ns()}")
    assert await once(pair, b"r1", counted) == [1]
    assert await once(pair, b"r2", counted) == [2]


@pytest.mark.parametrize("name", [b"ab", b"a{b}c", b"{b{c}", b"a{b", b"{{a}}", b"a}b", b"{}a"])
def test_a_receipt_is_in_the_slot_of_its_counter_if_it_has_a_name(name: bytes) -> None:
    receipt = receipt_key(name, b"r", 0)
    assert (receipt is None) == (name in (b"a}b", b"{}a"))
    assert receipt is None or key_slot(receipt) == key_slot(name)


async def used(pair: Pair, receipt: bytes, *uses: Use) -> Sequence[Verdict]:
    found = pair.once.use(receipt, uses, True, time.time(), None, lambda said: said)
    said = await found if isinstance(found, asyncio.Future) else found
    assert not isinstance(said, StoreUnavailable), said
    return said


@pytest.mark.parametrize(
    "limit", [SlidingWindow(5, 3_600_000), ExactLog(5, 3_600_000), TokenBucket(5, 3_600_000, 5)]
)
async def test_any_algorithm_says_again_what_it_said(pair: Pair, limit: Algorithm) -> None:
    use = Use(hit().key, limit, 2)
    (first,) = await used(pair, b"r1", use)
    assert (first.allowed, first.remaining) == (True, 3)
    assert await used(pair, b"r1", use) == [first]
    (second,) = await used(pair, b"r2", use)
    assert (second.allowed, second.remaining) == (True, 1)
    (refused,) = await used(pair, b"r3", use)
    assert (refused.allowed, refused.remaining) == (False, 1)
    assert refused.retry_after
    for _ in range(MOST):
        assert await used(pair, b"r3", use) == [refused]
    assert (await used(pair, b"r1", use))[0] == first


async def test_what_can_never_fit_is_said_again(pair: Pair) -> None:
    use = Use(hit().key, SlidingWindow(5, 3_600_000), 9)
    (refused,) = await used(pair, b"r", use)
    assert refused.retry_after is None
    assert await used(pair, b"r", use) == [refused]


async def test_several_limits_of_a_request_are_one_step_where_they_are_in_one_slot(
    pair: Pair,
) -> None:
    tag = time.monotonic_ns()
    uses = [Use(b"rl:{%d}%d" % (tag, n), SlidingWindow(3, 3_600_000), 1) for n in range(2)]
    first = await used(pair, b"r1", *uses)
    assert await used(pair, b"r1", *uses) == first
    assert [each.remaining for each in await used(pair, b"r2", *uses)] == [1, 1]


async def test_in_several_slots_of_a_cluster_they_are_counted_again(cluster: RedisCluster) -> None:
    tag = time.monotonic_ns()
    uses = [Use(b"rl:{%d}%d" % (tag + n, n), SlidingWindow(9, 3_600_000), 1) for n in range(4)]
    assert len({key_slot(use.key) for use in uses}) > 1
    async with opened("cluster", cluster.url) as made:
        for left in (8, 7):
            assert {each.remaining for each in await used(made, b"r1", *uses)} == {left}


async def test_shared_memory_forgets_after_its_time() -> None:
    async with opened("shared", "") as known:
        now = time.time()
        counted = hit()
        assert await once(known, b"r1", counted, now=now) == [1]
        for later in (0.1, WITHIN / 2, WITHIN - 0.1):
            assert await once(known, b"r1", counted, now=now + later) == [1]
        assert await once(known, b"r2", counted, now=now) == [2]
        assert await once(known, b"r2", counted, now=now + WITHIN) == [3]
        assert await once(known, b"r3", counted, now=now) == [4]
        assert await once(known, b"r3", counted, now=now - 1) == [5]  # the clock was set back


async def test_workers_know_each_others_requests() -> None:
    descriptor = create(LEAST_BYTES)
    counted, limit = hit(name="fleet"), SlidingWindow(5, 3_600_000)
    use = Use(b"rl:fleet", limit, 2)

    def ask() -> tuple[list[int], list[Verdict]]:
        memory = SharedMemory(descriptor)
        known = OnceInSharedMemory(SharedCounters(memory), SharedStates(memory), 300)
        now = time.time()
        counts: Any = known.add(b"r1", [counted], now, None, lambda said: said)
        verdicts: Any = known.use(b"r2", [use], True, now, None, lambda said: said)
        return list(counts), [each._replace(reset=0) for each in verdicts]

    answers = [processes.result(processes.fork(ask)) for _ in range(MOST + 1)]
    assert answers == [([1], [Verdict(True, 3, 0, 0)])] * (MOST + 1)
    assert processes.result(processes.fork(ask)) == ([2], [Verdict(True, 1, 0, 0)])
    os.close(descriptor)


async def test_memory_forgets_after_its_time_and_the_oldest_first() -> None:
    store = MemoryStore()
    known = Pair(OnceInMemory(store, None, WITHIN, most=2), store)
    now = time.time()
    counted = hit()
    assert await once(known, b"r1", counted, now=now) == [1]
    assert await once(known, b"r1", counted, now=now + WITHIN - 0.1) == [1]
    assert await once(known, b"r1", counted, now=now + WITHIN) == [2]
    assert await once(known, b"r1", counted, now=now - 1) == [3]  # the clock was set back
    await once(known, b"r2", counted, now=now)
    await once(known, b"r3", counted, now=now)
    assert await once(known, b"r1", counted, now=now) == [6]


async def test_nothing_in_redis_is_without_an_end(redis_server: RedisServer) -> None:
    redis_server.flush()
    async with opened("redis", redis_server.url) as made:
        for number in range(3):
            await once(made, b"r%d" % (number % 2), hit(seconds=50, name="one"))
    with redis_server.client() as admin:
        times = {key: admin.ttl(key) for key in admin.scan_iter()}
    assert len(times) == 3
    assert all(0 < seconds <= WITHIN for key, seconds in times.items() if b"rl:r:" in key)
    assert next(t for key, t in times.items() if b"rl:r:" not in key) in range(45, 53)


async def test_two_replicas_know_each_others_requests(redis_server: RedisServer) -> None:
    redis_server.flush()
    counted = hit(name="fleet")
    async with (
        opened("redis", redis_server.url) as one,
        opened("redis", redis_server.url) as other,
    ):
        answers = await asyncio.gather(
            *[once((one, other)[n % 2], b"r%d" % (n // 2), counted) for n in range(100)]
        )
    assert sorted(count for (count,) in answers) == [n // 2 + 1 for n in range(100)]


async def test_limits_per_second_are_counted_in_their_own_redis(
    redis_server: RedisServer, private_redis: RedisServer
) -> None:
    redis_server.flush()
    start = int(time.time()) + 100
    second, minute = (
        Hit(window_key(descriptor_key("edge", seconds, [("a", "b")]), start), 1, start + seconds)
        for seconds in (1, 60)
    )
    async with (
        opened("redis", redis_server.url) as one,
        opened("redis", private_redis.url) as other,
    ):
        assert isinstance(one.once, OnceInRedis)
        assert isinstance(other.once, OnceInRedis)
        both = Pair(TwoOnce(one.once, other.once), PerSecondStore(one.store, other.store))
        for again in (False, True):
            told = await once(both, b"r1", second, minute)
            assert told == [1, 1]
            assert isinstance(told, ToldAgain) is again
        assert await each_time(both, second, minute) == [2, 2]
        assert await each_time(one, second._replace(addend=0)) == [0]
        assert await once(both, b"r2", second) == [3]


async def test_an_answer_that_came_too_late_is_told_when_it_is_asked_for_again(
    private_redis: RedisServer,
) -> None:
    counted = hit(name="late")
    async with opened("redis", private_redis.url) as made:
        await once(made, b"r0", counted)  # Redis knows the script
        private_redis.stop()
        try:
            late = made.once.add(
                b"r1", [counted], time.time(), time.monotonic() + 0.05, lambda counts: counts
            )
            assert isinstance(late, asyncio.Future)
            assert isinstance(await late, StoreUnavailable)
        finally:
            private_redis.cont()
        assert await once(made, b"r1", counted) == [2]
        assert await each_time(made, counted._replace(addend=0)) == [2]


async def test_a_script_that_redis_forgot_is_sent_again_without_counting_twice(
    redis_server: RedisServer,
) -> None:
    async with opened("redis", redis_server.url) as made:
        first, second = hit(name="forgot1"), hit(name="forgot2")
        await once(made, b"r0", first)
        with redis_server.client() as admin:
            admin.flushall()
            admin.script_flush()
        assert await once(made, b"r1", first, second) == [1, 1]
        assert await once(made, b"r1", first, second) == [1, 1]

"""One suite over every store: what is counted, whoever counts it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callout.redis.client import Client, ClientOptions
from callout.testing.redis import RedisServer
from ratelimit.stores.contract import LARGEST_ADDEND, Hit, Store, StoreUnavailable
from ratelimit.stores.er_redis_store import ErRedisStore
from ratelimit.stores.memory import GRACE, MemoryStore
from ratelimit.stores.redis_store import RedisStore
from ratelimit.stores.shared_memory.counters import SharedCounters
from ratelimit.stores.shared_memory.memory import LEAST_BYTES, SharedMemory, create

NOW = 1_735_689_600.0
START, END = int(NOW), int(NOW) + 60


@pytest.fixture(params=["memory", "shared", "redis", "er", "valkey"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    if request.param == "shared":
        yield SharedCounters(SharedMemory(create(LEAST_BYTES)))
        return
    name = "valkey_server" if request.param == "valkey" else "redis_server"
    server: RedisServer = request.getfixturevalue(name)
    server.flush()
    client = Client(server.url, ClientOptions(timeout=5.0, longest=5.0))
    await client.start()
    yield Dated(client, 300) if request.param == "er" else RedisStore(client)
    await client.close()


class Dated(ErRedisStore):
    """Its names say when their window started, as those of the service do."""

    def add(self, hits: Sequence[Hit], *more: Any) -> Any:
        return super().add([one._replace(key=one.key + b"_%d" % START) for one in hits], *more)


async def add(store: Store, *hits: Hit, now: float = NOW) -> Any:
    counted: Any = store.add(hits, now, None, lambda outcome: outcome)
    return await counted if isinstance(counted, asyncio.Future) else counted


def hit(key: bytes = b"k", addend: int = 1, ends: int = END) -> Hit:
    return Hit(key, addend, ends)


async def test_each_hit_is_added_and_read_in_one_step(store: Store) -> None:
    assert [list(await add(store, hit())) for _ in range(3)] == [[1], [2], [3]]


async def test_counters_do_not_touch_each_other(store: Store) -> None:
    await add(store, hit(b"a"), hit(b"b", 5))
    assert list(await add(store, hit(b"b"), hit(b"a"))) == [6, 2]


async def test_a_key_that_occurs_twice_is_counted_twice_in_order(store: Store) -> None:
    assert list(await add(store, hit(), hit(b"other"), hit(addend=3))) == [1, 1, 4]
    assert list(await add(store, hit(), hit())) == [5, 6]


async def test_a_hit_of_nothing_only_looks(store: Store) -> None:
    assert list(await add(store, hit(addend=0))) == [0]
    await add(store, hit(addend=7))
    assert list(await add(store, hit(addend=0))) == [7]
    assert list(await add(store, hit(addend=0))) == [7]


async def test_what_is_given_back_is_never_more_than_was_taken(store: Store) -> None:
    await add(store, hit(addend=7))
    assert list(await add(store, hit(addend=-3))) == [4]
    assert list(await add(store, hit(addend=-LARGEST_ADDEND), hit(addend=0), hit())) == [0, 0, 1]
    assert list(await add(store, hit(addend=-1), hit(addend=-1), hit(addend=2))) == [0, 0, 2]


async def test_what_was_never_taken_is_not_given_back_and_makes_no_counter(store: Store) -> None:
    assert list(await add(store, hit(addend=-5), hit(addend=0), hit())) == [0, 0, 1]
    assert list(await add(store, hit(b"other", -5))) == [0]
    if isinstance(store, MemoryStore):
        assert len(store) == 1


async def test_hits_that_are_taken_and_given_back_at_once_add_up(store: Store) -> None:
    await add(store, hit(addend=1000))
    await asyncio.gather(*[add(store, hit(addend=each)) for each in [3, -2, -1] * 300])
    assert list(await add(store, hit(addend=0))) == [1000]


async def test_keys_are_bytes_of_any_kind(store: Store) -> None:
    keys = [b"", b"\r\n", b"a b", bytes(range(256)), "ключ".encode()]
    assert list(await add(store, *map(hit, keys))) == [1] * len(keys)


async def test_the_largest_addend_again_and_again_stays_above_any_limit(store: Store) -> None:
    for _ in range(5):
        (count,) = await add(store, hit(addend=LARGEST_ADDEND))
        assert count >= LARGEST_ADDEND


async def test_a_thousand_requests_at_once_count_exactly_a_thousand(store: Store) -> None:
    counts = await asyncio.gather(*[add(store, hit(), hit(b"pair", 2)) for _ in range(1000)])
    assert sorted(count for count, _ in counts) == list(range(1, 1001))
    assert sorted(count for _, count in counts) == list(range(2, 2001, 2))


async def test_what_then_makes_is_what_the_caller_gets(store: Store) -> None:
    made: Any = store.add([hit()], NOW, None, lambda counts: ("made", list(counts)))
    if isinstance(made, asyncio.Future):
        made = await made
    assert made == ("made", [1])


async def test_a_clock_that_steps_back_into_a_window_that_was_over_finds_its_counter(
    store: Store,
) -> None:
    await add(store, hit(addend=9), hit(b"other", ends=END + 60), now=END - 0.5)
    for second in range(GRACE + 1):
        await add(store, hit(b"%d" % second, ends=END + 60), now=END + second - 0.1)
    assert list(await add(store, hit(), now=END - 0.1)) == [10]


HITS = st.lists(
    st.builds(
        hit,
        st.sampled_from([b"a", b"b", b"c"]),
        st.integers(-3, 3) | st.sampled_from([LARGEST_ADDEND, -LARGEST_ADDEND]),
        st.sampled_from([END, END + 60]),
    ),
    min_size=1,
    max_size=5,
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(HITS, max_size=6))
async def test_the_counters_are_those_of_a_dictionary(
    store: Store, requests: Sequence[Sequence[Hit]]
) -> None:
    run = next(RUN)
    model: dict[tuple[bytes, int], int] = {}
    for hits in requests:
        expected = []
        for one in hits:
            key = (one.key, one.ends)
            model[key] = max(model.get(key, 0) + one.addend, 0)
            expected.append(model[key])
        # As the service does: the window is part of the name.
        named = [Hit(b"%d/%b@%d" % (run, h.key, h.ends), h.addend, h.ends) for h in hits]
        assert list(await add(store, *named)) == expected


RUN = iter(range(10**9))


# What only memory promises.


async def test_memory_forgets_windows_that_ended() -> None:
    store = MemoryStore()
    for second in range(500):
        at = int(NOW) + second
        await add(store, hit(b"%d" % at, ends=at + 1), hit(b"minute", ends=END + 600), now=at)
    assert len(store) <= 2 + GRACE


async def test_memory_keeps_a_counter_that_is_hit_while_longer_windows_are_flooded() -> None:
    store = MemoryStore(most_keys=100)
    for n in range(1000):
        counts = await add(store, hit(b"minute"), hit(b"hour%d" % n, ends=END + 3600))
        assert list(counts) == [n + 1, 1]
    assert len(store) == 100


async def test_memory_holds_no_more_keys_than_it_may() -> None:
    store = MemoryStore(most_keys=100)
    for n in range(10_000):
        await add(store, hit(b"%d" % n, ends=END + n % 3 * 60))
    assert len(store) == 100


async def test_a_flood_of_new_keys_does_not_wash_out_a_counter_in_use() -> None:
    store = MemoryStore(most_keys=50)
    await add(store, hit(b"hour", 9, ends=END + 3600))
    for n in range(1000):
        await add(store, hit(b"victim"), hit(b"flood%d" % n))
    assert list(await add(store, hit(b"victim", 0), hit(b"hour", 0, ends=END + 3600))) == [1000, 9]


async def test_who_only_looks_takes_no_place() -> None:
    store = MemoryStore(most_keys=50)
    await add(store, hit(b"a"))
    for n in range(1000):
        await add(store, hit(b"looked at %d" % n, 0))
    assert len(store) == 1


async def test_a_look_at_a_window_that_has_just_ended_is_in_nobodys_way() -> None:
    store = MemoryStore(most_keys=1)
    await add(store, hit(b"a", ends=END + 600), now=END - 1)
    assert list(await add(store, hit(b"b", 0), now=END - 1)) == [0]
    assert list(await add(store, hit(b"c", ends=END + 600), now=END + GRACE - 1)) == [1]
    assert len(store) == 1


async def test_of_many_keys_several_go_at_once_those_hit_least_recently_and_are_told() -> None:
    most = 3 * 4096
    store = MemoryStore(most_keys=most)
    for n in range(most):
        await add(store, hit(b"%d" % n))
    await add(store, hit(b"0"))
    assert store.forgotten.count == 0
    for n in range(7):
        await add(store, hit(b"new %d" % n))
        assert len(store) == most - 2 + n % 3
    assert store.forgotten.count == 9
    counts = await add(store, hit(b"0", 0), *[hit(b"%d" % n, 0) for n in range(1, 12)])
    assert list(counts) == [2, *[0] * 9, 1, 1]


async def test_one_key_is_enough_room() -> None:
    store = MemoryStore(most_keys=1)
    assert list(await add(store, hit(b"a"), hit(b"b"), hit(b"b"), hit(b"a"))) == [1, 1, 2, 1]


# What only Redis promises.


@pytest.fixture
async def counted(redis_server: RedisServer) -> AsyncIterator[RedisStore]:
    redis_server.flush()
    client = Client(redis_server.url, ClientOptions(timeout=5.0, longest=5.0))
    await client.start()
    yield RedisStore(client)
    await client.close()


def calls(server: RedisServer, command: str) -> int:
    with server.client() as client:
        stats: Any = client.info("commandstats")
    return int(stats.get(f"cmdstat_{command}", {}).get("calls", 0))


async def test_a_counter_outlives_its_window_by_seconds_only(
    counted: RedisStore, redis_server: RedisServer
) -> None:
    lengths = [1, 60, 3600, 86_400, 365 * 86_400]
    await add(counted, *[hit(b"%d" % n, ends=int(NOW) + n) for n in lengths], now=NOW + 0.5)
    with redis_server.client() as client:
        for length in lengths:
            assert length < client.ttl(str(length)) <= length + 64


async def test_its_expiry_is_sent_with_the_first_two_hits_of_each_process(
    counted: RedisStore, redis_server: RedisServer
) -> None:
    before = calls(redis_server, "expire")
    for _ in range(20):
        await add(counted, hit(b"a"), hit(b"b", 3), hit(b"c", 0))
    assert calls(redis_server, "expire") == before + 4
    with redis_server.client() as client:
        assert client.exists("c") == 0


async def test_giving_back_leaves_the_expiry_and_makes_no_key(
    counted: RedisStore, redis_server: RedisServer
) -> None:
    await add(counted, hit(b"a", 2**31, ends=int(NOW) + 3600))
    await add(counted, hit(b"a", -(2**30), ends=int(NOW) + 3600), hit(b"b", -1))
    with redis_server.client() as client:
        assert client.get("a") == b"%d" % 2**30
        assert client.ttl("a") > 3500
        assert client.exists("b") == 0


async def test_a_number_that_lua_cannot_hold_is_given_back_exactly(
    counted: RedisStore, redis_server: RedisServer
) -> None:
    with redis_server.client() as client:
        client.set("a", 2**63 - 1)
        await add(counted, hit(b"a", -3))
        assert client.get("a") == b"%d" % (2**63 - 4)


async def test_a_counter_that_was_flushed_away_expires_again(
    counted: RedisStore, redis_server: RedisServer
) -> None:
    await add(counted, hit(b"a"))
    redis_server.flush()
    assert list(await add(counted, hit(b"a"))) == [1]
    await add(counted, hit(b"later"))  # the EXPIRE was sent before this
    with redis_server.client() as client:
        assert client.ttl("a") > 0


async def test_a_counter_at_its_very_end_is_above_any_limit_and_not_an_error(
    counted: RedisStore, redis_server: RedisServer
) -> None:
    with redis_server.client() as client:
        client.set("a", 2**63 - 1)
    counts = await add(counted, hit(b"a"), hit(b"b", 5))
    assert list(counts) == [LARGEST_ADDEND, 5]


async def test_a_key_that_is_no_counter_makes_the_request_unavailable(
    counted: RedisStore, redis_server: RedisServer
) -> None:
    with redis_server.client() as client:
        client.set("a", "text")
    assert await add(counted, hit(b"a"), hit(b"b")) == StoreUnavailable("error")


async def test_a_redis_that_is_gone_is_a_value_at_once_and_its_expiries_are_sent_again(
    private_redis: RedisServer,
) -> None:
    client = Client(private_redis.url, ClientOptions(timeout=5.0, longest=5.0))
    await client.start()
    store = RedisStore(client)
    private_redis.stop()
    waiting = asyncio.ensure_future(add(store, hit(b"a")))
    await asyncio.sleep(0.01)
    private_redis.kill()
    assert await waiting == StoreUnavailable("disconnected")
    refused = store.add([hit(b"a")], NOW, None, lambda outcome: outcome)
    assert isinstance(refused, StoreUnavailable)
    private_redis.restart()
    async with asyncio.timeout(2):
        while isinstance(await add(store, hit(b"a")), StoreUnavailable):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    with private_redis.client() as other:
        assert other.ttl("a") > 0
    await client.close()

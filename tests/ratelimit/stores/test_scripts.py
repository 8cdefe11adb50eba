"""What only a real Redis can show of the scripts: its clock, its keys' ends, many clients."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from callout.redis.client import Client, ClientOptions
from callout.testing.redis import RedisServer
from ratelimit.algorithms.contract import LONGEST_WINDOW, Algorithm, Verdict
from ratelimit.algorithms.decision import Use
from ratelimit.algorithms.exact_log import ExactLog
from ratelimit.algorithms.named_window import NamedWindow
from ratelimit.algorithms.sliding_window import SlidingWindow
from ratelimit.algorithms.sub_buckets import SubBuckets
from ratelimit.algorithms.token_bucket import TokenBucket
from ratelimit.stores.contract import StoreUnavailable
from ratelimit.stores.redis_scripts.states import RedisStates
from ratelimit.stores.states import MOST_USES
from tests.ratelimit.stores.conftest import PATIENT


def five(capacity: int, window: int = LONGEST_WINDOW) -> list[Algorithm]:
    """One of each kind. In the longest window nothing comes back while a test runs."""
    return [
        NamedWindow(capacity, window),
        SlidingWindow(capacity, window),
        SubBuckets(capacity, window),
        ExactLog(capacity, window),
        TokenBucket(capacity, window, capacity),
    ]


def kind(algorithm: Algorithm) -> str:
    return algorithm.kind


async def use(store: RedisStates, *uses: Use, together: bool = True, now: float = 0.0) -> Any:
    used: Any = store.use(uses, together, now, None, lambda verdicts: verdicts)
    return await used if isinstance(used, asyncio.Future) else used


async def one(store: RedisStates, limit: Algorithm, hits: int = 1, key: bytes = b"k") -> Verdict:
    (verdict,) = await use(store, Use(key, limit, hits))
    assert isinstance(verdict, Verdict)
    return verdict


def calls(server: RedisServer, command: str) -> int:
    with server.client() as plain:
        stats: Any = plain.info("commandstats")
    return int(stats.get(f"cmdstat_{command}", {}).get("calls", 0))


@pytest.mark.parametrize("limit", five(3), ids=kind)
async def test_hits_are_admitted_up_to_the_limit_and_given_back_down_to_none(
    client: Client, limit: Algorithm
) -> None:
    store = RedisStates(client)
    assert [(await one(store, limit)).allowed for _ in range(5)] == [True] * 3 + [False] * 2
    assert (await one(store, limit, -2)).remaining == 2
    assert (await one(store, limit, -1000)).remaining == 3
    assert [(await one(store, limit)).allowed for _ in range(4)] == [True] * 3 + [False]


@pytest.mark.parametrize("limit", five(3)[1:], ids=kind)  # the first has its time in its name
async def test_time_is_the_servers_whatever_the_clock_of_a_replica_says(
    client: Client, redis_server: RedisServer, limit: Algorithm
) -> None:
    store = RedisStates(client)
    for now in (0.0, 2e9, 1.0, 4e9):
        await use(store, Use(b"k", limit, 1), now=now)
    assert not (await one(store, limit)).allowed
    with redis_server.client() as plain:
        seconds, micros = plain.time()
        (key,) = plain.keys("*")
        text = plain.lindex(key, 0) if limit.kind == "log" else plain.get(key)
    at = int(text.split()[0])
    assert seconds * 1000 + micros // 1000 - LONGEST_WINDOW <= at <= seconds * 1000 + 1000


@pytest.mark.parametrize("limit", five(9, 60_000), ids=kind)
async def test_a_key_ends_when_its_state_says_nothing_more_and_looking_makes_none(
    client: Client, redis_server: RedisServer, limit: Algorithm
) -> None:
    store = RedisStates(client)
    await one(store, limit, 0)
    await one(store, limit, -5)
    await one(store, limit, 10)
    with redis_server.client() as plain:
        assert plain.dbsize() == 0
        for hits in (1, 2, -1):
            await one(store, limit, hits)
            assert 0 < plain.pttl(b"k") <= limit.span


@pytest.mark.parametrize("limit", five(2, 50), ids=kind)
async def test_keys_of_a_flood_all_have_an_end_and_are_gone_after_it(
    client: Client, redis_server: RedisServer, limit: Algorithm
) -> None:
    store = RedisStates(client)
    long = five(2, 600_000)[[one.kind for one in five(2)].index(limit.kind)]
    for start in range(0, 4000, 1000):
        keys = range(start, start + 1000)
        for name, one_of in ((b"long%d", long), (b"short%d", limit)):
            uses = [use(store, Use(name % key, one_of, 1)) for key in keys]
            assert all(verdict.allowed for (verdict,) in await asyncio.gather(*uses))
    with redis_server.client() as plain:
        endless = plain.eval(
            "local n = 0 for _, key in ipairs(redis.call('KEYS', '*')) do"
            " if redis.call('PTTL', key) == -1 then n = n + 1 end end return n",
            0,
        )
        assert endless == 0
        until = time.monotonic() + 30
        while plain.dbsize() > 4000 and time.monotonic() < until:  # noqa: ASYNC110 (polled)
            await asyncio.sleep(0.05)
        assert plain.dbsize() == 4000


async def test_a_script_that_redis_has_forgotten_is_brought_again_and_counts_once(
    client: Client, redis_server: RedisServer
) -> None:
    store, limit = RedisStates(client), NamedWindow(100, LONGEST_WINDOW)
    before = calls(redis_server, "eval")
    assert (await one(store, limit)).remaining == 99
    assert (await one(store, limit)).remaining == 98
    assert calls(redis_server, "eval") == before + 1
    with redis_server.client() as plain:
        plain.script_flush()
        before = calls(redis_server, "eval")
        many = await asyncio.gather(*[one(store, limit) for _ in range(20)])
    assert sorted(verdict.remaining for verdict in many) == list(range(78, 98))
    # The source is long: one of them brings it, the others go behind it.
    assert calls(redis_server, "eval") == before + 1


@pytest.mark.parametrize("limit", five(3)[:3] + five(3)[4:], ids=kind)
async def test_a_value_that_is_no_state_counts_as_none(
    client: Client, redis_server: RedisServer, limit: Algorithm
) -> None:
    store = RedisStates(client)
    with redis_server.client() as plain:
        for text in ("", "abc", "1 2 3 4", "-1 -2 -3"):
            plain.set("k", text)
            assert (await one(store, limit)).remaining == 2


async def test_a_request_may_use_so_many_limits_and_no_more(
    client: Client, redis_server: RedisServer
) -> None:
    store, limit = RedisStates(client), NamedWindow(9, LONGEST_WINDOW)
    uses = [Use(b"%d" % n, limit, 1) for n in range(MOST_USES + 1)]
    assert await use(store, *uses) == StoreUnavailable("too_many")
    with redis_server.client() as plain:
        assert plain.dbsize() == 0
        assert len(await use(store, *uses[1:])) == MOST_USES
        assert plain.dbsize() == MOST_USES


async def test_another_error_is_no_answer_and_nothing_is_sent_again(
    client: Client, redis_server: RedisServer
) -> None:
    store, limit = RedisStates(client), NamedWindow(100, LONGEST_WINDOW)
    await one(store, limit, key=b"other")
    with redis_server.client() as plain:
        plain.rpush("k", "not a counter")
    before = calls(redis_server, "evalsha"), calls(redis_server, "eval")
    assert await use(store, Use(b"k", limit, 1)) == StoreUnavailable("error")
    assert (calls(redis_server, "evalsha"), calls(redis_server, "eval")) == (
        before[0] + 1,
        before[1],
    )


async def test_what_redis_was_too_late_for_is_not_sent_again(private_redis: RedisServer) -> None:
    client = Client(private_redis.url, ClientOptions(timeout=5.0, longest=5.0))
    await client.start()
    store, limit = RedisStates(client), NamedWindow(100, LONGEST_WINDOW)
    await one(store, limit)
    private_redis.stop()
    try:
        late: Any = store.use(
            [Use(b"k", limit, 1)], True, 0.0, time.monotonic() + 0.05, lambda outcome: outcome
        )
        assert await late == StoreUnavailable("timeout")
    finally:
        private_redis.cont()
    # Redis did execute it, once, before this look.
    assert (await one(store, limit, 0)).remaining == 98
    private_redis.kill()
    assert isinstance(await use(store, Use(b"k", limit, 1)), StoreUnavailable)
    await client.close()


@pytest.fixture
async def clients(client: Client, redis_server: RedisServer) -> AsyncIterator[list[Client]]:
    """Four connections to the same Redis, as replicas have them."""
    async with AsyncExitStack() as stack:
        started = []
        for _ in range(4):
            another = Client(redis_server.url, PATIENT)
            await another.start()
            stack.push_async_callback(another.close)
            started.append(another)
        yield started


@pytest.mark.parametrize("limit", five(150), ids=kind)
async def test_what_many_clients_see_is_one_counter_in_one_order(
    clients: list[Client], limit: Algorithm
) -> None:
    history: list[tuple[float, float, Verdict]] = []

    async def caller(store: RedisStates) -> None:
        for _ in range(12):
            began = time.monotonic()
            verdict = await one(store, limit)
            history.append((began, time.monotonic(), verdict))

    await asyncio.gather(*[caller(RedisStates(c)) for c in clients for _ in range(5)])
    admitted = [call for call in history if call[2].allowed]
    assert len(history) == 240
    # Exactly the limit, and each place in the order is somebody's.
    assert sorted(verdict.remaining for _, _, verdict in admitted) == list(range(150))
    # No call comes in the order before one that had ended when it began; refusals are last.
    admitted.sort(key=lambda call: -call[2].remaining)
    latest_beginning = 0.0
    for began, ended, _ in admitted:
        assert ended >= latest_beginning
        latest_beginning = max(latest_beginning, began)
    for _, ended, verdict in history:
        assert verdict.allowed or ended >= latest_beginning


@pytest.mark.parametrize("limits", list(zip(five(60), reversed(five(90)), strict=True)))
async def test_many_clients_count_all_or_nothing(
    clients: list[Client], limits: tuple[Algorithm, Algorithm]
) -> None:
    chance = random.Random("all or nothing")
    keys = dict(zip((b"a", b"b"), limits, strict=True))
    counted: Counter[bytes] = Counter()

    async def request(store: RedisStates, wanted: list[bytes]) -> None:
        verdicts = await use(store, *[Use(key, keys[key], 1) for key in wanted])
        if all(verdict.allowed for verdict in verdicts):
            counted.update(wanted)

    wishes = [chance.choice([[b"a"], [b"b"], [b"a", b"b"], [b"b", b"a"]]) for _ in range(300)]
    await asyncio.gather(
        *[request(RedisStates(clients[n % 4]), wanted) for n, wanted in enumerate(wishes)]
    )
    for key, limit in keys.items():
        left = (await one(RedisStates(clients[0]), limit, 0, key)).remaining
        assert left == limit.capacity - counted[key]
    assert counted[b"a"] == 60
    assert counted[b"b"] == 90

"""One suite over every store of states: what is decided, whoever holds the counters."""

import asyncio
import random
from typing import Any

import pytest

from callout.redis.client import Client
from ratelimit.algorithms.contract import Algorithm, State, Verdict
from ratelimit.algorithms.decision import Use, decide_each, decide_together
from ratelimit.algorithms.exact_log import ExactLog
from ratelimit.algorithms.named_window import NamedWindow
from ratelimit.algorithms.sliding_window import SlidingWindow
from ratelimit.algorithms.sub_buckets import SubBuckets
from ratelimit.algorithms.token_bucket import TokenBucket
from ratelimit.keys import window_key
from ratelimit.limits import window
from ratelimit.stores.memory_states import MemoryStates
from ratelimit.stores.redis_scripts.states import RedisStates
from ratelimit.stores.shared_memory.memory import LEAST_BYTES, SharedMemory, create
from ratelimit.stores.shared_memory.states import SharedStates
from ratelimit.stores.states import StateStore

NOW = 1_735_689_600.0
HOUR = 3_600_000


@pytest.fixture(params=["memory", "shared", "redis", "valkey"])
def store(request: pytest.FixtureRequest) -> StateStore:
    if request.param == "memory":
        return MemoryStates()
    if request.param == "shared":
        return SharedStates(SharedMemory(create(LEAST_BYTES)), clock=lambda now: now)
    name = "client" if request.param == "redis" else "valkey_client"
    client: Client = request.getfixturevalue(name)
    return RedisStates(client, clock=lambda now: int(now * 1000))


@pytest.fixture(params=["window", "sliding", "buckets", "log", "bucket"])
def limit(request: pytest.FixtureRequest) -> Algorithm:
    """Five an hour."""
    return made(request.param, 5)


def made(kind: str, capacity: int) -> Algorithm:
    match kind:
        case "window":
            return NamedWindow(capacity, HOUR)
        case "sliding":
            return SlidingWindow(capacity, HOUR)
        case "buckets":
            return SubBuckets(capacity, HOUR)
        case "log":
            return ExactLog(capacity, HOUR)
        case _:
            return TokenBucket(capacity, HOUR, capacity)


def named(uses: tuple[Use, ...], now: float) -> list[Use]:
    """With the window in the name, where the limit is of one."""
    return [
        use._replace(key=window_key(use.key, window(now, use.algorithm.window // 1000)[0]))
        if use.algorithm.kind == "window"
        else use
        for use in uses
    ]


async def use(store: StateStore, *uses: Use, together: bool = True, now: float = NOW) -> Any:
    used: Any = store.use(named(uses, now), together, now, None, lambda verdicts: verdicts)
    return await used if isinstance(used, asyncio.Future) else used


async def allowed(store: StateStore, *uses: Use, together: bool = True) -> list[bool]:
    return [verdict.allowed for verdict in await use(store, *uses, together=together)]


async def left(store: StateStore, limit: Algorithm, key: bytes = b"k") -> int:
    (verdict,) = await use(store, Use(key, limit, 0))
    remaining: int = verdict.remaining
    return remaining


async def test_as_many_as_the_limit_are_admitted(store: StateStore, limit: Algorithm) -> None:
    assert [(await allowed(store, Use(b"k", limit, 1)))[0] for _ in range(8)] == [True] * 5 + [
        False
    ] * 3


async def test_hits_that_do_not_fit_change_nothing(store: StateStore, limit: Algorithm) -> None:
    assert await allowed(store, Use(b"k", limit, 3)) == [True]
    assert await allowed(store, Use(b"k", limit, 3)) == [False]
    (never,) = await use(store, Use(b"k", limit, 2**64 - 1))
    assert (never.allowed, never.remaining, never.retry_after) == (False, 2, None)
    assert await allowed(store, Use(b"k", limit, 2)) == [True]


async def test_a_window_later_all_is_as_new(store: StateStore, limit: Algorithm) -> None:
    await use(store, Use(b"k", limit, 5))
    (verdict,) = await use(store, Use(b"k", limit, 5), now=NOW + 2 * HOUR / 1000)
    assert verdict.allowed


async def test_a_clock_that_steps_back_by_two_seconds_finds_what_was_over(
    store: StateStore, limit: Algorithm
) -> None:
    (state,) = decide_each([Use(b"k", limit, 5)], {}, int(NOW * 1000)).changed.values()
    await use(store, Use(b"k", limit, 5))
    over = NOW + limit.span / 1000
    for second in range(3):
        await use(store, Use(b"other%d" % second, limit, 1), now=over + second - 0.1)
    again = Use(b"k", limit, 5)
    expected = decide_each([again], {b"k": state}, int((over - 0.1) * 1000)).verdicts
    assert list(await use(store, again, now=over - 0.1)) == expected


async def test_who_comes_back_when_told_to_is_admitted(store: StateStore, limit: Algorithm) -> None:
    await use(store, Use(b"k", limit, 5), now=NOW + 1.5)
    (refused,) = await use(store, Use(b"k", limit, 2), now=NOW + 2.25)
    assert not refused.allowed
    early = NOW + 2.25 + (refused.retry_after - 1) / 1000
    assert not (await use(store, Use(b"k", limit, 2), now=early))[0].allowed
    assert (await use(store, Use(b"k", limit, 2), now=early + 0.0015))[0].allowed


async def test_no_hits_only_look(store: StateStore, limit: Algorithm) -> None:
    assert await left(store, limit) == 5
    await use(store, Use(b"k", limit, 5))
    assert await allowed(store, Use(b"k", limit, 0)) == [True]
    assert await allowed(store, Use(b"k", limit, 0, strict=True)) == [False]
    assert await left(store, limit) == 0


async def test_what_is_given_back_is_never_more_than_was_taken(
    store: StateStore, limit: Algorithm
) -> None:
    assert await allowed(store, Use(b"k", limit, -9)) == [True]
    await use(store, Use(b"k", limit, 5))
    await use(store, Use(b"k", limit, -2))
    assert await left(store, limit) == 2
    await use(store, Use(b"k", limit, -(2**64)))
    assert await left(store, limit) == 5


async def test_a_key_that_occurs_twice_sees_its_own_hits(
    store: StateStore, limit: Algorithm
) -> None:
    twice = Use(b"k", limit, 2)
    assert [verdict.remaining for verdict in await use(store, twice, twice)] == [3, 1]
    assert await allowed(store, twice, together=False) == [False]


async def test_together_a_refusal_leaves_the_others_as_they_were(
    store: StateStore, limit: Algorithm
) -> None:
    one, another = Use(b"a", limit, 1), Use(b"b", made("window", 1), 1)
    assert await allowed(store, one, another) == [True, True]
    for _ in range(9):
        assert await allowed(store, one, another) == [True, False]
    assert await left(store, limit, b"a") == 4


async def test_each_for_itself_counts_what_fits(store: StateStore, limit: Algorithm) -> None:
    one, another = Use(b"a", limit, 1), Use(b"b", made("window", 1), 1)
    for expected in ([True, True], [True, False], [True, False]):
        assert await allowed(store, one, another, together=False) == expected
    assert await left(store, limit, b"a") == 2


async def test_a_limit_in_shadow_refuses_nobody(store: StateStore, limit: Algorithm) -> None:
    shadow = Use(b"s", made("window", 1), 1, enforced=False)
    for expected in ([True, True], [True, False], [True, False]):
        assert await allowed(store, Use(b"k", limit, 1), shadow) == expected
    assert await left(store, limit) == 2


async def test_keys_are_bytes_of_any_kind(store: StateStore, limit: Algorithm) -> None:
    keys = [b"", b"\r\n", b"a b", bytes(range(256)), "ключ".encode()]
    for key in keys:
        await use(store, Use(key, limit, 1))
    assert [await left(store, limit, key) for key in keys] == [4] * len(keys)


async def test_a_raised_limit_frees_who_waits(store: StateStore, limit: Algorithm) -> None:
    await use(store, Use(b"k", limit, 5))
    if limit.kind != "bucket":  # there a larger burst has to come back first
        assert await left(store, made(limit.kind, 8)) == 3
    assert await left(store, made(limit.kind, 2)) == 0


async def test_hundreds_of_requests_at_once_are_admitted_exactly(
    store: StateStore, limit: Algorithm
) -> None:
    answers = await asyncio.gather(
        *[use(store, Use(b"%d" % (n % 3), limit, 1)) for n in range(300)]
    )
    for key in range(3):
        assert sum(verdict.allowed for (verdict,) in answers[key::3]) == 5


async def test_a_conversation_is_that_of_the_pure_functions(
    store: StateStore, limit: Algorithm
) -> None:
    chance, now = random.Random(limit.kind), NOW
    states: dict[bytes, State] = {}
    for _ in range(200):
        now += chance.choice([0.0, 0.5, 100.0, 900.0, 3600.0])
        uses = [
            Use(
                b"%d" % chance.randrange(2),
                limit,
                chance.choice([1, 1, 1, 2, 0, -1, 7]),
                chance.random() < 0.8,
                each=chance.random() < 0.2,
                settles=chance.random() < 0.1,
            )
            for _ in range(chance.randrange(1, 4))
        ]
        together = chance.random() < 0.5
        decide = decide_together if together else decide_each
        decided = decide(named(tuple(uses), now), states, int(now * 1000))
        states.update(decided.changed)
        verdicts: list[Verdict] = list(await use(store, *uses, together=together, now=now))
        assert verdicts == decided.verdicts

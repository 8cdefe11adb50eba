"""Algorithms and all-or-nothing as policies have them, through the service, over every store."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot

from callout.config.problems import Rejected
from callout.redis.client import Client
from callout.redis.connection import connection
from callout.redis.presence import Place
from callout.testing.redis import RedisServer
from callout.testing.redis_cluster import RedisCluster
from callout.testing.requests import rate_limit_request
from ratelimit.algorithms.contract import Verdict
from ratelimit.algorithms.decision import Use
from ratelimit.algorithms.exact_log import ExactLog
from ratelimit.local.denied import Denied
from ratelimit.local.refused import Refused
from ratelimit.local.share import LocalShare
from ratelimit.plan import Plan
from ratelimit.planner import Planner
from ratelimit.request import Descriptor, Request
from ratelimit.stores.contract import StoreUnavailable
from ratelimit.stores.memory import MemoryStore
from ratelimit.stores.memory_states import MemoryStates
from ratelimit.stores.redis_scripts.across_slots import AcrossSlots
from ratelimit.stores.redis_scripts.states import RedisStates
from ratelimit.stores.redis_store import RedisStore
from ratelimit.stores.shared_memory import memory
from ratelimit.stores.shared_memory.counters import SharedCounters
from ratelimit.stores.shared_memory.memory import SharedMemory
from ratelimit.stores.shared_memory.states import SharedStates
from tests.ratelimit.stores.conftest import PATIENT
from tests.ratelimit.world import World, built, code, policy

Make = Callable[..., World]
KINDS = ("fixed-window", "sliding-window", "sub-buckets", "sliding-log", "token-bucket")
WINDOW = 20
"""Seconds. A test's clock is not Redis's, whose keys end by its own: no test takes so long."""


def milliseconds(now: float) -> int:
    return int(now * 1000)


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[Client]:
    redis_server.flush()
    client = Client(redis_server.url, PATIENT)
    await client.start()
    yield client
    await client.close()


@pytest.fixture(params=["memory", "shared memory", "redis"])
def make(request: pytest.FixtureRequest, client: Client) -> Make:
    """Makes a world of these limits."""

    def made(*limits: str, **options: Any) -> World:
        store: Any
        states: Any
        if request.param == "redis":
            store, states = RedisStore(client), RedisStates(client, clock=milliseconds)
        elif request.param == "memory":
            store = MemoryStore()
            states = MemoryStates(windows=store)
        else:
            shared = SharedMemory(memory.create(16 << 20))
            store, states = SharedCounters(shared), SharedStates(shared, lambda now: now)
        world = World({"p.yaml": written(*limits)}, store, states=states, **options)
        # At the start of a window of any length here.
        world.clock.move(-(world.clock() % 3600))
        return world

    return made


def written(*limits: str) -> str:
    items = "".join(f"  - {{{limit}}}\n" for limit in limits)
    return policy("p", f"limits:\n{items}")


async def codes(world: World, count: int, hits: int = 0, **entries: str) -> list[str]:
    return [code(await ask(world, hits, **entries)) for _ in range(count)]


async def ask(world: World, hits: int = 0, **entries: str) -> Any:
    found = {"host": "a.example", "path": "/", "method": "GET", "remote_address": "10.0.0.1"}
    return await world.ask("gatewright", found | entries, hits=hits)


async def looked(world: World, **entries: str) -> Any:
    """Hits of 0 only look."""
    found = {"host": "a.example", "path": "/", "method": "GET", "remote_address": "10.0.0.1"}
    request = rate_limit_request("gatewright", found | entries)
    request.descriptors[0].hits_addend.value = 0
    return await world.asked(request)


def limit(kind: str, requests: int, more: str = "", window: int = WINDOW) -> str:
    return f"name: {kind}, by: [address], rate: {requests}/{window}s, algorithm: {kind}{more}"


BURST = 3


def bound(kind: str, requests: int, length: int) -> int:
    """The most that may pass in an interval of so many seconds."""
    windows = -(-length // WINDOW)
    match kind:
        case "fixed-window":
            return requests * (-(-(length - 1) // WINDOW) + 1)
        case "sliding-window":
            whole, rest = divmod(length - 1, WINDOW)
            return requests * (1 + whole) + requests * rest // WINDOW
        case "token-bucket":
            return BURST + requests * (length - 1) // WINDOW
    return requests * windows


@pytest.mark.parametrize("kind", KINDS)
async def test_no_interval_holds_more_than_the_bound_and_who_was_silent_gets_all(
    make: Make, kind: str
) -> None:
    requests = 6
    burst = f", burst: {BURST}" if kind == "token-bucket" else ""
    world = make(limit(kind, requests, burst))
    world.clock.move(13)
    counts: list[int] = []
    for second in range(3 * WINDOW):
        demand = 9 if second in (0, 6, 7, 26, 27) or second > 40 else 1 if second % 3 else 0
        counts.append((await codes(world, demand)).count("OK"))
        world.clock.move(1)
    assert counts[0] == (BURST if kind == "token-bucket" else requests)
    sums = [0, *accumulate(counts)]
    for length in range(1, 2 * WINDOW + 1):
        worst = max(sums[end] - sums[end - length] for end in range(length, len(sums)))
        assert worst <= bound(kind, requests, length), length
    # Not less than each allows, either: two whole windows of more demand than the limit.
    assert sum(counts) >= 2 * requests * 10 // 11


@pytest.mark.parametrize("kind", KINDS)
async def test_a_crowd_at_once_is_admitted_exactly(make: Make, kind: str) -> None:
    world = make(limit(kind, 7), limit("sub-buckets", 1000, "").replace("name: s", "name: wide-s"))
    answers = await asyncio.gather(*[ask(world) for _ in range(40)])
    assert sorted(map(code, answers)) == ["OK"] * 7 + ["OVER_LIMIT"] * 33
    assert (await looked(world)).statuses[0].limit_remaining == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_who_comes_back_when_told_to_passes(make: Make, kind: str) -> None:
    world = make(limit(kind, 3))
    world.clock.move(5)
    assert await codes(world, 3) == ["OK"] * 3
    (status,) = (await ask(world)).statuses
    seconds = status.duration_until_reset.seconds
    assert 1 <= seconds <= 2 * WINDOW
    world.clock.move(seconds)
    assert await codes(world, 1) == ["OK"]


@pytest.mark.parametrize("kind", KINDS)
async def test_more_hits_than_are_left_are_not_counted(make: Make, kind: str) -> None:
    world = make(limit(kind, 10))
    assert await codes(world, 1, hits=7) == ["OK"]
    assert await codes(world, 2, hits=4) == ["OVER_LIMIT"] * 2
    assert await codes(world, 1, hits=2**32 - 1) == ["OVER_LIMIT"]
    assert await codes(world, 2, hits=3) == ["OK", "OVER_LIMIT"]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_one_limit_refuses_no_other_counts(make: Make, kind: str) -> None:
    wide = f"name: wide, rate: 50/{WINDOW}s, algorithm: {kind}"
    world = make(f"name: narrow, by: [address], rate: 2/{WINDOW}s", wide)
    assert await codes(world, 30) == ["OK"] * 2 + ["OVER_LIMIT"] * 28
    assert world.seen.last.detail == f"narrow 2/{WINDOW} seconds"
    passed = 0
    for address in range(40):
        passed += (await codes(world, 3, remote_address=f"10.1.0.{address}")).count("OK")
    assert passed == 48


async def test_a_limit_that_counts_for_itself_counts_what_others_refuse(make: Make) -> None:
    world = make(
        f"name: attempts, by: [address], rate: 5/{WINDOW}s, counting: each",
        "name: pace, by: [address], rate: 1/s",
    )
    assert await codes(world, 4) == ["OK"] + ["OVER_LIMIT"] * 3
    world.clock.move(1)
    assert await codes(world, 1) == ["OK"]
    world.clock.move(1)
    assert await codes(world, 1) == ["OVER_LIMIT"]
    assert world.seen.last.detail == f"attempts 5/{WINDOW} seconds"


async def test_alone_and_beside_others_a_limit_has_one_counter(make: Make) -> None:
    """Alone it is counted by plain INCRBY, beside others by what decides all or nothing."""
    world = make(
        f"name: all, rate: 6/{WINDOW}s",
        f"name: some, rate: 3/{WINDOW}s, when: {{address: [10.9.0.0/16]}}",
    )
    assert await codes(world, 2) == ["OK"] * 2
    assert await codes(world, 2, remote_address="10.9.0.1") == ["OK"] * 2
    assert await codes(world, 1) == ["OK"]
    assert await codes(world, 2, remote_address="10.9.0.1") == ["OK", "OVER_LIMIT"]
    assert await codes(world, 1) == ["OVER_LIMIT"]


async def test_a_limit_in_shadow_counts_what_passes_and_refuses_nothing(make: Make) -> None:
    world = make(
        f"name: trial, rate: 2/{WINDOW}s, algorithm: sliding-log, mode: shadow",
        f"name: real, rate: 4/{WINDOW}s",
    )
    shadows = []
    for _ in range(4):
        assert await codes(world, 1) == ["OK"]
        shadows.append(world.seen.last.shadow)
    assert shadows == [False, False, True, True]
    assert await codes(world, 1) == ["OVER_LIMIT"]


async def test_windows_of_one_limit_are_all_or_nothing(make: Make) -> None:
    world = make("name: both, by: [address], rate: [3/s, 5/30s], algorithm: sliding-window")
    assert await codes(world, 9) == ["OK"] * 3 + ["OVER_LIMIT"] * 6
    world.clock.move(2)
    assert await codes(world, 3) == ["OK"] * 2 + ["OVER_LIMIT"]


async def test_a_bucket_gives_its_burst_and_then_its_rate(make: Make) -> None:
    world = make("name: b, by: [address], rate: 2/s, algorithm: token-bucket, burst: 20")
    assert (await codes(world, 30)).count("OK") == 20
    (status,) = (await ask(world)).statuses
    assert (status.current_limit.requests_per_unit, status.duration_until_reset.seconds) == (2, 1)
    for _ in range(3):
        world.clock.move(1)
        assert (await codes(world, 5)).count("OK") == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_settled_counts_although_it_does_not_fit(make: Make, kind: str) -> None:
    world = make(limit(kind, 10), f"name: wide, rate: 100/{WINDOW}s")
    assert await codes(world, 1, hits=8) == ["OK"]
    assert await codes(world, 1, hits=15, step="settle") == ["OK"]
    assert (await looked(world)).statuses[0].limit_remaining == 0
    assert await codes(world, 1) == ["OVER_LIMIT"]
    # All of them know: 77 are left of the other one.
    assert await codes(world, 1, hits=77, remote_address="10.0.0.2") == ["OVER_LIMIT"]
    passed = [code(await ask(world, remote_address=f"10.0.1.{n}")) for n in range(80)]
    assert passed.count("OK") == 77
    world.clock.move(2 * WINDOW)
    assert await codes(world, 1) == ["OK"]


async def test_what_is_settled_never_overflows(make: Make) -> None:
    world = make(*[limit(kind, 10) for kind in KINDS])
    for _ in range(40):
        assert await codes(world, 1, hits=2**32 - 1, step="settle") == ["OK"]
    assert await codes(world, 1) == ["OVER_LIMIT"]
    world.clock.move(3 * WINDOW)
    assert await codes(world, 1) == ["OK"]


async def test_a_step_that_nobody_knows_is_refused(make: Make) -> None:
    world = make("name: a, rate: 5/min")
    assert await codes(world, 2, step="check") == ["OK"] * 2
    assert await codes(world, 1, step="release") == ["INVALID_ARGUMENT"]
    ends = {"host": "a.example", "path": "/", "method": "GET"}
    mixed = await world.ask("gatewright", ends, ends | {"step": "settle"})
    assert code(mixed) == "INVALID_ARGUMENT"
    settled = ends | {"step": "settle"}
    assert code(await world.ask("gatewright", settled, settled, hits=4)) == "OK"
    assert await codes(world, 1) == ["OVER_LIMIT"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_raised_rate_goes_on_and_another_algorithm_begins_anew(
    make: Make, kind: str
) -> None:
    world = make(limit(kind, 3), limit("sub-buckets", 900).replace("name: s", "name: wide-s"))
    assert await codes(world, 4) == ["OK"] * 3 + ["OVER_LIMIT"]
    world.load({"p.yaml": written(limit(kind, 5))})
    # A larger burst has to come back first.
    passing = 0 if kind == "token-bucket" else 2
    assert (await codes(world, 4)).count("OK") == passing
    other = KINDS[KINDS.index(kind) - 1]
    world.load({"p.yaml": written(limit(other, 3).replace(f"name: {other}", f"name: {kind}"))})
    assert await codes(world, 4) == ["OK"] * 3 + ["OVER_LIMIT"]


PROBLEMS = {
    "burst: 5": "limits[0].burst: expected no `burst`, which only `algorithm: token-bucket` has",
    "algorithm: gcra": "limits[0].algorithm: expected",
    "algorithm: sliding-log, rate: 1001/min": "limits[0].algorithm: expected at most 1000 requests",
    "algorithm: token-bucket, rate: 1/day, burst: 367": "expected a `burst` that comes back within",
    "algorithm: token-bucket, rate: 0/s, burst: 1": "expected no `burst` with a rate of 0",
    "algorithm: token-bucket, rate: [1/s, 9/min], burst: 5": "limits[0].burst: expected one `rate`",
    "algorithm: token-bucket, burst: -1": "limits[0].burst: expected",
    "counting: all": "limits[0].counting: expected",
}


@pytest.mark.parametrize("more", PROBLEMS)
def test_what_does_not_go_together_is_a_problem_with_its_place(more: str) -> None:
    rate = "" if "rate" in more else "rate: 5/min, "
    rejected = built({"p.yaml": written(f"name: a, {rate}{more}")})
    assert isinstance(rejected, Rejected)
    (text,) = [str(problem) for problem in rejected.problems]
    assert text.startswith("p.yaml:6:"), text
    assert PROBLEMS[more] in text


async def test_a_limit_of_nothing_refuses_all_whatever_counts_it(make: Make) -> None:
    world = make(*[limit(kind, 0) for kind in KINDS])
    (status,) = (await ask(world)).statuses
    assert status.code == 2
    assert status.duration_until_reset.seconds >= 1


class Counting:
    """As the states it is before, and counts who asks; or it is away."""

    def __init__(self, states: Any) -> None:
        self.asked = 0
        self.away = False
        self._states = states

    def use(self, *arguments: Any) -> Any:
        self.asked += 1
        if self.away:
            return arguments[-1](StoreUnavailable("disconnected"))
        return self._states.use(*arguments)


async def test_who_was_refused_is_refused_again_without_the_store_but_not_for_long() -> None:
    states = Counting(MemoryStates())
    files = {"p.yaml": written(limit("sliding-log", 2), f"name: wide, rate: 9/{WINDOW}s")}
    world = World(files, states=states, refused=Refused())
    world.clock.move(-(world.clock() % 3600))
    assert await codes(world, 3, hits=1) == ["OK", "OK", "OVER_LIMIT"]
    assert states.asked == 3
    answers = [await ask(world) for _ in range(5)]
    assert states.asked == 3
    assert {(code(each), each.statuses[0].duration_until_reset.seconds) for each in answers} == {
        ("OVER_LIMIT", WINDOW)
    }
    assert world.seen.last.reason == "over_limit"
    # Somebody else is asked for, and so is who only looks, and what was used already.
    assert await codes(world, 1, remote_address="10.0.0.2") == ["OK"]
    await looked(world)
    await ask(world, 1, step="settle")
    assert states.asked == 6
    world.clock.move(0.11)
    await ask(world)
    assert states.asked == 7


@pytest.mark.parametrize("kind", KINDS)
async def test_without_the_store_a_worker_has_its_part_of_each_window(kind: str) -> None:
    more = ", burst: 8, onError: share" if kind == "token-bucket" else ", onError: share"
    states, denied = Counting(MemoryStates()), Denied()
    share = LocalShare(lambda: Place(0, 2), denied)
    wide = f"name: wide, rate: 900/{WINDOW}s, onError: allow"
    files = {"p.yaml": written(limit(kind, 10, more), wide)}
    world = World(files, states=states, refused=Refused(), denied=denied, share=share)
    world.clock.move(-(world.clock() % 3600))
    assert (await codes(world, 20)).count("OK") == (8 if kind == "token-bucket" else 10)
    states.away = True
    world.clock.move(1)
    # Who was over stays over until the window ends; somebody else has half of the limit.
    assert (await codes(world, 20)).count("OK") == 0
    assert (await codes(world, 20, remote_address="10.0.0.2")).count("OK") == 5
    assert world.seen.last.reason == "degraded"
    world.clock.move(WINDOW)
    assert (await codes(world, 20)).count("OK") == 5
    states.away = False
    world.clock.move(2 * WINDOW)
    assert (await codes(world, 20)).count("OK") == (8 if kind == "token-bucket" else 10)


@pytest.mark.parametrize(("on_error", "expected"), [("allow", "OK"), ("deny(503)", "UNAVAILABLE")])
async def test_without_the_store_what_is_written_becomes_of_it(
    on_error: str, expected: str
) -> None:
    states = Counting(MemoryStates())
    more = f", onError: {on_error}"
    world = World({"p.yaml": written(limit("sub-buckets", 5, more))}, states=states)
    states.away = True
    assert await codes(world, 9) == [expected] * 9


async def test_a_raised_limit_and_a_refund_are_not_held_up_by_what_was_refused() -> None:
    world = World({"p.yaml": written(limit("sliding-log", 2))}, refused=Refused())
    assert await codes(world, 3) == ["OK", "OK", "OVER_LIMIT"]
    world.load({"p.yaml": written(limit("sliding-log", 3))})
    assert await codes(world, 2) == ["OK", "OVER_LIMIT"]


async def test_a_refusal_is_believed_no_longer_than_it_lasts() -> None:
    fast = "name: b, rate: 100/s, algorithm: token-bucket, burst: 1"
    world = World({"p.yaml": written(fast)}, refused=Refused())
    assert await codes(world, 2) == ["OK", "OVER_LIMIT"]
    world.clock.move(0.0101)
    assert await codes(world, 1) == ["OK"]


def test_refusals_that_are_known_are_bounded() -> None:
    refused, log = Refused(most=10), ExactLog(1, 1000)
    for number in range(100):
        refused.note([Use(b"%d" % number, log, 1)], [Verdict(False, 0, 900, 900)], 5.0)
    assert len(refused) == 10
    assert refused.said([Use(b"99", log, 1)], 5.0) is not None
    assert refused.said([Use(b"0", log, 1)], 5.0) is None
    assert refused.said([Use(b"99", log, 1)], 4.9) is None
    refused.note([Use(b"99", log, -1)], [Verdict(True, 1, 0, 0)], 5.0)
    assert refused.said([Use(b"99", log, 1)], 5.0) is None


SOMEBODY = Descriptor(
    (("host", "a.example"), ("path", "/"), ("method", "GET"), ("remote_address", "10.0.0.1")),
    None,
    1,
)


async def test_in_a_cluster_counters_in_several_slots_are_all_or_nothing_too() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(RedisCluster(Path(folder))) as servers,
    ):
        redis = connection(servers.url, PATIENT)
        await redis.start()
        try:
            world = World(
                {
                    "p.yaml": written(
                        "name: narrow, by: [address], rate: 3/day, algorithm: sliding-log",
                        "name: wide, rate: 20/day",
                        "name: bucket, rate: 20/day, algorithm: token-bucket",
                    )
                },
                RedisStore(redis),
                states=AcrossSlots(redis, clock=milliseconds),
            )
            assert world.snapshot is not None
            plan = Planner(world.snapshot, 1).plan(Request("gatewright", (SOMEBODY,)))
            assert isinstance(plan, Plan)
            assert len({key_slot(use.key) for use in plan.uses(world.clock())}) == 3
            assert await codes(world, 10) == ["OK"] * 3 + ["OVER_LIMIT"] * 7
            passed = 0
            for address in range(10):
                passed += (await codes(world, 4, remote_address=f"10.1.0.{address}")).count("OK")
            # What the narrow one refused was given back: 17 were left, and 17 pass.
            assert passed == 17
            # A crowd: some may be refused by hits of those that do not pass, but never too few.
            world.load({"p.yaml": written("name: narrow, rate: 5/day", "name: w, rate: 50/day")})
            answers = await asyncio.gather(*[ask(world) for _ in range(60)])
            assert [code(each) for each in answers].count("OK") == 5
            for _ in range(100):
                left = await codes(world, 1, hits=45)
                assert left == ["OVER_LIMIT"]
        finally:
            await redis.close()


async def test_more_windows_than_one_step_may_have_are_refused() -> None:
    limits = ", ".join(
        f"{{name: l{n}, by: [host], rate: {n + 1}/hour, onError: allow}}" for n in range(65)
    )
    world = World({"a.yaml": policy("a", f"limits: [{limits}]")})
    entries = {"host": "shop.example", "path": "/", "method": "GET", "remote_address": "10.0.0.1"}
    assert code(await world.ask("gatewright", entries)) == "OK"
    assert code(await world.ask("gatewright", entries, entries)) == "INVALID_ARGUMENT"
    assert world.seen.last.reason == "bad_request"

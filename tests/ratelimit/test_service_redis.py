"""The service over a real Redis: shared counters, and what becomes of requests when it is gone."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from callout.redis.client import Client, ClientOptions
from callout.testing.redis import RedisServer
from callout.testing.requests import rate_limit_request
from ratelimit.stores.contract import StoreUnavailable
from ratelimit.stores.redis_scripts.states import RedisStates
from ratelimit.stores.redis_store import RedisStore
from tests.ratelimit.world import World, code, policy

T = TypeVar("T")
BUNDLE = {
    "ratelimit/shop.yaml": """
domain: shop
descriptors:
  - key: user
    rate_limit: {unit: hour, requests_per_unit: 50}
  - key: tester
    shadow_mode: true
    rate_limit: {unit: hour, requests_per_unit: 0}
""",
    "open.yaml": policy(
        "open", "limits: [{name: a, rate: 9/min, onError: allow}]", "{host: open.example}"
    ),
    "closed.yaml": policy(
        "closed",
        "limits: [{name: a, rate: 9/min, onError: allow}, {name: b, rate: 9/min}]",
        "{host: closed.example}",
    ),
}
PATIENT = ClientOptions(timeout=5.0, longest=5.0)


@asynccontextmanager
async def world(server: RedisServer, options: ClientOptions = PATIENT) -> AsyncIterator[World]:
    client = Client(server.url, options)
    await client.start()
    try:
        yield World(BUNDLE, RedisStore(client), states=RedisStates(client))
    finally:
        await client.close()


async def test_the_answer_comes_by_one_future_and_no_task(redis_server: RedisServer) -> None:
    redis_server.flush()
    async with world(redis_server) as shop:
        tasks = len(asyncio.all_tasks())
        reply = shop.reply(rate_limit_request("shop", {"user": "a"}).SerializeToString())
        assert type(reply).__name__ == "Future"
        assert len(asyncio.all_tasks()) == tasks
        assert isinstance(await reply, bytes)


async def test_two_processes_together_admit_exactly_the_limit(redis_server: RedisServer) -> None:
    redis_server.flush()
    async with world(redis_server) as one, world(redis_server) as other:
        responses = await asyncio.gather(
            *[(one, other)[n % 2].ask("shop", {"user": "ann"}) for n in range(200)]
        )
    assert sorted(map(code, responses)) == ["OK"] * 50 + ["OVER_LIMIT"] * 150
    admitted = sorted(r.statuses[0].limit_remaining for r in responses if code(r) == "OK")
    assert admitted == list(range(50))


class LateStore:
    """As Redis, when those who were asked last have waited for too long."""

    def add(self, hits: object, now: float, deadline: float | None, then: Callable[..., T]) -> T:
        return then(StoreUnavailable("late"))

    def use(
        self,
        uses: object,
        together: bool,
        now: float,
        deadline: float | None,
        then: Callable[..., T],
    ) -> T:
        return then(StoreUnavailable("late"))


async def test_who_would_be_answered_too_late_gets_the_verdict_of_overload() -> None:
    late = LateStore()
    shop = World(BUNDLE, late, states=late)
    for verdict, expected in (
        ("deny", "OVER_LIMIT"),
        ("error", "UNAVAILABLE"),
        ("allow", "OK"),
    ):
        shop.service.face(verdict)  # type: ignore[arg-type]  # one of its words
        assert code(await shop.ask("shop", {"user": "ann"})) == expected
        assert shop.seen.last.reason == "store_overloaded"
        assert shop.seen.last.verdict == "error"
        # What its limits say themselves goes before that.
        assert code(await shop.visit(host="open.example")) == "OK"
        assert code(await shop.visit(host="closed.example")) == expected


async def test_without_redis_each_limit_answers_as_its_on_error_says(
    private_redis: RedisServer,
) -> None:
    async with world(private_redis) as shop:
        private_redis.kill()
        await asyncio.sleep(0.05)
        assert code(await shop.ask("shop", {"user": "ann"})) == "UNAVAILABLE"
        told = shop.seen.last
        assert (told.verdict, told.reason) == ("error", "store_unavailable")
        assert code(await shop.ask("shop", {"tester": "ann"})) == "OK"
        assert code(await shop.visit(host="open.example")) == "OK"
        assert shop.seen.last.verdict == "error"
        assert code(await shop.visit(host="closed.example")) == "UNAVAILABLE"


async def test_a_frozen_redis_is_answered_for_before_the_gateway_stops_waiting(
    private_redis: RedisServer,
) -> None:
    async with world(private_redis) as shop:
        await shop.ask("shop", {"user": "ann"})
        private_redis.stop()
        try:
            deadline = time.monotonic() + 0.2
            request = rate_limit_request("shop", {"user": "ann"})
            assert code(await shop.asked(request, deadline)) == "UNAVAILABLE"
            assert shop.seen.last.detail == "timeout"
            assert time.monotonic() < deadline
        finally:
            private_redis.cont()


async def test_it_counts_again_within_a_second_of_redis_return(private_redis: RedisServer) -> None:
    async with world(private_redis, ClientOptions()) as shop:
        private_redis.kill()
        await asyncio.sleep(0.3)
        assert code(await shop.ask("shop", {"user": "ann"})) == "UNAVAILABLE"
        private_redis.restart()
        async with asyncio.timeout(1):
            while code(await shop.ask("shop", {"user": "ann"})) != "OK":  # noqa: ASYNC110
                await asyncio.sleep(0.01)

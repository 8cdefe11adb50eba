"""Three replicas over a real Redis that is killed or frozen while requests come."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from callout.redis.client import Client, ClientOptions
from callout.redis.heartbeat import Heartbeat
from callout.redis.presence import Place, Presence
from callout.testing.redis import RedisServer
from ratelimit.local.denied import Denied
from ratelimit.local.share import LocalShare
from ratelimit.stores.redis_store import RedisStore
from tests.ratelimit.world import World, code, policy

REPLICAS = 3
LIMIT = 31
"""Does not divide by three."""
BEFORE = 10
"""Requests that Redis counts before it goes away."""
BACK: float = 1.0
"""Seconds from when Redis answers again until every replica counts there."""

BUNDLE = {
    "greedy.yaml": policy(
        "greedy", f"limits: [{{name: g, rate: {LIMIT}/hour, onError: share}}]", "{host: greedy}"
    ),
    "modest.yaml": policy(
        "modest", "limits: [{name: m, rate: 1000000/hour, onError: share}]", "{host: modest}"
    ),
    "strict.yaml": policy(
        "strict",
        "limits: [{name: m, rate: 9/hour, onError: share}, {name: s, rate: 9/hour}]",
        "{host: strict}",
    ),
}


class Replica(World):
    """One worker's service with all that is around it, and what it answered."""

    def __init__(self, url: str, name: bytes) -> None:
        self.client = Client(url, ClientOptions(timeout=0.3, longest=0.3))
        self.presence = Presence(name)
        self.heartbeat = Heartbeat(self.client, self.presence, every=0.05)
        denied = Denied()
        share = LocalShare(lambda: self.presence.place, denied)
        super().__init__(BUNDLE, RedisStore(self.client), denied=denied, share=share)
        self.passed = 0
        """Of `greedy`."""
        self.refused: list[str] = []
        """What `modest` was told if that was not OK."""

    @property
    def degraded(self) -> bool:
        """Whether the last answer was."""
        return self.seen.last.reason == "degraded"

    async def ask_both(self) -> None:
        self.passed += code(await self.visit(host="greedy")) == "OK"
        response = await self.visit(host="modest")
        if code(response) != "OK":
            self.refused.append(f"{code(response)} {self.seen.last.reason}")
        self.told = dict(response.dynamic_metadata)

    async def keep_asking(self, until: Any) -> float:
        """Ask both until it holds, ten seconds at most; the time when it did."""
        async with asyncio.timeout(10):
            while True:
                await self.ask_both()
                if until():
                    return time.monotonic()
                await asyncio.sleep(0.002)


@asynccontextmanager
async def replicas(url: str) -> AsyncIterator[list[Replica]]:
    async with AsyncExitStack() as stack:
        made = [Replica(url, b"%d" % number) for number in range(REPLICAS)]
        for each in made:
            await each.client.start()
            stack.push_async_callback(each.client.close)
            each.heartbeat.start()
            stack.push_async_callback(each.heartbeat.close)
        async with asyncio.timeout(20):
            for rank, each in enumerate(made):
                while each.presence.place != Place(rank, REPLICAS):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        yield made


def passed(all_of_them: list[Replica]) -> int:
    return sum(each.passed for each in all_of_them)


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_without_redis_all_together_let_pass_the_limit_once_more_and_nobody_else_notices(
    private_redis: RedisServer, how: str
) -> None:
    async with replicas(private_redis.url) as fleet:
        for _ in range(BEFORE):
            await fleet[0].ask_both()
        before = passed(fleet)
        await asyncio.to_thread(private_redis.kill if how == "killed" else private_redis.stop)
        try:
            await asyncio.gather(
                *[
                    each.keep_asking(lambda each=each: each.degraded and each.passed >= 1)
                    for each in fleet
                ]
            )
            for _ in range(LIMIT):
                await asyncio.gather(*[each.ask_both() for each in fleet])
            assert passed(fleet) - before == LIMIT
            assert all(each.told == {"degraded": True} for each in fleet)
            asking = [
                asyncio.create_task(each.keep_asking(lambda each=each: not each.degraded))
                for each in fleet
            ]
        finally:
            await asyncio.to_thread(
                private_redis.restart if how == "killed" else private_redis.cont
            )
        answers_again = time.monotonic()
        counted_again = [await each for each in asking]
        assert max(counted_again) - answers_again < BACK
        for _ in range(2 * LIMIT):
            await asyncio.gather(*[each.ask_both() for each in fleet])
        # What Redis lost is the only reason for more than twice the limit.
        if how == "killed":
            assert passed(fleet) == before + 2 * LIMIT
        else:
            assert passed(fleet) <= 2 * LIMIT
        # Nobody who was within its limits, in Redis and by parts, was ever refused.
        assert [each.refused for each in fleet] == [[]] * REPLICAS


async def test_a_redis_that_dies_again_and_again_gives_no_second_part(
    private_redis: RedisServer,
) -> None:
    rounds = 3
    async with replicas(private_redis.url) as fleet:
        for _ in range(rounds):
            await asyncio.to_thread(private_redis.kill)
            await asyncio.gather(
                *[each.keep_asking(lambda each=each: each.degraded) for each in fleet]
            )
            for _ in range(LIMIT):
                await asyncio.gather(*[each.ask_both() for each in fleet])
            await asyncio.to_thread(private_redis.restart)
            await asyncio.gather(
                *[each.keep_asking(lambda each=each: not each.degraded) for each in fleet]
            )
        assert passed(fleet) <= LIMIT * (1 + rounds)
        assert [each.refused for each in fleet] == [[]] * REPLICAS


async def test_a_limit_that_refuses_without_redis_goes_before_one_with_a_part(
    private_redis: RedisServer,
) -> None:
    async with replicas(private_redis.url) as fleet:
        await asyncio.to_thread(private_redis.kill)
        assert code(await fleet[0].visit(host="strict")) == "UNAVAILABLE"
        assert fleet[0].seen.last.reason == "store_unavailable"


async def test_who_does_not_know_how_many_there_are_has_no_part(private_redis: RedisServer) -> None:
    replica = Replica(private_redis.url, b"late")
    private_redis.kill()
    await replica.client.start()
    replica.heartbeat.start()
    try:
        assert code(await replica.visit(host="modest")) == "UNAVAILABLE"
    finally:
        await replica.heartbeat.close()
        await replica.client.close()

"""Two Redis servers as one store: which counts what, and what holds while one is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from callout.redis.client import Client, ClientOptions
from callout.redis.presence import Place
from callout.testing.redis import RedisServer
from ratelimit.local.share import LocalShare
from ratelimit.modes import Modes
from ratelimit.plan import OnError
from ratelimit.stores.per_second import PerSecondStore
from ratelimit.stores.redis_store import RedisStore
from tests.ratelimit.world import World, code, policy

PATIENT = ClientOptions(timeout=5.0, longest=5.0)
FILES = {
    "ratelimit/x.yaml": """
domain: shop
descriptors:
  - {key: second, rate_limit: {unit: second, requests_per_unit: 1}}
  - {key: year, rate_limit: {unit: year, requests_per_unit: 2}}
  - {key: five, rate_limit: {unit: second, unit_multiplier: 5, requests_per_unit: 1}}
""",
    "own.yaml": policy("own", "limits: [{name: a, rate: 9/s}]"),
}


class Two(NamedTuple):
    main: RedisServer
    second: RedisServer
    store: PerSecondStore

    def counters(self) -> tuple[int, int]:
        """How many each has."""
        found = []
        for server in (self.main, self.second):
            with redis.Redis.from_url(server.url) as client:
                found.append(client.dbsize())
        return found[0], found[1]


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with (
        closing(RedisServer(tmp_path / "a")) as main,
        closing(RedisServer(tmp_path / "b")) as second,
    ):
        clients = [Client(each.url, PATIENT) for each in (main, second)]
        for client in clients:
            await client.start()
        try:
            yield Two(main, second, PerSecondStore(*map(RedisStore, clients)))
        finally:
            for client in clients:
                await client.close()


def away(on_error: OnError) -> Modes:
    return Modes(on_error={"shop": on_error})


async def test_windows_of_a_second_are_counted_in_the_other(two: Two) -> None:
    world = World(FILES, two.store)

    assert code(await world.ask("shop", {"second": "a"})) == "OK"
    assert two.counters() == (0, 1)
    assert code(await world.ask("shop", {"year": "a"}, {"five": "a"})) == "OK"
    assert two.counters() == (2, 1)
    # Limits of policies are decided about together, in one place.
    assert code(await world.visit()) == "OK"
    assert two.counters() == (3, 1)
    # However long a client's value is.
    assert code(await world.ask("shop", {"second": "a" * 300})) == "OK"
    assert two.counters() == (3, 2)


async def test_one_request_is_counted_in_both_and_answered_in_its_order(two: Two) -> None:
    world = World(FILES, two.store)

    both = {"year": "a"}, {"second": "a"}, {"year": "b"}, {"second": "a"}
    response = await world.ask("shop", *both)

    assert [each.code for each in response.statuses] == [1, 1, 1, 2]
    assert [each.limit_remaining for each in response.statuses] == [1, 0, 1, 0]
    assert code(response) == "OVER_LIMIT"


@pytest.mark.parametrize("lost", ["main", "second"])
async def test_while_one_is_away_the_limits_of_the_other_hold(two: Two, lost: str) -> None:
    world = World(FILES, two.store, modes=away("allow"))
    away_key, here = ("year", "second") if lost == "main" else ("second", "year")
    server: RedisServer = getattr(two, lost)
    server.close()
    for _ in range(2):
        await world.ask("shop", {here: "full"})

    # What the other counts is as ever.
    assert code(await world.ask("shop", {here: "a"})) == "OK"
    assert code(await world.ask("shop", {here: "full"})) == "OVER_LIMIT"
    # What cannot be counted passes as is written; what is over stays over.
    assert code(await world.ask("shop", {away_key: "a"})) == "OK"
    response = await world.ask("shop", {away_key: "a"}, {here: "full"})
    assert code(response) == "OVER_LIMIT"
    assert response.dynamic_metadata["degraded"] is True
    response = await world.ask("shop", {away_key: "a"}, {here: "b"})
    assert code(response) == "OK"
    assert response.dynamic_metadata["degraded"] is True


async def test_what_cannot_be_counted_is_an_error_unless_something_else_is_written(
    two: Two,
) -> None:
    world = World(FILES, two.store)
    two.second.close()

    assert code(await world.ask("shop", {"second": "a"}, {"year": "a"})) == "UNAVAILABLE"
    assert code(await world.ask("shop", {"year": "a"})) == "OK"
    # The first two hits were counted.
    assert code(await world.ask("shop", {"year": "a"}, {"second": "a"})) == "OVER_LIMIT"


async def test_a_share_is_taken_of_what_could_not_be_asked_alone(two: Two) -> None:
    share = LocalShare(lambda: Place(0, 3))
    world = World(FILES, two.store, modes=away("share"), share=share)
    two.second.close()

    for expected in ("OK", "OK", "OVER_LIMIT"):
        assert code(await world.ask("shop", {"year": "a"})) == expected
    # Of one a second, a third of all counters is this worker's.
    found = {
        code(await world.ask("shop", {"year": f"y{n}"}, {"second": f"s{n}"})) for n in range(30)
    }
    assert found == {"OK", "OVER_LIMIT"}
    assert len(share) == 30


async def test_with_both_away_it_is_as_with_one(two: Two) -> None:
    world = World(FILES, two.store)
    two.main.close()
    two.second.close()

    for keys in (["year"], ["second"], ["year", "second"]):
        asked = [{key: "a"} for key in keys]
        assert code(await asyncio.wait_for(world.ask("shop", *asked), 10)) == "UNAVAILABLE"

"""Who only asks, of a limit of which exactly all is used."""

import pytest

from callout.testing.requests import rate_limit_request
from tests.ratelimit.world import World, code, policy


def world(limit: str) -> World:
    return World({"shop.yaml": policy("shop", f"limits: [{{name: a, {limit}}}]")})


async def asked(world: World, hits: int) -> str:
    request = rate_limit_request(
        "gatewright",
        {"host": "x", "path": "/", "method": "GET", "remote_address": "192.0.2.1"},
    )
    request.descriptors[0].hits_addend.value = hits
    return code(await world.asked(request))


@pytest.mark.parametrize("algorithm", ["fixed-window", "sliding-window", "token-bucket"])
@pytest.mark.parametrize("strict", [False, True])
async def test_strict_refuses_who_asks_for_nothing_where_one_would_not_pass(
    algorithm: str, strict: bool
) -> None:
    shop = world(f"rate: 3/h, algorithm: {algorithm}, strict: {str(strict).lower()}")
    assert await asked(shop, 0) == "OK"
    assert await asked(shop, 2) == "OK"
    assert await asked(shop, 0) == "OK"
    assert await asked(shop, 1) == "OK"
    assert await asked(shop, 0) == ("OVER_LIMIT" if strict else "OK")
    assert await asked(shop, 1) == "OVER_LIMIT"


async def test_strict_in_shadow_refuses_nobody() -> None:
    shop = world("rate: 1/h, strict: true, mode: shadow")
    assert await asked(shop, 1) == "OK"
    assert await asked(shop, 0) == "OK"
    assert shop.seen.last.shadow

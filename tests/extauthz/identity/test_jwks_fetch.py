"""Key sets over a real HTTP server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
from aiohttp import web

from extauthz.identity.jwks_fetch import FetchLimits, JwksFetcher
from extauthz.identity.keys import SIZE_MOST, KeySet
from tests.extauthz.tokens import jwk, jwks

NOW = 1_800_000_000.0
LIMITS = FetchLimits(refresh=300, interval=10, unknown=60, stale=3600, timeout=2, unknown_most=5)


class Issuer:
    """An identity provider: answers `body`, counts, and can be told to fail or to wait."""

    def __init__(self) -> None:
        self.body = jwks(jwk("ec"))
        self.status = 200
        self.headers: dict[str, str] = {}
        self.fetches = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.fetches += 1
        await self.gate.wait()
        return web.Response(status=self.status, body=self.body, headers=self.headers)


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    made = Issuer()
    app = web.Application()
    app.router.add_get("/{name}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
    yield made
    made.gate.set()
    await runner.cleanup()


@pytest.fixture
async def fetcher() -> AsyncIterator[JwksFetcher]:
    made = JwksFetcher(LIMITS)
    yield made
    await made.close()


async def get(fetcher: JwksFetcher, url: str, kid: str | None, now: float) -> KeySet | None:
    found = fetcher.get(url, kid, now)
    return await found if isinstance(found, Awaitable) else found


async def test_keys_are_fetched_once_and_then_known(issuer: Issuer, fetcher: JwksFetcher) -> None:
    first = await get(fetcher, issuer.url, "ec", NOW)

    assert first is not None
    assert first.knows("ec")
    assert fetcher.get(issuer.url, "ec", NOW + 1) is first
    assert fetcher.current(issuer.url, NOW + 1) is first
    assert issuer.fetches == 1


async def test_a_hundred_callers_make_one_fetch(issuer: Issuer, fetcher: JwksFetcher) -> None:
    issuer.gate.clear()
    calls = [fetcher.get(issuer.url, "ec", NOW) for _ in range(100)]
    waiting: Any = asyncio.gather(*[call for call in calls if isinstance(call, Awaitable)])
    await asyncio.sleep(0)
    issuer.gate.set()

    found = await waiting

    assert len(found) == 100
    assert {id(keys) for keys in found} == {id(found[0])}
    assert issuer.fetches == 1


async def test_one_caller_that_gives_up_does_not_end_the_fetch(
    issuer: Issuer, fetcher: JwksFetcher
) -> None:
    issuer.gate.clear()
    patient = asyncio.ensure_future(get(fetcher, issuer.url, "ec", NOW))
    hasty = asyncio.ensure_future(get(fetcher, issuer.url, "ec", NOW))
    await asyncio.sleep(0.01)
    hasty.cancel()
    await asyncio.sleep(0)
    issuer.gate.set()

    assert await patient is not None


async def test_an_unknown_key_id_causes_one_fetch_at_most_each_interval(
    issuer: Issuer, fetcher: JwksFetcher
) -> None:
    await get(fetcher, issuer.url, "ec", NOW)

    for number in range(50):
        await get(fetcher, issuer.url, f"random-{number}", NOW + 1)
    assert issuer.fetches == 1

    for number in range(50):
        await get(fetcher, issuer.url, f"random-{number}", NOW + 10)
    assert issuer.fetches == 2


async def test_a_key_id_that_was_not_found_is_not_looked_for_again(
    issuer: Issuer, fetcher: JwksFetcher
) -> None:
    await get(fetcher, issuer.url, "ec", NOW)
    await get(fetcher, issuer.url, "new", NOW + 10)
    assert issuer.fetches == 2

    await get(fetcher, issuer.url, "new", NOW + 30)
    assert issuer.fetches == 2

    await get(fetcher, issuer.url, "new", NOW + 71)
    assert issuer.fetches == 3


async def test_a_rotated_key_is_found_by_its_first_token(
    issuer: Issuer, fetcher: JwksFetcher
) -> None:
    await get(fetcher, issuer.url, "ec", NOW)
    issuer.body = jwks(jwk("ed"))

    found = await get(fetcher, issuer.url, "ed", NOW + 10)

    assert found is not None
    assert found.knows("ed")
    assert not found.knows("ec")


async def test_old_keys_are_refreshed_in_the_background(
    issuer: Issuer, fetcher: JwksFetcher
) -> None:
    first = await get(fetcher, issuer.url, "ec", NOW)
    issuer.body = jwks(jwk("ec"), jwk("ed"))

    assert fetcher.current(issuer.url, NOW + 300) is first
    for _ in range(200):
        await asyncio.sleep(0.01)
        if fetcher.current(issuer.url, NOW + 300) is not first:
            break

    second = fetcher.current(issuer.url, NOW + 300)
    assert second is not None
    assert second.knows("ed")
    assert issuer.fetches == 2


async def test_the_same_keys_again_are_the_same_set(issuer: Issuer, fetcher: JwksFetcher) -> None:
    first = await get(fetcher, issuer.url, "ec", NOW)

    assert await get(fetcher, issuer.url, "unknown", NOW + 10) is first
    assert issuer.fetches == 2


async def test_keys_outlive_their_issuers_failures_for_a_while(
    issuer: Issuer, fetcher: JwksFetcher
) -> None:
    first = await get(fetcher, issuer.url, "ec", NOW)
    issuer.status = 500

    assert await get(fetcher, issuer.url, "ec", NOW + 3599) is first
    assert await get(fetcher, issuer.url, "ec", NOW + 3615) is None


async def test_a_failed_fetch_is_not_repeated_at_once(issuer: Issuer, fetcher: JwksFetcher) -> None:
    issuer.status = 500
    for _ in range(20):
        assert await get(fetcher, issuer.url, "ec", NOW) is None
    assert issuer.fetches == 1

    issuer.status = 200
    assert await get(fetcher, issuer.url, "ec", NOW + 10) is not None


async def test_a_clock_set_back_does_not_stop_fetches(issuer: Issuer, fetcher: JwksFetcher) -> None:
    issuer.status = 500
    await get(fetcher, issuer.url, "ec", NOW)
    issuer.status = 200

    assert await get(fetcher, issuer.url, "ec", NOW - 86_400) is not None


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (302, {"location": "/elsewhere"}, jwks(jwk("ec"))),
        (404, {}, jwks(jwk("ec"))),
        (204, {}, b""),
        (200, {}, b"<html>"),
        (200, {}, b'{"keys":[]}'),
        (200, {}, b" " * (SIZE_MOST + 1)),
        (200, {"content-encoding": "gzip"}, b"\x1f\x8b"),
    ],
    ids=["redirect", "not found", "empty", "html", "no keys", "too large", "compressed"],
)
async def test_an_answer_that_is_no_key_set_gives_no_keys(
    issuer: Issuer, fetcher: JwksFetcher, status: int, headers: dict[str, str], body: bytes
) -> None:
    issuer.status, issuer.headers, issuer.body = status, headers, body

    assert await get(fetcher, issuer.url, "ec", NOW) is None
    assert issuer.fetches == 1


async def test_a_stalled_issuer_gives_no_keys_in_time(issuer: Issuer) -> None:
    fetcher = JwksFetcher(FetchLimits(timeout=0.05))
    issuer.gate.clear()

    assert await get(fetcher, issuer.url, "ec", NOW) is None
    await fetcher.close()


async def test_an_issuer_that_is_not_there_gives_no_keys(fetcher: JwksFetcher) -> None:
    assert await get(fetcher, "http://127.0.0.1:1/keys", "ec", NOW) is None


async def test_closing_ends_what_is_under_way(issuer: Issuer) -> None:
    fetcher = JwksFetcher(LIMITS)
    issuer.gate.clear()
    waiting = asyncio.ensure_future(get(fetcher, issuer.url, "ec", NOW))
    await asyncio.sleep(0.01)

    await fetcher.close()

    with pytest.raises(asyncio.CancelledError):
        await waiting

"""What becomes of requests of an operator's domain while the counters are away."""

from typing import Any

import pytest
from envoy.service.ratelimit.v3 import rls_pb2

from callout.redis.presence import Place
from callout.testing.requests import rate_limit_request
from ratelimit.local.share import LocalShare
from ratelimit.modes import Modes
from ratelimit.plan import OnError
from tests.ratelimit.world import Away, World, code, policy

RULES = """
domain: {name}
descriptors:
  - {{key: user, rate_limit: {{unit: hour, requests_per_unit: 6}}}}
  - {{key: free, rate_limit: {{unlimited: true}}}}
  - {{key: tester, shadow_mode: true, rate_limit: {{unit: hour, requests_per_unit: 0}}}}
"""
BUNDLE = {f"ratelimit/{name}.yaml": RULES.format(name=name) for name in ("edge", "other")}


def world(on_error: dict[str, OnError], **modes: bool) -> World:
    share = LocalShare(lambda: Place(0, 2))
    modes_ = Modes(on_error=on_error, **modes)
    return World(BUNDLE, Away(), share=share, modes=modes_)


WORDS: dict[OnError, str] = {"deny": "UNAVAILABLE", "allow": "OK", "refuse": "OVER_LIMIT"}


@pytest.mark.parametrize("word", WORDS)
async def test_the_domain_decides_and_others_stay_an_error(word: OnError) -> None:
    shop = world({"edge": word})
    response = await shop.ask("edge", {"user": "ann"})
    assert code(response) == WORDS[word]
    assert (shop.seen.last.verdict, shop.seen.last.reason) == ("error", "store_unavailable")
    if word != "deny":
        assert response.dynamic_metadata["degraded"] is True
    assert code(await shop.ask("other", {"user": "ann"})) == "UNAVAILABLE"


async def test_a_star_is_for_domains_that_are_not_named() -> None:
    shop = world({"*": "refuse", "edge": "allow"})
    assert code(await shop.ask("edge", {"user": "ann"})) == "OK"
    assert code(await shop.ask("other", {"user": "ann"})) == "OVER_LIMIT"


async def test_a_share_is_a_part_of_each_limit() -> None:
    shop = world({"edge": "share"})
    codes = [code(await shop.ask("edge", {"user": "ann"})) for _ in range(5)]
    assert codes == ["OK"] * 3 + ["OVER_LIMIT"] * 2
    assert shop.seen.last.reason == "degraded"


async def test_who_has_no_part_refuses_for_envoy_might_let_an_error_pass() -> None:
    modes = Modes(on_error={"edge": "share"})
    own = {"p.yaml": policy("p", "limits: [{name: a, rate: 6/min, onError: share}]")}
    shop = World(BUNDLE | own, Away(), share=LocalShare(lambda: None), modes=modes)
    response = await shop.ask("edge", {"user": "ann"}, {"tester": "x"}, {"no": "x"})
    assert statuses(response) == ["OVER_LIMIT", "OK", "OK"]
    assert response.dynamic_metadata["degraded"] is True
    assert (shop.seen.last.verdict, shop.seen.last.reason) == ("deny", "degraded")
    assert code(await shop.ask("edge", {"tester": "x"})) == "OK"
    assert code(await shop.ask("other", {"user": "ann"})) == "UNAVAILABLE"
    # Of policies' limits it is an error, as documented: their Envoy denies on it.
    assert code(await shop.visit()) == "UNAVAILABLE"


def statuses(response: Any) -> list[str]:
    return [rls_pb2.RateLimitResponse.Code.Name(each.code) for each in response.statuses]


async def test_only_descriptors_that_a_limit_counts_are_refused() -> None:
    shop = world({"edge": "refuse"})
    response = await shop.ask("edge", {"free": "x"}, {"tester": "x"}, {"user": "x"}, {"no": "x"})
    assert statuses(response) == ["OK", "OK", "OVER_LIMIT", "OK"]
    assert code(await shop.ask("edge", {"tester": "x"})) == "OK"


async def test_what_nothing_counts_needs_no_counters() -> None:
    shop = world({"edge": "refuse"})
    assert code(await shop.ask("edge", {"free": "x"})) == "OK"
    assert code(await shop.ask("edge", {"no": "x"})) == "OK"


async def test_with_all_limits_in_shadow_nothing_is_refused() -> None:
    shop = world({"edge": "refuse"}, shadow=True)
    assert code(await shop.ask("edge", {"user": "ann"})) == "OK"


async def test_a_limit_that_the_request_brings_along_fails_as_its_domain() -> None:
    request = rate_limit_request("edge", {"user": "ann"})
    request.descriptors[0].limit.requests_per_unit = 3
    request.descriptors[0].limit.unit = 3
    assert code(await world({"edge": "allow"}).asked(request)) == "OK"
    assert code(await world({}).asked(request)) == "UNAVAILABLE"

"""The domain `gatewright`: the limits of the policy that applies to host, path and method."""

from typing import Any

import pytest

from callout.config import identity
from callout.config.problems import Rejected
from callout.testing.requests import rate_limit_request
from tests.ratelimit.world import World, built, code, policy


def limits(*items: str, mode: str = "") -> str:
    text = "limits:\n" + "\n".join(f"  - {{{item}}}" for item in items)
    return text + (f"\nmode: {mode}" if mode else "")


def world(*items: str, mode: str = "") -> World:
    return World({"p.yaml": policy("p", limits(*items, mode=mode))})


async def codes(world: World, times: int, **visit: Any) -> list[str]:
    return [code(await world.visit(**visit)) for _ in range(times)]


async def test_a_limit_by_address_has_a_counter_for_each() -> None:
    shop = world("name: a, by: [address], rate: 2/min")
    assert await codes(shop, 3) == ["OK", "OK", "OVER_LIMIT"]
    assert await codes(shop, 1, remote_address="10.0.0.2") == ["OK"]
    assert shop.seen.decisions[2].detail == "a 2/minute"
    assert shop.seen.decisions[2].what == "GET shop.example/"


async def test_a_limit_by_identity_counts_a_user_wherever_they_come_from() -> None:
    shop = world("name: u, by: [identity.sub], rate: 1/min")
    ann = identity.encode({"sub": "ann"})
    assert await codes(shop, 1, id=ann) == ["OK"]
    assert await codes(shop, 1, id=ann, remote_address="10.0.0.9") == ["OVER_LIMIT"]
    assert shop.seen.last.who == "ann"
    assert await codes(shop, 1, id=identity.encode({"sub": "bob"})) == ["OK"]


ANONYMOUS = {
    "no id at all": {},
    "an id without the field": {"id": identity.encode({"org": "acme"})},
    "an empty field": {"id": identity.encode({"sub": ""})},
    "an id that is junk": {"id": "{{{"},
}


@pytest.mark.parametrize("name", ANONYMOUS)
async def test_without_the_identity_the_address_is_counted(name: str) -> None:
    shop = world("name: u, by: [identity.sub], rate: 1/min")
    entries = ANONYMOUS[name]
    assert await codes(shop, 2, **entries) == ["OK", "OVER_LIMIT"]
    assert await codes(shop, 1, remote_address="10.0.0.2", **entries) == ["OK"]
    named_like_it = identity.encode({"sub": "10.0.0.1"})
    assert await codes(shop, 1, id=named_like_it) == ["OK"]


async def test_by_nothing_is_one_counter_for_all() -> None:
    shop = world("name: all, rate: 2/min")
    assert await codes(shop, 2) == ["OK", "OK"]
    assert await codes(shop, 1, host="x.example", path="/y", remote_address="::1") == ["OVER_LIMIT"]


async def test_host_path_and_method_are_counted_in_their_canonical_form() -> None:
    shop = world("name: hpm, by: [host, path, method], rate: 3/min")
    assert await codes(shop, 1, path="/a/b") == ["OK"]
    assert await codes(shop, 1, path="/a//%62?x=1", host="SHOP.example:8443") == ["OK"]
    assert await codes(shop, 1, path="/a/b;v=1", host="shop.example.") == ["OK"]
    assert await codes(shop, 1, path="/a/b") == ["OVER_LIMIT"]
    assert await codes(shop, 1, path="/a/b", method="POST") == ["OK"]
    assert await codes(shop, 1, path="/a/B") == ["OK"]


async def test_a_refused_path_counts_under_the_hosts_policy() -> None:
    shop = World(
        {
            "a.yaml": policy("whole", limits("name: all, rate: 2/min")),
            "b.yaml": policy(
                "admin", limits("name: all, rate: 9/min"), '{host: "*", path: /admin}'
            ),
        }
    )
    assert await codes(shop, 2, path="/admin/%2e%2e%2fx") == ["OK", "OK"]
    assert shop.seen.last.policy == "whole"
    assert await codes(shop, 1, path="/") == ["OVER_LIMIT"]


async def test_several_limits_give_one_status_of_the_one_that_decides() -> None:
    shop = world("name: fast, by: [address], rate: 2/s", "name: slow, by: [address], rate: 3/h")
    (status,) = (await shop.visit()).statuses
    assert (status.current_limit.name, status.limit_remaining) == ("fast", 1)
    await shop.visit()
    (status,) = (await shop.visit()).statuses
    assert (status.code, status.current_limit.name) == (2, "fast")
    shop.clock.move(1)
    (status,) = (await shop.visit()).statuses  # what the one refused the other has not counted
    assert (status.code, status.current_limit.name, status.limit_remaining) == (1, "slow", 0)
    (status,) = (await shop.visit()).statuses
    assert (status.code, status.current_limit.name) == (2, "slow")
    assert status.duration_until_reset.seconds == 3599


async def test_modes_of_the_policy_and_of_the_limit() -> None:
    shadow = world("name: a, rate: 0/min", mode="shadow")
    assert await codes(shadow, 1) == ["OK"]
    assert (shadow.seen.last.verdict, shadow.seen.last.shadow) == ("deny", True)
    off = world("name: a, rate: 0/min", mode="off")
    assert await codes(off, 1) == ["OK"]
    assert off.seen.last.reason == "no_limit"
    own = world("name: a, rate: 0/min, mode: enforce", "name: b, rate: 0/h", mode="shadow")
    assert await codes(own, 1) == ["OVER_LIMIT"]
    assert own.seen.last.detail.startswith("a ")


async def test_limits_merge_by_name_and_can_be_taken_back() -> None:
    shop = World(
        {
            "a.yaml": policy("base", limits("name: x, rate: 0/min", "name: y, rate: 5/min")),
            "b.yaml": policy(
                "special", limits("name: x, off: true"), '{host: "shop.example", path: /open}'
            ),
        }
    )
    assert await codes(shop, 1, path="/closed") == ["OVER_LIMIT"]
    assert await codes(shop, 1, path="/open") == ["OK"]
    assert shop.seen.last.policy == "special"


async def test_a_limit_that_is_only_inherited_keeps_its_counter() -> None:
    shop = World(
        {
            "a.yaml": policy("base", limits("name: all, by: [address], rate: 3/min")),
            "b.yaml": policy("api", limits("name: api, rate: 100/min"), '{host: "*", path: /api}'),
            "c.yaml": policy("own", limits("name: all, rate: 1/min"), '{host: "*", path: /own}'),
        }
    )
    assert await codes(shop, 2, path="/api") == ["OK", "OK"]
    assert await codes(shop, 1, path="/") == ["OK"]
    assert await codes(shop, 1, path="/api") == ["OVER_LIMIT"]
    assert await codes(shop, 2, path="/own") == ["OK", "OVER_LIMIT"]


async def test_no_policy_for_the_host_is_ok_and_counted() -> None:
    shop = World({"p.yaml": policy("p", limits("name: a, rate: 0/min"), "{host: a.example}")})
    response = await shop.visit(host="b.example")
    assert code(response) == "OK"
    assert len(response.statuses) == 1
    assert (shop.seen.last.policy, shop.seen.last.reason) == ("", "no_policy")


async def test_the_policy_that_authz_chose_is_only_noted() -> None:
    shop = world("name: a, rate: 1/min")
    assert await codes(shop, 1, policy="p") == ["OK"]
    assert "authz" not in shop.seen.last.detail
    assert await codes(shop, 1, policy="other") == ["OVER_LIMIT"]
    assert "authz chose other" in shop.seen.last.detail


async def test_a_gateway_that_sends_too_little_gets_what_the_limit_says() -> None:
    entries = {"host": "h", "path": "/", "method": "GET"}
    deny = world("name: a, by: [address], rate: 1/min")
    assert code(await deny.ask("gatewright", entries)) == "UNAVAILABLE"
    assert (deny.seen.last.verdict, deny.seen.last.reason) == ("error", "gateway_stale")
    allow = world("name: a, by: [identity.sub], rate: 1/min, onError: allow")
    assert code(await allow.ask("gatewright", entries)) == "OK"
    lacking = await allow.ask("gatewright", {"host": "h"})
    assert code(lacking) == "INVALID_ARGUMENT"
    assert "lacks path, method" in lacking.message


async def test_the_domain_takes_no_limit_from_a_descriptor() -> None:
    request = rate_limit_request("gatewright", {"host": "h", "path": "/", "method": "GET"})
    request.descriptors[0].limit.requests_per_unit = 10**6
    request.descriptors[0].limit.unit = 1
    assert code(await world("name: a, rate: 0/min").asked(request)) == "INVALID_ARGUMENT"


PROBLEMS = {
    "no list": ("limits: {a: 1}", "limits: expected a list of limits, found a mapping"),
    "no name": (limits("rate: 1/min"), "expected the key `name`"),
    "empty name": (limits("name: '', rate: 1/min"), "limits[0].name: expected a name"),
    "no rate": (limits("name: a"), "limits[0]: the limit `a` needs a `rate`"),
    "bad rate": (limits("name: a, rate: 1/fortnight"), "limits[0].rate: expected N/UNIT"),
    "rate as number": (limits("name: a, rate: 100"), "limits[0].rate: expected text"),
    "bad by": (limits("name: a, rate: 1/s, by: [ip]"), "limits[0].by[0]: expected one of address"),
    "identity of what": (
        limits("name: a, rate: 1/s, by: [identity.]"),
        "limits[0].by[0]: expected",
    ),
    "by no list": (limits("name: a, rate: 1/s, by: address"), "limits[0].by: expected a list"),
    "bad onError": (
        limits("name: a, rate: 1/s, onError: deny(404)"),
        "limits[0].onError: expected",
    ),
    "bad mode": (limits("name: a, rate: 1/s, mode: on"), "limits[0].mode: expected"),
    "unknown key": (limits("name: a, rate: 1/s, bursts: 5"), "limits[0].bursts: expected one of"),
    "twice": (limits("name: a, rate: 1/s", "name: a, rate: 2/s"), "limits[1].name: expected each"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_mistake_in_limits_is_a_problem_with_its_place(name: str) -> None:
    body, expected = PROBLEMS[name]
    rejected = built({"p.yaml": policy("p", body)})
    assert isinstance(rejected, Rejected)
    text = [str(problem) for problem in rejected.problems]
    assert len(text) == 1, text
    assert text[0].startswith("p.yaml:")
    assert expected in text[0]


def test_a_mistake_in_an_operators_file_rejects_the_bundle_too() -> None:
    rejected = built({"ratelimit/x.yaml": "domain: gatewright"})
    assert isinstance(rejected, Rejected)
    assert rejected.problems[0].file == "ratelimit/x.yaml"


async def test_a_window_is_as_long_as_is_written() -> None:
    shop = world("name: slow, rate: 2/90s")
    shop.clock.move(-(shop.clock() % 90))
    assert await codes(shop, 3) == ["OK", "OK", "OVER_LIMIT"]
    assert shop.seen.last.detail == "slow 2/90 seconds"
    assert (await shop.visit()).statuses[0].duration_until_reset.seconds == 90
    shop.clock.move(89)
    assert await codes(shop, 1) == ["OVER_LIMIT"]
    shop.clock.move(1)
    assert await codes(shop, 1) == ["OK"]


async def test_a_limit_with_several_windows_holds_all_of_them() -> None:
    shop = world("name: both, by: [address], rate: [2/s, 3/5min]")
    shop.clock.move(-(shop.clock() % 300))
    assert await codes(shop, 3) == ["OK", "OK", "OVER_LIMIT"]
    assert shop.seen.last.detail == "both 2/second"
    shop.clock.move(1)
    # What one window refuses, the other has not counted.
    assert await codes(shop, 2) == ["OK", "OVER_LIMIT"]
    assert shop.seen.last.detail == "both 3/5 minutes"
    shop.clock.move(299)
    assert await codes(shop, 2) == ["OK", "OK"]


NO_RATES = {
    "[]": "rate: expected 1 to 8 rates, found 0",
    "[" + ", ".join(f"1/{n}s" for n in range(1, 10)) + "]": "expected 1 to 8 rates, found 9",
    "[1/s, 2/sec]": "expected windows that differ, found '1/s' and '2/sec'",
    "[1/min, 5/h, 2/60s]": "expected windows that differ, found '1/min' and '2/60s'",
    "[1/s, 1/s]": "expected windows that differ, found '1/s' and '1/s'",
    "[1/s, often]": "rate[1]: expected N/UNIT",
    "1/0min": "rate: expected N/UNIT",
}


@pytest.mark.parametrize("written", NO_RATES)
def test_what_is_no_rate_is_told_with_its_place(written: str) -> None:
    rejected = built({"p.yaml": policy("p", limits(f"name: a, rate: {written}"))})
    assert isinstance(rejected, Rejected)
    (problem,) = rejected.problems
    assert str(problem).startswith("p.yaml:6:")
    assert NO_RATES[written] in str(problem)


def test_a_policy_has_no_more_windows_than_one_request_may_count() -> None:
    windows = "rate: [1/s, 2/2s, 3/3s, 4/4s, 5/5s, 6/6s, 7/7s, 8/8s]"
    items = [f"name: n{number}, {windows}" for number in range(16)]
    assert not isinstance(built({"p.yaml": policy("p", limits(*items))}), Rejected)
    one_more = {"p.yaml": policy("p", limits(*items, "name: more, rate: 1/s"))}
    found = built(one_more)
    assert isinstance(found, Rejected)
    assert "expected at most 128 windows of all limits together, found 129" in str(found)


def test_the_windows_of_an_override_count_where_there_are_more_of_them() -> None:
    item = "by: [address], rate: 1/s, overrides: o.yaml"
    items = [f"name: n{number}, {item}" for number in range(65)]
    files = {"p.yaml": policy("p", limits(*items)), "o.yaml": "192.0.2.1: [2/s, 3/min]\n"}
    found = built(files)
    assert isinstance(found, Rejected)
    assert "found 130" in str(found)

"""Whom a limit is for."""

import ipaddress
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.config import identity
from callout.config.problems import Rejected
from ratelimit.when import MOST, Conditions, Networks, Texts, read
from tests.ratelimit.world import World, built, code, policy

NETWORKS = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::ffff:198.51.100.0/120"]
ADDRESSES = {
    "10.0.0.0": True,
    "10.255.255.255": True,
    "11.0.0.0": False,
    "9.255.255.255": False,
    "192.0.2.7": True,
    "192.0.2.8": False,
    "2001:db8::1": True,
    "2001:DB8:ffff::": True,
    "2001:db9::": False,
    "::ffff:10.1.2.3": True,
    "::ffff:11.1.2.3": False,
    "198.51.100.9": True,
    "198.51.101.9": False,
    "::a00:1": False,
    "": None,
    "unix": None,
    "10.0.0.0/8": None,
    "010.0.0.1": None,
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_in_one_of_the_networks_or_not(address: str) -> None:
    networks = Networks(map(ipaddress.ip_network, NETWORKS))
    assert networks.holds(address) is ADDRESSES[address]


@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)), max_size=5),
    st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5),
    st.integers(0, 6),
)
def test_networks_hold_what_the_standard_library_says(
    written: list[tuple[int, int]], numbers: list[int], near: int
) -> None:
    networks = [ipaddress.IPv4Network(each, strict=False) for each in written]
    found = Networks(networks)
    numbers += [min(int(each.broadcast_address) + near, 2**32 - 1) for each in networks]
    for number in numbers:
        address = ipaddress.IPv4Address(number)
        assert found.holds(str(address)) is any(address in each for each in networks)


LONG = next(iter(identity.decode(identity.encode({"x": "trial-" + 300 * "a"})).values()))
VALUES = {
    "free": True,
    "Free": False,
    "freer": False,
    "trial-": True,
    "trial-9": True,
    "trial": False,
    "": False,
    LONG: None,
}


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_one_of_the_texts_or_begins_like_one(value: str) -> None:
    assert Texts(["free", "trial-*"]).holds(value) is VALUES[value]


def test_a_value_too_long_to_be_told_is_none_of_whole_texts() -> None:
    assert Texts(["free"]).holds(LONG) is False
    assert Texts(["*"]).holds("anybody") is True
    assert Texts(["*"]).holds(None) is False


def test_all_lists_must_hold() -> None:
    both = read({"address": ["10.0.0.0/8"], "identity.plan": ["free"]})
    assert isinstance(both, Conditions)
    assert both.hold("10.0.0.1", {"plan": "free"}) is True
    assert both.hold("10.0.0.1", {"plan": "gold"}) is False
    assert both.hold("11.0.0.1", {"plan": "free"}) is False
    assert both.hold(None, {"plan": "free"}) is None
    assert both.hold(None, {}) is False


async def codes(
    world: World, *visits: Mapping[str, str | None], plan: str | None = None
) -> list[str]:
    told = {} if plan is None else {"id": identity.encode({"plan": plan})}
    return [code(await world.visit(**told, **visit)) for visit in visits]  # type: ignore[arg-type]


def world(item: str) -> World:
    return World({"p.yaml": policy("p", f"limits:\n  - {{name: a, rate: 1/min, {item}}}")})


async def test_a_limit_counts_only_those_that_it_is_for() -> None:
    shop = world("when: {identity.plan: [free, trial-*]}")
    assert await codes(shop, {}, {}, plan="gold") == ["OK", "OK"]
    assert await codes(shop, {}, {}) == ["OK", "OK"]
    assert await codes(shop, {}, {}, plan="free") == ["OK", "OVER_LIMIT"]
    assert await codes(shop, {}, plan="trial-7") == ["OVER_LIMIT"]


async def test_a_limit_does_not_count_those_that_it_is_not_for() -> None:
    shop = world("unless: {address: [10.0.0.0/8, 2001:db8::/32]}")
    inside, outside = {"remote_address": "10.0.0.1"}, {"remote_address": "192.0.2.1"}
    assert await codes(shop, inside, inside) == ["OK", "OK"]
    assert await codes(shop, outside, inside, outside) == ["OK", "OK", "OVER_LIMIT"]


async def test_what_cannot_be_known_counts_against_the_request() -> None:
    for item in ("when: {address: [10.0.0.0/8]}", "unless: {address: [10.0.0.0/8]}"):
        shop = world(item)
        nowhere = {"remote_address": ""}
        assert await codes(shop, nowhere, nowhere) == ["OK", "OVER_LIMIT"], item
    for item in ("when: {identity.plan: [trial-*]}", "unless: {identity.plan: [trial-*]}"):
        shop = world(item)
        long = "trial-" + 300 * "a"
        assert await codes(shop, {}, {}, plan=long) == ["OK", "OVER_LIMIT"], item


MISTAKES = {
    "when: {}": "limits[0].when: expected address or identity.FIELD, found nothing",
    "when: {host: [x]}": "limits[0].when.host: expected address or identity.FIELD, found 'host'",
    "when: {identity.: [x]}": "expected address or identity.FIELD, found 'identity.'",
    "when: {address: []}": f"limits[0].when.address: expected 1 to {MOST} entries, found 0",
    "unless: {address: [10.0.0.0/8, 10.0.0.1/8]}": "limits[0].unless.address[1]: expected a net",
    "unless: {address: [localhost]}": "expected a network or an address, found 'localhost'",
    "when: {identity.plan: ['a*b']}": "limits[0].when.identity.plan[0]: expected a text of 1 to",
    "when: {identity.plan: ['']}": "expected a text of 1 to 200 bytes",
    "when: {identity.plan: free}": "limits[0].when.identity.plan: expected",
    "when: [free]": "limits[0].when: expected",
}


@pytest.mark.parametrize("item", MISTAKES)
def test_a_mistake_is_told_with_its_place(item: str) -> None:
    text = f"limits:\n  - {{name: a, rate: 1/min, {item}}}"
    rejected = built({"p.yaml": policy("p", text)})
    assert isinstance(rejected, Rejected)
    (problem,) = rejected.problems
    assert str(problem).startswith("p.yaml:6:")
    assert MISTAKES[item] in str(problem)


async def test_a_policy_that_inherits_may_change_whom_a_limit_is_for() -> None:
    shop = World(
        {
            "a.yaml": policy(
                "all",
                "limits:\n  - {name: a, rate: 1/min, when: {identity.plan: [free]}}",
            ),
            "b.yaml": policy(
                "one",
                "limits:\n  - {name: a, when: null}",
                on="{host: shop.example}",
            ),
        }
    )
    assert await codes(shop, {}, {}, plan="gold") == ["OK", "OVER_LIMIT"]
    assert await codes(shop, {"host": "other.example"}, plan="gold") == ["OK"]

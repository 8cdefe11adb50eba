"""Rates of single values, from the file to the answer."""

import gc
import sys
import time

import pytest

from callout.config import identity
from callout.config.bundle import Bundle
from callout.config.problems import Rejected
from callout.config.snapshot import Snapshot, build
from ratelimit.config import LimitsSection
from ratelimit.overrides.file import Values, parse
from tests.ratelimit.world import World, built, code, policy

CUSTOMERS = """\
acme: 3/min
"trial-*": 1/min
"trial-gold-*": [2/min, 4/h]
internal: unlimited
"""
PER_USER = policy(
    "shop",
    "limits: [{name: per-user, by: [identity.sub], rate: 2/min, overrides: limits/customers.yaml}]",
)
NETWORKS = policy(
    "shop", "limits: [{name: per-ip, by: [address], rate: 1/min, overrides: limits/ips.yaml}]"
)


def files(customers: str = CUSTOMERS) -> dict[str, str]:
    return {"shop.yaml": PER_USER, "limits/customers.yaml": customers}


def who(sub: str) -> str:
    return identity.encode({"sub": sub})


async def passes(world: World, most: int = 6, **entries: str) -> int:
    """How many pass before the first that does not."""
    for number in range(most):
        if code(await world.visit(**entries)) != "OK":
            return number
    return most


@pytest.mark.parametrize(
    ("sub", "allowed"),
    [("acme", 3), ("trial-1", 1), ("trial-gold-1", 2), ("internal", 6), ("other", 2)],
)
async def test_who_is_in_the_file_has_its_rate_and_all_others_that_of_the_limit(
    sub: str, allowed: int
) -> None:
    assert await passes(World(files()), id=who(sub)) == allowed


async def test_values_that_share_a_beginning_have_counters_of_their_own() -> None:
    world = World(files())
    for sub in ("trial-1", "trial-2", "trial-3"):
        assert await passes(world, id=who(sub)) == 1


async def test_an_override_replaces_all_windows_of_the_limit_by_its_own() -> None:
    world = World(
        {
            "shop.yaml": PER_USER.replace("2/min", "[1/s, 2/min]"),
            "limits/customers.yaml": CUSTOMERS,
        }
    )
    assert await passes(world, id=who("acme")) == 3
    assert await passes(world, id=who("other")) == 1
    world.clock.move(60)
    assert await passes(world, id=who("trial-gold-1")) == 2
    world.clock.move(60)
    assert await passes(world, id=who("trial-gold-1")) == 2
    world.clock.move(60)
    assert await passes(world, id=who("trial-gold-1")) == 0  # of four an hour


async def test_networks_have_rates_too() -> None:
    world = World(
        {"shop.yaml": NETWORKS, "limits/ips.yaml": "10.0.0.0/8: 2/min\n10.1.2.3: unlimited\n"}
    )
    assert await passes(world, remote_address="10.9.9.9") == 2
    assert await passes(world, remote_address="10.1.2.3") == 6
    assert await passes(world, remote_address="::ffff:10.9.9.8") == 2
    assert await passes(world, remote_address="192.0.2.1") == 1


async def test_who_is_counted_by_address_for_want_of_an_identity_has_no_override() -> None:
    world = World(files('"10.0.0.1": unlimited\n"1*": unlimited\n'))
    assert await passes(world, remote_address="10.0.0.1") == 2


async def test_a_changed_rate_holds_at_once_for_what_was_counted_already() -> None:
    world = World(files())
    assert await passes(world, id=who("acme")) == 3
    world.load(files("acme: 7/min\n"))
    assert await passes(world, id=who("acme")) == 3  # 7, of which four were counted
    world.load(files("acme: 7/h\n"))
    assert await passes(world, most=9, id=who("acme")) == 7  # another window starts anew
    world.load(files("{}"))
    assert await passes(world, id=who("acme")) == 0


async def test_the_decision_tells_which_line_of_the_file_it_was() -> None:
    world = World(files())
    for _ in range(2):
        await world.visit(id=who("trial-1"))
    assert world.seen.last.detail == "per-user 1/minute (per-user by limits/customers.yaml:2)"


BUCKETS = PER_USER.replace("rate: 2/min", "rate: 2/min, algorithm: token-bucket, burst: 4")


async def test_an_override_has_its_own_burst_or_that_of_its_rate() -> None:
    world = World(
        {
            "shop.yaml": BUCKETS,
            "limits/customers.yaml": "a: {rate: 1/min, burst: 3}\nb: 5/min\nc: unlimited\n",
        }
    )
    assert await passes(world, id=who("a")) == 3
    assert await passes(world, id=who("b")) == 5
    assert await passes(world, id=who("c")) == 6
    assert await passes(world, id=who("d")) == 4
    world.clock.move(60)
    assert await passes(world, id=who("a")) == 1
    assert await passes(world, id=who("d")) == 2


def problems(customers: str, limit: str = PER_USER) -> list[str]:
    found = built({"shop.yaml": limit, "limits/customers.yaml": customers})
    assert isinstance(found, Rejected)
    return [str(each) for each in found.problems]


def test_mistakes_in_the_file_are_told_with_its_places() -> None:
    assert problems('acme: 3/mi\n"": 1/s\na*b: 1/s\nlist: [1/s, 2/s]\nnumber: 3\n') == [
        "limits/customers.yaml:1:7: acme: expected N/UNIT or N/M UNIT, as 100/min or 100/5min, "
        "with N from 0 to 4294967295, M UNIT no longer than a year, and UNIT one of s, sec, "
        "second, min, minute, h, hour, d, day, week, month, year, found '3/mi'",
        "limits/customers.yaml:2:1: expected a text of 1 to 200 bytes with no `*` but at its "
        "end, found ''",
        "limits/customers.yaml:3:1: a*b: expected a text of 1 to 200 bytes with no `*` but at its "
        "end, found 'a*b'",
        "limits/customers.yaml:4:7: list: expected windows that differ, found '1/s' and '2/s'",
        "limits/customers.yaml:5:9: number: expected text or a list, found the number 3",
    ]


def test_a_network_that_is_there_twice_is_told_with_both_places() -> None:
    found = built(
        {"shop.yaml": NETWORKS, "limits/ips.yaml": "10.0.0.1: 1/s\n10.0.0.1/32: 2/s\nacme: 1/s\n"}
    )
    assert isinstance(found, Rejected)
    assert [str(each) for each in found.problems] == [
        "limits/ips.yaml:2:1: 10.0.0.1/32: expected each once, found it again (first in line 1)",
        "limits/ips.yaml:3:1: acme: expected a network or an address, found 'acme'",
    ]


def test_what_the_algorithm_of_the_limit_cannot_count_is_told_with_the_line_of_the_rate() -> None:
    said = problems("x: 1/s\na: {rate: 1/min, burst: 3}\nb: {rate: 1/min, burst: 3}\n")
    assert said == [
        "shop.yaml:5:71: limits[0].overrides: limits/customers.yaml:2: expected no `burst`, which "
        "only `algorithm: token-bucket` has"
    ]
    said = problems("a: {rate: [1/s, 2/h], burst: 3}\nb: {burst: 1}\n", BUCKETS)
    assert [each.partition(" ")[0] for each in said] == [
        "limits/customers.yaml:1:11:",
        "limits/customers.yaml:2:4:",
    ]


@pytest.mark.parametrize("text", ["", "[]", "acme", "a: 1/s\n---\nb: 1/s\n"])
def test_a_file_that_is_no_mapping_is_refused(text: str) -> None:
    assert "expected one document, a mapping of values to rates" in problems(text)[0]


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (PER_USER.replace("customers", "customer"), "expected a file of the bundle, found no"),
        (PER_USER.replace("limits/customers", "../customers"), "expected a file of the bundle"),
        (PER_USER.replace("[identity.sub]", "[host]"), "expected `by` to begin with address or"),
        (PER_USER.replace("by: [identity.sub], ", ""), "expected `by` to begin with address or"),
    ],
)
def test_a_limit_that_can_have_no_overrides_is_told_so(limit: str, said: str) -> None:
    (problem,) = problems(CUSTOMERS, limit)
    assert said in problem
    assert problem.startswith("shop.yaml:5:")


def test_a_file_with_many_mistakes_tells_a_hundred() -> None:
    found = parse("x.yaml", b"".join(b"k%d: x\n" % number for number in range(1000)), False)
    assert isinstance(found, Rejected)
    assert len(found.problems) == 100


def test_a_file_is_read_once_for_all_policies_and_forgotten_with_its_bundle() -> None:
    section = LimitsSection()
    policies = {
        f"{name}.yaml": policy(name, PER_USER.split("\n", 4)[4], f"{{host: {name}.example}}")
        for name in ("one", "two")
    }
    texts = {path: text.encode() for path, text in (policies | files()).items()}
    del texts["shop.yaml"]
    bundle = Bundle(texts)
    snapshot = build(bundle, [section])
    assert isinstance(snapshot, Snapshot), snapshot
    first, second = (
        effective.block("limits").limits[0].overrides  # type: ignore[attr-defined]
        for effective in snapshot.policies.effective
    )
    assert first is second
    table = first.table
    del first, second, snapshot, bundle
    gc.collect()
    assert sys.getrefcount(table) == 2  # `table`, and the argument


def test_a_hundred_thousand_customers_are_read_in_seconds_and_found_as_fast_as_ten() -> None:
    def of(count: int) -> tuple[Values, float]:
        lines = [b"customer-%d: %d/min\n" % (each, each % 50 + 1) for each in range(count)]
        started = time.process_time()
        read = parse("x.yaml", b"".join([*lines, b'"trial-*": 1/s\n']), False)
        took = time.process_time() - started
        assert isinstance(read, Values)
        return read, took

    many, took = of(100_000)
    assert took < 10  # 1.5 s on a quiet machine
    assert len(many.rates) == 51
    few, _ = of(10)

    def cost(values: Values) -> float:
        best = 1.0
        for _ in range(5):
            started = time.process_time()
            for number in range(2_000):
                values.table.find(f"customer-{number}")
            best = min(best, time.process_time() - started)
        return best

    # A scan would be ten thousand times as long.
    assert cost(many) < 20 * cost(few)

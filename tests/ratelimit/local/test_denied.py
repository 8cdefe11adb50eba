"""Counters that are known to be over, in the cache and through the service."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from callout.testing.requests import rate_limit_request
from ratelimit.limits import HOUR, Limit
from ratelimit.local.denied import TRUST, Denied
from ratelimit.plan import Counted, Group, Plan
from ratelimit.stores.contract import Hit, StoreUnavailable
from ratelimit.stores.memory import MemoryStore
from tests.ratelimit.world import World, code, policy

T = TypeVar("T")
NOW = 1_735_689_600.0


def plan(*keys: bytes, requests: int = 5) -> Plan:
    return Plan((Group((Counted(Limit(requests, HOUR), 1),) * len(keys)),), keys=keys)


def noted(denied: Denied, asked: Plan, counts: Sequence[int], now: float = NOW) -> None:
    denied.note(asked, asked.hits(now), counts, now)


def known(denied: Denied, asked: Plan, now: float = NOW) -> list[int] | None:
    return denied.counts(asked, asked.hits(now), now)


def test_only_counters_above_their_limit_are_known() -> None:
    denied, asked = Denied(), plan(b"a")
    noted(denied, asked, [5])
    assert known(denied, asked) is None
    assert denied.until == 0
    noted(denied, asked, [6])
    assert known(denied, asked) == [6]
    assert denied.until == NOW + TRUST


def test_they_are_trusted_for_so_long_and_never_when_the_clock_was_set_back() -> None:
    denied, asked = Denied(), plan(b"a")
    noted(denied, asked, [6])
    assert known(denied, asked, NOW + TRUST * 0.99) == [6]
    assert known(denied, asked, NOW + TRUST) is None
    noted(denied, asked, [6], NOW + 2)
    assert known(denied, asked, NOW + 1) is None


def test_they_end_with_their_window() -> None:
    denied, asked = Denied(), plan(b"a")
    noted(denied, asked, [6], NOW + 3600 - TRUST / 2)
    assert known(denied, asked, NOW + 3600) is None
    key = asked.hits(NOW + 3599)[0].key
    assert denied.last(key, NOW + 3599) == 6
    assert denied.last(key, NOW + 3600) == 0


def test_the_store_is_asked_unless_all_counters_of_a_request_are_known() -> None:
    denied = Denied()
    noted(denied, plan(b"a", b"b"), [6, 1])
    assert known(denied, plan(b"a", b"b")) is None
    noted(denied, plan(b"b"), [9])
    assert known(denied, plan(b"a", b"b")) == [6, 9]


def test_a_raised_limit_is_compared_anew() -> None:
    denied = Denied()
    noted(denied, plan(b"a"), [6])
    assert known(denied, plan(b"a", requests=6)) is None
    assert known(denied, plan(b"a", requests=5)) == [6]


def test_a_refund_makes_this_worker_ask_at_once() -> None:
    denied, asked = Denied(), plan(b"a")
    noted(denied, asked, [6])
    denied.forget(asked.hits(NOW))
    assert known(denied, asked) is None
    assert denied.last(asked.hits(NOW)[0].key, NOW) == 0


def test_a_hundred_thousand_keys_leave_it_bounded_and_it_forgets_the_oldest() -> None:
    denied = Denied(most=1000)
    for number in range(100_000):
        hit = Hit(b"%d" % number, 1, int(NOW) + 60)
        denied.note(_ONE, (hit,), (6,), NOW)
    assert len(denied) == 1000
    assert denied.last(b"99000", NOW) == 6
    assert denied.last(b"98999", NOW) == 0


_ONE = plan(b"a")

BUNDLE = """
domain: shop
descriptors:
  - key: user
    rate_limit: {unit: hour, requests_per_unit: %d}
"""


class Asked(MemoryStore):
    """Counts how often it is asked."""

    requests = 0

    def add(
        self,
        hits: Sequence[Hit],
        now: float,
        deadline: float | None,
        then: Callable[[Sequence[int] | StoreUnavailable], T],
    ) -> T:
        self.requests += 1
        return super().add(hits, now, deadline, then)


async def test_a_flood_against_one_counter_reaches_the_store_once_in_a_while() -> None:
    store = Asked()
    shop = World({"ratelimit/shop.yaml": BUNDLE % 5}, store, denied=Denied())
    words = [code(await shop.ask("shop", {"user": "ann"})) for _ in range(1000)]
    assert words == ["OK"] * 5 + ["OVER_LIMIT"] * 995
    assert store.requests == 6
    assert {each.reason for each in shop.seen.decisions[5:]} == {"over_limit"}
    # Another one is not met by it, and the answers are the store's own.
    assert code(await shop.ask("shop", {"user": "bob"})) == "OK"
    request = rate_limit_request("shop", {"user": "ann"})
    from_here = await shop.asked(request)
    shop.clock.move(TRUST)
    from_there = await shop.asked(request)
    assert store.requests == 8
    assert from_here == from_there


async def test_after_a_reload_with_a_higher_limit_the_next_request_passes() -> None:
    shop = World({"ratelimit/shop.yaml": BUNDLE % 2}, Asked(), denied=Denied())
    words = [code(await shop.ask("shop", {"user": "ann"})) for _ in range(9)]
    assert words == ["OK"] * 2 + ["OVER_LIMIT"] * 7
    shop.load({"ratelimit/shop.yaml": BUNDLE % 5})
    words = [code(await shop.ask("shop", {"user": "ann"})) for _ in range(9)]
    # The counter stood at 3: what was refused without asking was not counted.
    assert words == ["OK"] * 2 + ["OVER_LIMIT"] * 7


async def test_who_only_asks_is_not_refused_by_what_was_refused_to_many_hits_at_once() -> None:
    limits = "limits: [{name: a, rate: 2/hour}]"
    shop = World({"p.yaml": policy("p", limits)}, Asked(), denied=Denied())
    entries = {"host": "x", "path": "/", "method": "GET", "remote_address": "10.0.0.1"}
    ask = rate_limit_request("gatewright", entries)
    ask.descriptors[0].hits_addend.value = 0
    many = rate_limit_request("gatewright", entries, hits_addend=2)
    assert [code(await shop.asked(each)) for each in (many, many)] == ["OK", "OVER_LIMIT"]
    # Exactly all of it is used.
    assert code(await shop.asked(ask)) == "OK"
    assert code(await shop.ask("gatewright", entries)) == "OVER_LIMIT"
    assert code(await shop.asked(ask)) == "OK"
    shop.clock.move(TRUST)
    assert code(await shop.ask("gatewright", entries)) == "OVER_LIMIT"
    # That one was counted, and now it is more.
    assert code(await shop.asked(ask)) == "OVER_LIMIT"

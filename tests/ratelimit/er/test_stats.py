"""Statistics of rules, beside the model of envoyproxy/ratelimit and against unbounded values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelimit.er.stats import (
    LONGEST,
    OTHER,
    PROMETHEUS,
    STATISTICS,
    ErStats,
    Statistic,
    prometheus_labels,
    statsd_name,
)
from ratelimit.limits import YEAR, Limit
from ratelimit.plan import Counted, Group, Plan
from tests.ratelimit.er.model import Asked, Model
from tests.ratelimit.world import Away, World

RULE = "edge.tenant"


def plan(limit: int, hits: int, rule: str = RULE, shadow: bool = False) -> Plan:
    counted = Counted(Limit(limit, YEAR), hits, shadow, statistic=rule)
    return Plan((Group((counted,)),), "edge")


def told(stats: ErStats) -> dict[str, int]:
    return {each.name: each.value for each in stats.statistics()}


@given(
    st.sampled_from([0, 1, 2, 3, 5, 10, 99, 1000, 16_777_217, 2**32 - 1]),
    st.lists(st.sampled_from([0, 1, 2, 3, 7, 100, 2**31]), max_size=12),
    st.sampled_from([0.0, 0.1, 0.5, 0.8, 1.0]),
)
def test_hits_are_counted_as_the_model_counts_them(
    limit: int, hits: list[int], ratio: float
) -> None:
    rate = {"unit": "year", "requests_per_unit": limit}
    descriptors = [{"key": "tenant", "rate_limit": rate}]
    model = Model([{"domain": "edge", "descriptors": descriptors}], near=ratio)
    stats = ErStats(ratio)
    after = 0
    for each in hits:
        after += each
        stats.count(plan(limit, each), [after])
        model.should_rate_limit("edge", [Asked((("tenant", "a"),), each)], 0)

    expected = {name.rpartition(".")[2]: count for name, count in model.stats.items() if count}
    assert told(stats) == expected


@pytest.mark.parametrize(
    ("before", "hits", "shadow"),
    [(0, 3, 0), (8, 4, 2), (9, 1, 0), (10, 1, 1), (10, 5, 5), (50, 5, 5)],
)
def test_of_a_rule_in_shadow_mode_those_above_the_limit_count(
    before: int, hits: int, shadow: int
) -> None:
    stats = ErStats()

    stats.count(plan(10, hits, shadow=True), [before + hits])

    assert told(stats).get("shadow_mode", 0) == shadow == told(stats).get("over_limit", 0)


def test_what_was_known_to_be_over_is_said() -> None:
    stats = ErStats()

    stats.count(plan(10, 3), [11], known=True)

    assert told(stats) == {"total_hits": 3, "over_limit": 3, "over_limit_with_local_cache": 3}


def test_hits_count_also_when_the_counters_could_not_be_asked() -> None:
    stats = ErStats()

    stats.unavailable(plan(10, 3))

    assert told(stats) == {"total_hits": 3}
    assert dict(stats.counters())["ratelimit.service.call.should_rate_limit.redis_error"] == 1


def test_a_policy_s_limit_has_no_statistic() -> None:
    stats = ErStats()

    stats.count(plan(10, 1, rule=""), [1])

    assert list(stats.statistics()) == []


def test_a_million_values_make_no_more_names_than_there_may_be() -> None:
    stats = ErStats(most_rules=100)
    for number in range(1_000_000):
        stats.count(plan_of(number), [1])

    found = list(stats.statistics())
    assert len({each.rule for each in found}) == 101
    assert sum(each.value for each in found if each.name == "total_hits") == 1_000_000
    others = {each.name: each.value for each in found if each.rule == f"edge.{OTHER}"}
    assert others["total_hits"] == 1_000_000 - 100


def test_a_name_that_a_client_made_long_takes_no_place_of_its_own() -> None:
    stats = ErStats()
    for number in range(3):
        stats.count(plan(5, 1, f"edge.tenant_{'x' * LONGEST}{number}"), [1])
        stats.unavailable(plan(5, 1, f"edge.tenant_{'x' * LONGEST}{number}"))
    assert set(stats.rows) == {f"edge.{OTHER}"}
    assert stats.rows[f"edge.{OTHER}"][0] == 6


_LIMIT = Limit(10, YEAR)


def plan_of(number: int) -> Plan:
    counted = Counted(_LIMIT, 1, statistic=f"edge.tenant_{number}")
    return Plan((Group((counted,)),), "edge")


FILE = """domain: edge
descriptors:
  - key: tenant
    rate_limit: {unit: year, requests_per_unit: 2}
  - key: user
    detailed_metric: true
    shadow_mode: true
    rate_limit: {unit: year, requests_per_unit: 1}
  - key: free
    rate_limit: {unlimited: true}
"""


async def test_the_service_counts_what_rules_say() -> None:
    stats = ErStats()
    world = World({"ratelimit/edge.yaml": FILE}, stats=stats)
    for _ in range(3):
        await world.ask("edge", {"tenant": "a"}, {"user": "ann"}, {"free": "x"}, {"no": "rule"})
    await world.asked(b"\xff")

    found = {f"{each.rule}.{each.name}": each.value for each in stats.statistics()}
    assert found == {
        "edge.tenant.total_hits": 3,
        "edge.tenant.within_limit": 2,
        "edge.tenant.near_limit": 1,
        "edge.tenant.over_limit": 1,
        "edge.user_ann.total_hits": 3,
        "edge.user_ann.within_limit": 1,
        "edge.user_ann.near_limit": 1,
        "edge.user_ann.over_limit": 2,
        "edge.user_ann.shadow_mode": 2,
    }
    assert (stats.service_errors, stats.redis_errors) == (1, 0)


async def test_the_service_counts_what_no_store_answered() -> None:
    stats = ErStats()
    world = World({"ratelimit/edge.yaml": FILE}, Away(), stats=stats)

    await world.ask("edge", {"tenant": "a"})

    assert told(stats) == {"total_hits": 1}
    assert (stats.service_errors, stats.redis_errors) == (0, 1)


def test_names_are_envoyproxy_ratelimit_s() -> None:
    names = [statsd_name(Statistic("mongo_cps.database_users", each, 1)) for each in STATISTICS]

    assert names[0] == "ratelimit.service.rate_limit.mongo_cps.database_users.total_hits"
    assert {each.rpartition(".")[2] for each in names} == set(STATISTICS)


@pytest.mark.parametrize("text", ["a:9|c", "a\nfake:9|c", "a\r\x00b|#tag:x"])
def test_a_value_cannot_make_another_statistic(text: str) -> None:
    name = statsd_name(Statistic(f"edge.tenant_{text}", "total_hits", 1))

    assert not set(name) & {":", "|", "\n", "\r", "\x00"}


@pytest.mark.parametrize(
    ("rule", "labels"),
    [
        ("domain1", None),
        ("domain1.key1_val1", {"domain": "domain1", "key1": "key1_val1"}),
        (
            "domain1.key1_val1.key2_val2",
            {"domain": "domain1", "key1": "key1_val1", "key2": "key2_val2"},
        ),
        (
            "domain1.key3_val3.key4_val4.key5_val5",
            {"domain": "domain1", "key1": "key3_val3", "key2": "key4_val4"},
        ),
    ],
)
def test_labels_are_those_of_its_own_tests(rule: str, labels: dict[str, str] | None) -> None:
    assert prometheus_labels(rule) == labels
    assert PROMETHEUS["over_limit"] == "ratelimit_service_rate_limit_over_limit"
    assert "over_limit_with_local_cache" not in PROMETHEUS

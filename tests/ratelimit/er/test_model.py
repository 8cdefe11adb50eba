"""The model itself, by cases that envoyproxy/ratelimit publishes with its tests."""

from typing import Any

import pytest
import yaml

from callout.testing import data
from tests.ratelimit.er.model import Asked, ConfigError, Model


def config(name: str) -> dict[str, Any]:
    text = (data.require("ratelimit-config") / f"{name}.yaml").read_text()
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def rules(*descriptors: dict[str, Any]) -> dict[str, Any]:
    return {"domain": "domain", "descriptors": list(descriptors)}


def per_second(requests: int, **more: Any) -> dict[str, Any]:
    return {"rate_limit": {"unit": "second", "requests_per_unit": requests}} | more


@pytest.mark.parametrize(
    ("before", "hits", "limit", "expected"),
    [
        (2, 5, 5, {"over_limit": 2, "near_limit": 1}),
        (2, 4, 10, {"within_limit": 4}),
        (8, 1, 10, {"within_limit": 1, "near_limit": 1}),
        (5, 5, 10, {"within_limit": 5, "near_limit": 2}),
        (10, 3, 10, {"over_limit": 3}),
        (10, 0, 10, {"near_limit": 0, "within_limit": 0}),
        (0, 1, 0, {"over_limit": 1}),
    ],
)
def test_hits_are_split_at_the_limit_and_near_it(
    before: int, hits: int, limit: int, expected: dict[str, int]
) -> None:
    model = Model([rules({"key": "key", **per_second(limit)})])
    entries = (("key", "value"),)
    if before:
        model.should_rate_limit("domain", [Asked(entries, before)], 1234)
    model.stats.clear()
    model.should_rate_limit("domain", [Asked(entries, hits)], 1234)
    assert model.counters == {"domain_key_value_1234": before + hits}
    assert model.stats == {
        f"domain.key.{name}": count for name, count in {"total_hits": hits, **expected}.items()
    }


def test_what_is_near_is_said_in_single_precision() -> None:
    model = Model([rules({"key": "key", **per_second(2**32 - 1)})])
    # 3435973888 there: what 0.8 and 4294967295 are as float32, multiplied.
    model.should_rate_limit("domain", [Asked((("key", "value"),), 3435973889)], 1234)
    assert model.stats["domain.key.near_limit"] == 1


KEYS = {
    "a value": ([("files", "files/a.pdf")], "domain_files_files/*_1234", "domain.files_files/*"),
    "a level below": (
        [("parent", "value1"), ("files", "nested/x")],
        "domain_parent_value1_files_nested/*_1234",
        "domain.parent.files_nested/*",
    ),
    "two levels": (
        [("files", "top/a"), ("files", "nested/b")],
        "domain_files_top/*_files_nested/*_1234",
        "domain.files_top/*.files_nested/*",
    ),
    "values of their own": ([("wild", "foo1")], "domain_wild_foo1_1234", "domain.wild_foo*"),
    "in names": (
        [("route", "r1"), ("m", "GET")],
        "domain_route_r1_m_GET_1234",
        "domain.route_r1.m",
    ),
    "in detail": ([("all", "a"), ("m", "")], "domain_all_a_m__1234", "domain.all_a.m_"),
    "in detail, shared": (
        [("svc", "svc/1"), ("m", "x")],
        "domain_svc_svc/*_m_x_1234",
        "domain.svc_svc/*.m_x",
    ),
}
SHARED = rules(
    {"key": "files", "value": "files/*", "share_threshold": True, **per_second(1)},
    {
        "key": "files",
        "value": "top/*",
        "share_threshold": True,
        "descriptors": [
            {"key": "files", "value": "nested/*", "share_threshold": True, **per_second(1)}
        ],
    },
    {
        "key": "parent",
        "descriptors": [
            {"key": "files", "value": "nested/*", "share_threshold": True, **per_second(1)}
        ],
    },
    {"key": "wild", "value": "foo*", **per_second(1)},
    {"key": "route", "value": "r*", "value_to_metric": True}
    | {"descriptors": [{"key": "m", **per_second(1)}]},
    {"key": "all", "descriptors": [{"key": "m", "detailed_metric": True, **per_second(1)}]},
    {
        "key": "svc",
        "value": "svc/*",
        "share_threshold": True,
        "descriptors": [{"key": "m", "detailed_metric": True, **per_second(1)}],
    },
)


@pytest.mark.parametrize("what", KEYS)
def test_counters_and_statistics_are_named(what: str) -> None:
    entries, counter, name = KEYS[what]
    model = Model([SHARED])
    model.should_rate_limit("domain", [Asked(tuple(entries), 1)], 1234)
    assert list(model.counters) == [counter]
    assert model.stats[f"{name}.total_hits"] == 1


def test_the_published_files_load_or_are_refused() -> None:
    for name in ("basic_config", "share_threshold", "wildcard", "metadata", "shadowmode_config"):
        assert Model([config(name)]).domains
    merged = Model([config("merge_domain_key1"), config("merge_domain_key2")], merge=True)
    assert set(merged.domains["test-domain"].children) == {"key1_value1", "key2_value2"}
    for name in ("empty_domain", "empty_key", "duplicate_key", "bad_limit_unit", "replaces_self"):
        with pytest.raises(ConfigError):
            Model([config(name)])


def test_basic_lookups_of_the_published_file() -> None:
    model = Model([config("basic_config")])

    def requests(*entries: tuple[str, str]) -> int | None:
        limit = model.get_limit("test-domain", Asked(entries, 1))
        return limit.requests_per_unit if limit is not None else None

    assert requests(("key1", "value1")) is None
    assert requests(("key1", "value1"), ("subkey1", "something")) == 5
    assert requests(("key1", "value1"), ("subkey1", "subvalue1")) == 10
    assert requests(("key2", "something")) == 20
    assert requests(("key2", "value2")) == 30
    assert requests(("key2", "value3")) is None
    assert requests(("key5", "value5"), ("subkey5", "subvalue")) is None
    assert requests(("key5", "value5"), ("subkey5", "subvalue5")) == 25


def test_all_quotas_together_refuse_and_one_alone_does_not() -> None:
    quota = {"quota_mode": True}
    model = Model(
        [rules({"key": "a", **per_second(0, **quota)}, {"key": "b", **per_second(1, **quota)})]
    )
    both = [Asked((("a", ""),), 1), Asked((("b", ""),), 1)]
    first = model.should_rate_limit("domain", both, 7)
    assert (first.code, [each.code for each in first.statuses]) == ("OK", ["OVER_LIMIT", "OK"])
    assert model.should_rate_limit("domain", both, 7).code == "OVER_LIMIT"


def test_what_is_over_is_still_counted_and_spares_the_others() -> None:
    """The scenario of envoyproxy/ratelimit#427: three of a route, ten of its group."""
    group, route = (("group", "bar"),), (("route", "special"),)
    written = rules(
        {"key": "group", "rate_limit": {"unit": "minute", "requests_per_unit": 10}},
        {"key": "route", "rate_limit": {"unit": "minute", "requests_per_unit": 3}},
    )
    model = Model([written], stop=True)
    codes = [
        model.should_rate_limit("domain", [Asked(group, 1), Asked(route, 1)], 60).code
        for _ in range(5)
    ]
    assert codes == ["OK"] * 3 + ["OVER_LIMIT"] * 2
    assert model.counters == {"domain_group_bar_60": 3, "domain_route_special_60": 5}
    (status,) = model.should_rate_limit("domain", [Asked(group, 1)], 60).statuses
    assert status.remaining == 6


def test_a_month_of_the_calendar_is_as_long_as_it_is() -> None:
    month = {"rate_limit": {"unit": "month", "requests_per_unit": 5}}
    model = Model([rules({"key": "key", **month})], calendar=True)
    # 2028-02-29 23:59:00 and 2028-12-31 23:59:59, UTC.
    for now, start, reset in ((1835481540, 1832976000, 60), (1861919999, 1859241600, 1)):
        answer = model.should_rate_limit("domain", [Asked((("key", "v"),), 1)], now)
        assert answer.statuses[0].reset == reset
        assert model.kept[f"domain_key_v_{start}"] == reset

"""Files as envoyproxy/ratelimit takes them; what is wrong with them, and where."""

import json
from pathlib import Path

import pytest

from callout.config.problems import Rejected
from callout.testing import data
from ratelimit.domains import load
from ratelimit.rules import find

GOOD = b"""
domain: shop
descriptors:
  - key: user
    rate_limit: {unit: MINUTE, requests_per_unit: 5}
    shadow_mode: true
  - key: vip
    rate_limit: {unlimited: true}
  - key: banned
    rate_limit: {unit: Second}
"""


def test_units_shadow_unlimited_and_zero() -> None:
    domains = load({"ratelimit/shop.yaml": GOOD})
    assert not isinstance(domains, Rejected)
    user = find(domains["shop"], [("user", "x")])
    assert user is not None
    assert user.shadow
    assert user.limit is not None
    assert (user.limit.requests, user.limit.unit.name) == (5, "minute")
    vip = find(domains["shop"], [("vip", "x")])
    assert vip is not None
    assert vip.limit is None
    banned = find(domains["shop"], [("banned", "x")])
    assert banned is not None
    assert banned.limit is not None
    assert banned.limit.requests == 0


def test_only_yaml_files_are_read_and_a_domain_needs_no_rules() -> None:
    files = {"ratelimit/a.yml": b"domain: a", "ratelimit/README.md": b"{", "ratelimit/b.txt": b"-"}
    assert list(load(files)) == ["a"]
    assert load({}) == {}


def bad(text: str, name: str = "ratelimit/x.yaml") -> list[str]:
    loaded = load({name: text.encode()})
    assert isinstance(loaded, Rejected)
    return [str(problem) for problem in loaded.problems]


LIMIT = "domain: d\ndescriptors:\n- key: k\n  rate_limit: "

PROBLEMS = {
    "nothing": ("", "ratelimit/x.yaml: expected a `domain`"),
    "no mapping": ("- a", "x.yaml:1:1: expected a mapping with domain, descriptors"),
    "no domain": ("descriptors:", "x.yaml:1:1: expected `domain`"),
    "empty domain": ('domain: ""', "x.yaml:1:9: domain: expected `domain`"),
    "number as domain": ("domain: 5", "x.yaml:1:9: domain: expected `domain`"),
    "our own domain": ("domain: gatewright", "x.yaml:1:9: domain: the domain `gatewright` is"),
    "unknown key": ("domain: d\nlimits: []", "x.yaml:2:1: limits: expected one of domain"),
    "descriptors no list": ("domain: d\ndescriptors: 5", "x.yaml:2:14: descriptors: expected a li"),
    "no key": ("domain: d\ndescriptors:\n- value: v", "x.yaml:3:3: descriptors[0]: a descriptor n"),
    "number as value": (
        "domain: d\ndescriptors:\n- key: k\n  value: 010",
        "x.yaml:4:10: descriptors[0].value: expected a text, found the number 10: put it in quotes",
    ),
    "star in key": (
        "domain: d\ndescriptors:\n- key: k*",
        "x.yaml:3:8: descriptors[0].key: a `*` in a key is not supported",
    ),
    "duplicate any value": (
        "domain: d\ndescriptors:\n- key: k\n- key: k\n  value: ''",
        "x.yaml:4:3: descriptors[1]: duplicate descriptor `k`",
    ),
    "duplicate wildcard": (
        "domain: d\ndescriptors:\n- {key: k, value: a*}\n- {key: k, value: a*}",
        "x.yaml:4:3: descriptors[1]: duplicate descriptor `k` = `a*`",
    ),
    "duplicate below": (
        "domain: d\ndescriptors:\n- key: k\n  descriptors: [{key: l}, {key: l}]",
        "descriptors[0].descriptors[1]: duplicate descriptor `l`",
    ),
    "no unit": (LIMIT + "{requests_per_unit: 1}", "x.yaml:4:15: descriptors[0].rate_limit: expect"),
    "unit unknown": (LIMIT + "{unit: unknown}", "descriptors[0].rate_limit.unit: expected `unit`"),
    "fortnight": (LIMIT + "{unit: fortnight}", "x.yaml:4:22: descriptors[0].rate_limit.unit: exp"),
    "negative": (LIMIT + "{unit: day, requests_per_unit: -1}", "x.yaml:4:46: descriptors[0].rate_"),
    "too many": (LIMIT + "{unit: day, requests_per_unit: 4294967296}", "from 0 to 4294967295"),
    "true is no number": (LIMIT + "{unit: day, requests_per_unit: true}", "expected a whole num"),
    "limit no mapping": (LIMIT + "5", "x.yaml:4:15: descriptors[0].rate_limit: expected a mapping"),
    "unlimited with unit": (LIMIT + "{unlimited: true, unit: day}", "an unlimited rate limit has"),
    "unlimited maybe": (LIMIT + "{unlimited: maybe}", "unlimited: expected true or false"),
    "shadow maybe": (
        "domain: d\ndescriptors:\n- key: k\n  shadow_mode: 1",
        "x.yaml:4:16: descriptors[0].shadow_mode: expected true or false",
    ),
    "misspelled": (LIMIT + "{unit: day, requestsperunit: 1}", "(did you mean `requests_per_unit`?"),
}


def test_the_problem_table_has_all_its_rows() -> None:
    assert len(PROBLEMS) == 25


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_mistake_is_a_problem_with_its_place(name: str) -> None:
    text, expected = PROBLEMS[name]
    found = bad(text)
    assert len(found) == 1, found
    assert expected in found[0]


NOT_BUILT_IN_LIMIT = ["name", "replaces"]
NOT_BUILT_IN_DESCRIPTOR = [
    "detailed_metric",
    "metadata",
    "quota_mode",
    "share_threshold",
    "value_to_metric",
]


@pytest.mark.parametrize("key", NOT_BUILT_IN_LIMIT)
def test_what_a_limit_cannot_do_yet_is_said_by_name(key: str) -> None:
    (problem,) = bad(f"{LIMIT}{{unit: day, {key}: x}}")
    assert f"rate_limit.{key}: `{key}` is not supported yet" in problem


@pytest.mark.parametrize("key", NOT_BUILT_IN_DESCRIPTOR)
def test_what_a_descriptor_cannot_do_yet_is_said_by_name(key: str) -> None:
    (problem,) = bad(f"domain: d\ndescriptors:\n- key: k\n  {key}: true")
    assert f"descriptors[0].{key}: `{key}` is not supported yet" in problem


def test_all_problems_of_all_files_come_at_once() -> None:
    loaded = load(
        {
            "ratelimit/a.yaml": b"domain: d\ndescriptors: [{key: k, bad: 1}, {value: v}]",
            "ratelimit/b.yaml": b"domain: d",
            "ratelimit/c.yaml": b"domain: [",
        }
    )
    assert isinstance(loaded, Rejected)
    text = "\n".join(map(str, loaded.problems))
    assert len(loaded.problems) == 4
    for part in ("a.yaml", "b.yaml:1:9: domain: duplicate domain `d`", "c.yaml"):
        assert part in text


# envoyproxy/ratelimit's own files, where they are at hand.


@pytest.fixture
def cases() -> Path:
    return data.require("ratelimit-config")


def test_all_that_envoyproxy_ratelimit_refuses_is_refused_in_its_file(cases: Path) -> None:
    expected = json.loads((cases / "expected-errors.json").read_text())
    checked = 0
    for names, error in expected.items():
        if "merge domains on" in names:
            continue  # a setting of that service
        files = {name: (cases / name).read_bytes() for name in names.split(" + ")}
        loaded = load(files)
        assert isinstance(loaded, Rejected), names
        assert error.partition(":")[0] in {problem.file for problem in loaded.problems}
        checked += 1
    assert checked == 13


@pytest.mark.parametrize(
    "name", ["shadowmode_config", "wildcard", "merge_domain_key1", "merge_domain_key2"]
)
def test_its_good_files_load(cases: Path, name: str) -> None:
    loaded = load({f"{name}.yaml": (cases / f"{name}.yaml").read_bytes()})
    assert list(loaded) == ["test-domain"]

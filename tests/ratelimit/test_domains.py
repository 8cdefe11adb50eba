"""Files as envoyproxy/ratelimit takes them; what is wrong with them, and where."""

import json
from pathlib import Path

import pytest

from callout.config.problems import Rejected
from callout.testing import data
from ratelimit.domains import load
from ratelimit.limits import Limit
from ratelimit.rules import Rule, Tree, match

GOOD = """
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


def loaded(text: str, **how: bool) -> dict[str, Tree]:
    domains = load({"ratelimit/shop.yaml": text.encode()}, **how)
    assert not isinstance(domains, Rejected), domains
    return domains


def met(tree: Tree, *entries: tuple[str, str]) -> Rule:
    found = match(tree, entries)
    assert found is not None
    return found.rule


def limit(tree: Tree, *entries: tuple[str, str]) -> Limit:
    found = met(tree, *entries).limit
    assert found is not None
    return found


def test_units_shadow_unlimited_and_zero() -> None:
    shop = loaded(GOOD)["shop"]
    user = met(shop, ("user", "x"))
    assert user.shadow
    assert user.limit is not None
    assert (user.limit.requests, user.limit.unit.name) == (5, "minute")
    assert met(shop, ("vip", "x")).limit is None
    assert limit(shop, ("banned", "x")).requests == 0


FULL = """
domain: d
descriptors:
  - key: a
    value: x*
    share_threshold: true
    value_to_metric: true
    shadow_mode: true
    quota_mode: true
    detailed_metric: true
    metadata: {team: {name: pay}}
    rate_limit:
      name: mine
      replaces: [{name: other}, {name: more}]
      unit: Minute
      unit_multiplier: 5
      requests_per_unit: 7
"""


def test_all_that_a_rule_may_say() -> None:
    tree = loaded(FULL)["d"]
    rule = met(tree, ("a", "xyz"))
    assert (rule.shadow, rule.quota, rule.detailed) == (True, True, True)
    assert (rule.name, rule.replaces) == ("mine", {"other", "more"})
    assert rule.metadata == {"team": {"name": "pay"}}
    assert (rule.key, rule.mark) == ("d.a_x*", ("ratelimit/shop.yaml", 4, 5))
    assert rule.limit is not None
    assert (rule.limit.requests, rule.limit.name) == (7, "mine")
    assert rule.limit.unit == ("5 minutes", 300)


def test_a_number_or_a_boolean_is_the_text_that_is_written() -> None:
    tree = loaded(
        "domain: 010\ndescriptors:\n- {key: 1, value: True, rate_limit: {unit: day}}\n"
        "- {key: 1, value: 0x1F, rate_limit: {unit: day, requests_per_unit: 2}}"
    )["010"]
    assert limit(tree, ("1", "True")).requests == 0
    assert limit(tree, ("1", "0x1F")).requests == 2


A = "domain: d\ndescriptors: [{key: a, rate_limit: {unit: day}}]"
B = "domain: d\ndescriptors: [{key: b, rate_limit: {unit: day}}]"


def test_files_of_one_domain_are_put_together_where_that_is_wanted() -> None:
    files = {"a.yaml": A.encode(), "b.yaml": B.encode()}
    merged = load(files, merge=True)
    assert not isinstance(merged, Rejected)
    assert limit(merged["d"], ("a", "")).requests == limit(merged["d"], ("b", "")).requests
    assert isinstance(load(files), Rejected)
    again = load({"a.yaml": A.encode(), "b.yaml": A.encode()}, merge=True)
    assert isinstance(again, Rejected)
    assert [str(each) for each in again.problems] == [
        "b.yaml:2:15: descriptors[0]: duplicate descriptor composite key 'd.a'"
    ]


GLUED = """
domain: d
descriptors:
  - {key: a_b, value: c, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: "k*", rate_limit: {unit: day, requests_per_unit: 2}}
"""


def test_glued_keys_confuse_what_they_confuse_in_envoyproxy_ratelimit() -> None:
    tree = loaded(GLUED, joined=True)["d"]
    assert limit(tree, ("a", "b_c")).requests == 1
    assert limit(tree, ("kind", "x")).requests == 2
    apart = loaded(GLUED.replace("k*", "k"))["d"]
    assert match(apart, (("a", "b_c"),)) is None
    same = "domain: d\ndescriptors: [{key: a_b}, {key: a, value: b}]"
    assert list(loaded(same)) == ["d"]
    assert isinstance(load({"x.yaml": same.encode()}, joined=True), Rejected)


def test_only_yaml_files_are_read_and_a_domain_needs_no_rules() -> None:
    files = {"ratelimit/a.yml": b"domain: a", "ratelimit/README.md": b"{", "ratelimit/b.txt": b"-"}
    assert list(load(files)) == ["a"]
    assert load({}) == {}


def bad(text: str, name: str = "ratelimit/x.yaml") -> list[str]:
    refused = load({name: text.encode()})
    assert isinstance(refused, Rejected)
    return [str(problem) for problem in refused.problems]


LIMIT = "domain: d\ndescriptors:\n- key: k\n  rate_limit: "

PROBLEMS = {
    "nothing": ("", "ratelimit/x.yaml: config file cannot have empty domain"),
    "no mapping": ("- a", "x.yaml:1:1: expected a mapping with domain, descriptors"),
    "no domain": ("descriptors:", "x.yaml:1:1: config file cannot have empty domain"),
    "empty domain": ('domain: ""', "x.yaml:1:9: domain: config file cannot have empty domain"),
    "fraction as domain": ("domain: 0.5", "x.yaml:1:9: domain: expected a text, found the numbe"),
    "our own domain": ("domain: gatewright", "x.yaml:1:9: domain: the domain `gatewright` is"),
    "unknown key": ("domain: d\nlimits: []", "x.yaml:2:1: limits: config error, unknown key 'lim"),
    "number as key": ("1: d", "x.yaml:1:1: config error, key is not of type string: 1"),
    "no yaml": ("domain: d\na: [", "error loading config file: yaml: line 2: did not find expect"),
    "yaml of ours": ("domain: d\ndomain: e", "error loading config file: expected each key onc"),
    "descriptors no list": ("domain: d\ndescriptors: 5", "x.yaml:2:14: descriptors: expected a li"),
    "list of texts": (
        "domain: d\ndescriptors: [a]",
        "yaml file contains list of type other than m",
    ),
    "no key": ("domain: d\ndescriptors:\n- value: v", "x.yaml:3:3: descriptors[0]: descriptor has"),
    "misplaced": (
        LIMIT + "{unit: day, shadow_mode: true}",
        "config error, unknown key 'shadow_mode",
    ),
    "star in key": (
        "domain: d\ndescriptors:\n- key: k*",
        "x.yaml:3:8: descriptors[0].key: a `*` in a key is not supported",
    ),
    "duplicate any value": (
        "domain: d\ndescriptors:\n- key: k\n- key: k\n  value: ''",
        "x.yaml:4:3: descriptors[1]: duplicate descriptor composite key 'd.k'",
    ),
    "duplicate wildcard": (
        "domain: d\ndescriptors:\n- {key: k, value: a*}\n- {key: k, value: a*}",
        "x.yaml:4:3: descriptors[1]: duplicate descriptor composite key 'd.k_a*'",
    ),
    "duplicate below": (
        "domain: d\ndescriptors:\n- key: k\n  descriptors: [{key: l}, {key: l}]",
        "descriptors[0].descriptors[1]: duplicate descriptor composite key 'd.k.l'",
    ),
    "no unit": (
        LIMIT + "{requests_per_unit: 1}",
        "x.yaml:4:15: descriptors[0].rate_limit: invalid",
    ),
    "unit unknown": (
        LIMIT + "{unit: unknown}",
        "rate_limit.unit: invalid rate limit unit 'unknown'",
    ),
    "fortnight": (LIMIT + "{unit: fortnight}", "x.yaml:4:22: descriptors[0].rate_limit.unit: inv"),
    "negative": (LIMIT + "{unit: day, requests_per_unit: -1}", "x.yaml:4:46: descriptors[0].rate_"),
    "too many": (LIMIT + "{unit: day, requests_per_unit: 4294967296}", "from 0 to 4294967295"),
    "true is no number": (LIMIT + "{unit: day, requests_per_unit: true}", "expected a whole num"),
    "no times": (LIMIT + "{unit: day, unit_multiplier: 0}", "a whole number from 1 to 366, found"),
    "too long": (
        LIMIT + "{unit: year, unit_multiplier: 2}",
        "a whole number from 1 to 1, found th",
    ),
    "limit no mapping": (LIMIT + "5", "x.yaml:4:15: descriptors[0].rate_limit: expected a mapping"),
    "unlimited with unit": (
        LIMIT + "{unlimited: true, unit: day}",
        "unit: should not specify rate",
    ),
    "unlimited maybe": (
        LIMIT + "{unlimited: maybe, unit: day}",
        "unlimited: expected true or false",
    ),
    "replaces nothing": (
        LIMIT + "{unit: day, replaces: [{name: }]}",
        "not have an empty replaces en",
    ),
    "replaces itself": (
        LIMIT + "{unit: day, name: n, replaces: [{name: n}]}",
        "rate_limit.replaces[0]: replaces should not contain name of same descriptor",
    ),
    "replaces a text": (LIMIT + "{unit: day, replaces: n}", "replaces: expected a list, found the"),
    "replaces by key": (LIMIT + "{unit: day, replaces: [{key: n}]}", "unknown key 'key'"),
    "shadow maybe": (
        "domain: d\ndescriptors:\n- key: k\n  shadow_mode: 1",
        "x.yaml:4:16: descriptors[0].shadow_mode: expected true or false",
    ),
    "shared without wildcard": (
        "domain: d\ndescriptors:\n- {key: k, value: v, share_threshold: true}",
        "share_threshold can only be used with wildcard values (containing '*'), but found key",
    ),
    "metadata no mapping": (
        "domain: d\ndescriptors:\n- {key: k, metadata: [a]}",
        "x.yaml:3:22: descriptors[0].metadata: expected a mapping, found a list of 1",
    ),
    "metadata too deep": (
        "domain: d\ndescriptors:\n- {key: k, metadata: {a: %s}}" % ("[" * 20 + "]" * 20),
        "x.yaml:3:22: descriptors[0].metadata: expected at most 20 levels of nesting",
    ),
    "misspelled": (LIMIT + "{unit: day, requestsperunit: 1}", "(did you mean `requests_per_unit`?"),
}


def test_the_problem_table_has_all_its_rows() -> None:
    assert len(PROBLEMS) == 38


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_mistake_is_a_problem_with_its_place(name: str) -> None:
    text, expected = PROBLEMS[name]
    found = bad(text)
    assert len(found) == 1, found
    assert expected in found[0]


def test_all_problems_of_all_files_come_at_once() -> None:
    refused = load(
        {
            "ratelimit/a.yaml": b"domain: d\ndescriptors: [{value: v}, {value: w}]",
            "ratelimit/b.yaml": b"domain: d",
            "ratelimit/c.yaml": b"domain: [",
        }
    )
    assert isinstance(refused, Rejected)
    text = "\n".join(map(str, refused.problems))
    assert len(refused.problems) == 4
    for part in ("a.yaml", "b.yaml:1:9: domain: duplicate domain 'd' in config file", "c.yaml"):
        assert part in text


# envoyproxy/ratelimit's own files, where they are at hand.


@pytest.fixture
def cases() -> Path:
    return data.require("ratelimit-config")


def test_all_that_envoyproxy_ratelimit_refuses_is_refused_in_its_words(cases: Path) -> None:
    expected = json.loads((cases / "expected-errors.json").read_text())
    for what, error in expected.items():
        names = what.removesuffix(" (merge domains on)").split(" + ")
        # Two of them are the same file: loaded twice, the second one from elsewhere.
        files = {
            name if name not in names[:index] else f"z/{name}": (cases / name).read_bytes()
            for index, name in enumerate(names)
        }
        refused = load(files, merge=what.endswith("(merge domains on)"))
        assert isinstance(refused, Rejected), what
        first = refused.problems[0]
        assert f"{first.file}: {first.message}".removeprefix("z/") == error
        assert first.line
    assert len(expected) == 14


GOOD_FILES = (
    "basic_config",
    "merge_domain_key1",
    "merge_domain_key2",
    "metadata",
    "shadowmode_config",
    "share_threshold",
    "wildcard",
)


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("name", GOOD_FILES)
def test_its_good_files_load(cases: Path, name: str, joined: bool) -> None:
    read = load({f"{name}.yaml": (cases / f"{name}.yaml").read_bytes()}, joined=joined)
    assert list(read) == ["test-domain"]

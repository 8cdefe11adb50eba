"""Doubts about files of envoyproxy/ratelimit: each trap is told, and nothing else is."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.testing import data
from ratelimit import lint
from ratelimit.rules import Wildcard
from tests.docs import pages

LIMIT = "rate_limit: {unit: minute, requests_per_unit: 1}"


def told(text: str) -> list[str]:
    found = list(lint.doubts({"edge.yaml": text.encode()}))
    assert all(each.severity == "warning" for each in found)
    return [f"{each.line}: {each.message}" for each in found]


def edge(*descriptors: str) -> str:
    return "domain: edge\ndescriptors:\n" + "".join(f"  - {{{each}}}\n" for each in descriptors)


def test_a_wildcard_behind_a_wider_one_never_applies() -> None:
    text = edge(f"key: path, value: /a*, {LIMIT}", f"key: path, value: /a/*.js, {LIMIT}")
    assert told(text) == [
        "4: never applies: `path: /a*` (edge.yaml:3) takes all of its values",
    ]


def test_the_rules_of_a_domain_in_several_files_are_looked_at_together() -> None:
    first = edge(f"key: path, value: /a*, {LIMIT}", f"key: x, value: y, {LIMIT}")
    second = edge(f"key: path, value: /a/*.js, {LIMIT}", f"key: x_y, {LIMIT}")
    other = second.replace("edge", "other")
    files = {"b.yaml": f"{second}---\n{other}".encode(), "a.yaml": first.encode()}

    assert [f"{each.file}:{each.line}: {each.message}" for each in lint.doubts(files)] == [
        "b.yaml:4: envoyproxy/ratelimit takes it for `x: y` (a.yaml:4) and refuses the file: it"
        " glues key and value together",
        "b.yaml:3: never applies: `path: /a*` (a.yaml:3) takes all of its values",
    ]


def test_a_rule_for_any_value_behind_a_star_never_applies_wherever_it_stands() -> None:
    text = edge(f"key: path, {LIMIT}", f'key: path, value: "*", {LIMIT}')
    assert told(text) == ["3: never applies: `path: *` (edge.yaml:4) takes all of its values"]


@pytest.mark.parametrize(
    "descriptors",
    [
        ("value: /a/*", "value: /a*"),
        ("value: /a*", "value: /b*"),
        ("value: /a*", "value: '*a'"),
        ("value: /a*c", "value: /a*"),
        ("value: /a*", "value: /a"),
        ("value: /a*", ""),
    ],
)
def test_what_has_values_of_its_own_is_no_doubt(descriptors: tuple[str, str]) -> None:
    assert (
        told(edge(*(f"key: path, {each}, {LIMIT}".replace(" ,", "") for each in descriptors))) == []
    )


TEXTS = st.text("ab*", min_size=1, max_size=5)


@settings(deadline=None)
@given(TEXTS.filter(lambda text: "*" in text), TEXTS.filter(lambda text: "*" in text), st.data())
def test_never_is_true_and_complete(first: str, second: str, choice: st.DataObject) -> None:
    if first == second:
        return
    text = edge(f'key: k, value: "{first}", {LIMIT}', f'key: k, value: "{second}", {LIMIT}')
    never = any("never applies" in each for each in told(text))
    fill = st.text("abc", max_size=3)
    value = re.sub(r"\*", lambda _: choice.draw(fill), second)
    assert Wildcard(second).matches(value)
    if never:
        assert Wildcard(first).matches(value)
    else:
        # The value in which every star stands for a letter that the pattern lacks proves it.
        assert not Wildcard(first).matches(second.replace("*", "z"))


def test_a_rule_that_only_leads_on_hides_the_limit_for_all_values() -> None:
    text = edge(
        f"key: tenant, {LIMIT}",
        f"key: tenant, value: big, descriptors: [{{key: path, {LIMIT}}}]",
    )
    assert told(text) == [
        "4: the limit of `tenant` (edge.yaml:3) does not hold for what ends here: there is no"
        " `rate_limit`, and the search never turns back"
    ]


def test_a_rule_with_nothing_below_hides_what_is_below_that_for_all_values() -> None:
    text = edge(
        f"key: tenant, descriptors: [{{key: path, {LIMIT}}}]",
        f"key: tenant, value: big*, {LIMIT}",
    )
    assert told(text) == [
        "4: the rules below `tenant` (edge.yaml:3) do not hold for what goes on after this: there"
        " is nothing below, and the search never turns back"
    ]


def test_to_let_a_value_pass_is_no_doubt() -> None:
    assert told(edge(f"key: tenant, {LIMIT}", "key: tenant, value: ours")) == []
    below = f"key: tenant, descriptors: [{{key: path, {LIMIT}}}]"
    assert told(edge(below, "key: tenant, value: ours, rate_limit: {unlimited: true}")) == []


def test_a_rule_with_a_limit_of_its_own_takes_nothing_away_from_a_wider_one() -> None:
    below = f"descriptors: [{{key: path, {LIMIT}}}]"
    assert told(edge(f"key: tenant, {LIMIT}", f"key: tenant, value: ours, {LIMIT}, {below}")) == []


def test_keys_and_values_that_are_glued_to_one_name_are_told() -> None:
    text = edge(f"key: a, value: b_c, {LIMIT}", f"key: a_b, value: c, {LIMIT}")
    assert told(text) == [
        "4: envoyproxy/ratelimit takes it for `a: b_c` (edge.yaml:3) and refuses the file: it glues"
        " key and value together"
    ]
    assert len(told(edge(f"key: a_b, {LIMIT}", f"key: a, value: b, {LIMIT}"))) == 1
    assert "wildcard" in told(edge(f'key: "a*", {LIMIT}'))[0]


def test_limits_of_different_depth_that_share_a_counter_there_are_told() -> None:
    text = edge(
        f"key: a, value: b, descriptors: [{{key: c, value: d, {LIMIT}}}]",
        f"key: a, value: b_c_d, {LIMIT}",
    )
    assert told(text) == [
        "4: envoyproxy/ratelimit counts it together with `c: d` (edge.yaml:3): both counters are"
        " `edge_a_b_c_d`"
    ]


def test_what_has_no_counter_shares_none() -> None:
    below = f"key: a, value: b, descriptors: [{{key: c, value: d, {LIMIT}}}]"
    assert told(edge(below, "key: a, value: b_c_d, rate_limit: {unlimited: true}")) == []


def test_what_is_below_is_looked_at_too() -> None:
    below = f'{{key: p, value: "a*", {LIMIT}}}, {{key: p, value: "ab*", {LIMIT}}}'
    assert len(told(edge(f"key: tenant, descriptors: [{below}]"))) == 1


def files_of(page: str) -> Mapping[str, bytes]:
    files = {**pages.files(page)}
    return {n: t.encode() for n, t in files.items() if n.startswith("ratelimit/")}


def test_nothing_is_told_of_the_configurations_that_are_known_to_be_good() -> None:
    checked = 0
    for path in sorted(Path(data.require("ratelimit-config")).glob("*.yaml")):
        found = list(lint.doubts({path.name: path.read_bytes()}))
        assert found == [], path.name
        checked += 1
    assert checked == 20
    assert list(lint.doubts(files_of("docs/configuration.md"))) == []

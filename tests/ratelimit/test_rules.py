"""Matching, as tables and against a plain model of envoyproxy/ratelimit's walk."""

import fnmatch
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.config.problems import Rejected
from ratelimit.domains import load
from ratelimit.rules import Match, Tree, Wildcard, match


def tree(descriptors: str | list[Any]) -> Tree:
    """The rules under `descriptors:`; JSON is YAML."""
    text = descriptors if isinstance(descriptors, str) else " " + json.dumps(descriptors)
    loaded = load({"ratelimit/x.yaml": f"domain: d\ndescriptors:\n{text}\n".encode()})
    assert not isinstance(loaded, Rejected), loaded
    return loaded["d"]


def requests(met: Match | None) -> int | None:
    return met.rule.limit.requests if met is not None and met.rule.limit is not None else None


CONFIG = """
  - key: user
    rate_limit: {unit: minute, requests_per_unit: 1}
  - key: user
    value: ann
    rate_limit: {unit: minute, requests_per_unit: 2}
  - key: user
    value: "a*"
    rate_limit: {unit: minute, requests_per_unit: 3}
  - key: user
    value: "*n"
    rate_limit: {unit: minute, requests_per_unit: 4}
  - key: user
    value: free
  - key: deep
    rate_limit: {unit: minute, requests_per_unit: 5}
    descriptors:
      - key: sub
        rate_limit: {unit: minute, requests_per_unit: 6}
      - key: sub
        value: x
        descriptors:
          - key: leaf
            rate_limit: {unit: minute, requests_per_unit: 7}
  - key: deep
    value: blind
    descriptors:
      - key: other
        rate_limit: {unit: minute, requests_per_unit: 8}
  - key: path
    value: /api/*/items/*.json
    rate_limit: {unit: minute, requests_per_unit: 9}
  - key: any
    value: "*"
    rate_limit: {unit: minute, requests_per_unit: 10}
  - key: a_b
    rate_limit: {unit: minute, requests_per_unit: 11}
"""

MATCHES: dict[str, tuple[list[tuple[str, str]], int | None]] = {
    "any value": ([("user", "zoe")], 1),
    "an empty value is any value": ([("user", "")], 1),
    "exact before wildcard": ([("user", "ann")], 2),
    "wildcard before any value": ([("user", "abe")], 3),
    "the first wildcard of the file": ([("user", "alan")], 3),
    "a wildcard in front": ([("user", "ben")], 4),
    "an exact value without limit frees": ([("user", "free")], None),
    "values are compared as they are": ([("user", "ANN")], 1),
    "another key": ([("usr", "ann")], None),
    "limit on the way is not the end's": ([("deep", "1"), ("nosub", "x")], None),
    "a limit where it ends": ([("deep", "1")], 5),
    "second level": ([("deep", "1"), ("sub", "y")], 6),
    "exact child without limit": ([("deep", "1"), ("sub", "x")], None),
    "third level": ([("deep", "1"), ("sub", "x"), ("leaf", "z")], 7),
    "deeper than the rules": ([("deep", "1"), ("sub", "y"), ("leaf", "z")], None),
    "order counts": ([("sub", "y"), ("deep", "1")], None),
    "no turning back": ([("deep", "blind"), ("sub", "y")], None),
    "the chosen branch": ([("deep", "blind"), ("other", "y")], 8),
    "wildcards in the middle": ([("path", "/api/v1/items/7.json")], 9),
    "wildcards match nothing too": ([("path", "/api//items/.json")], 9),
    "the end counts": ([("path", "/api/v1/items/7.xml")], None),
    "pieces do not overlap": ([("path", "/api/items/7.json")], None),
    "a star alone": ([("any", "thing")], 10),
    "a star alone, empty": ([("any", "")], 10),
    "key and value are not glued": ([("a", "b")], None),
    "a key with an underscore": ([("a_b", "c")], 11),
    "no entries": ([], None),
}


def test_the_table_has_all_its_rows() -> None:
    assert len(MATCHES) == 27


@pytest.mark.parametrize("name", MATCHES)
def test_a_descriptor_meets_the_rule_that_envoyproxy_ratelimit_finds(name: str) -> None:
    entries, expected = MATCHES[name]
    assert requests(match(tree(CONFIG), tuple(entries))) == expected


KEYS = st.sampled_from(["k", "l"])
VALUES = st.sampled_from(["", "a", "b", "ab", "a*", "*b", "*", "a*b"])
DESCRIPTORS = st.deferred(
    lambda: st.lists(
        st.builds(
            lambda key, value, limit, below: {
                "key": key,
                **({"value": value} if value else {}),
                **({"rate_limit": limit} if limit else {}),
                **({"descriptors": below} if below else {}),
            },
            KEYS,
            VALUES,
            st.none()
            | st.builds(
                lambda n: {"unit": "minute", "requests_per_unit": n}, st.integers(0, 2**32 - 1)
            ),
            st.just([]) | DESCRIPTORS,
        ),
        max_size=4,
        unique_by=lambda each: (each["key"], each.get("value")),
    )
)


def walked(descriptors: list[dict[str, Any]], entries: list[tuple[str, str]]) -> int | None:
    """GetLimit, line by line, over the file as it is written."""
    for index, (key, value) in enumerate(entries):
        here = [each for each in descriptors if each["key"] == key]
        found = [each for each in here if each.get("value") == value and "*" not in value and value]
        found += [
            each
            for each in here
            if "*" in each.get("value", "") and fnmatch.fnmatchcase(value, each["value"])
        ]
        found += [each for each in here if "value" not in each]
        if not found:
            return None
        if index == len(entries) - 1:
            limit = found[0].get("rate_limit")
            return limit["requests_per_unit"] if limit else None
        descriptors = found[0].get("descriptors", [])
    return None


@given(
    DESCRIPTORS,
    st.lists(st.tuples(KEYS, st.sampled_from(["", "a", "b", "ab", "acb", "c"])), max_size=3),
)
def test_any_tree_matches_as_the_model_walks_it(
    descriptors: list[dict[str, Any]], entries: list[tuple[str, str]]
) -> None:
    assert requests(match(tree(descriptors), tuple(entries))) == walked(descriptors, entries)


@given(st.text("ab*", min_size=1), st.text("ab"))
def test_a_wildcard_matches_as_the_regular_expression_does(pattern: str, value: str) -> None:
    pattern += "*"
    expression = ".*".join(map(re.escape, pattern.split("*")))
    assert Wildcard(pattern).matches(value) == (re.fullmatch(expression, value) is not None)


def test_a_hostile_value_is_matched_in_linear_time() -> None:
    assert not Wildcard("*a" * 50 + "*b").matches("a" * 100_000)


def test_a_value_that_is_the_text_of_a_later_wildcard_meets_that_one() -> None:
    rules = tree(
        [
            {"key": "k", "value": "*a*", "rate_limit": {"unit": "day", "requests_per_unit": 1}},
            {"key": "k", "value": "a*", "rate_limit": {"unit": "day", "requests_per_unit": 2}},
        ]
    )
    assert requests(match(rules, (("k", "a*"),))) == 2
    assert requests(match(rules, (("k", "ab"),))) == 1

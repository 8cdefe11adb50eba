"""Whatever a file of rate limits holds, it is loaded or refused with a place, in a bounded time."""

import time
import tracemalloc
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callout.config.problems import Rejected
from ratelimit.domains import load
from ratelimit.rules import Tree

SLOWEST: float = 2.0
"""Seconds of processor time for one file; none below takes 0.05."""
MOST_BYTES = 64 * 1024 * 1024
"""Of memory, while one is read."""
EXAMPLES = 300

WORD = st.sampled_from(
    [
        "domain",
        "descriptors",
        "key",
        "value",
        "rate_limit",
        "unit",
        "requests_per_unit",
        "unit_multiplier",
        "unlimited",
        "name",
        "replaces",
        "shadow_mode",
        "quota_mode",
        "detailed_metric",
        "value_to_metric",
        "share_threshold",
        "metadata",
        "second",
        "MINUTE",
        "edge",
        "a*",
        "*",
        "",
    ]
)
SCALAR = (
    WORD
    | st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.binary(max_size=4)
)
ANYTHING = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORD | SCALAR, inner, max_size=5),
    max_leaves=25,
)
RULE = st.fixed_dictionaries(
    {"key": WORD | SCALAR},
    optional={
        "value": SCALAR,
        "rate_limit": st.fixed_dictionaries(
            {},
            optional={
                "unit": st.sampled_from(["second", "WEEK", "year", "fortnight", ""]) | SCALAR,
                "requests_per_unit": st.integers(-1, 2**65) | SCALAR,
                "unit_multiplier": st.integers(-1, 2**40) | SCALAR,
                "unlimited": st.booleans() | SCALAR,
                "name": SCALAR,
                "replaces": st.lists(st.fixed_dictionaries({"name": SCALAR}) | SCALAR, max_size=3),
            },
        )
        | SCALAR,
        "descriptors": ANYTHING,
        "shadow_mode": st.booleans() | SCALAR,
        "quota_mode": st.booleans() | SCALAR,
        "detailed_metric": st.booleans() | SCALAR,
        "value_to_metric": st.booleans() | SCALAR,
        "share_threshold": st.booleans() | SCALAR,
        "metadata": ANYTHING,
    },
)
FILE = st.fixed_dictionaries({"domain": WORD | SCALAR, "descriptors": st.lists(RULE, max_size=4)})


def is_loaded_or_refused(data: bytes) -> bool:
    found = load({"edge.yaml": data})
    if isinstance(found, Rejected):
        return len(found.problems) > 0 and all(each.message for each in found.problems)
    return all(isinstance(each, Tree) for each in found.values())


def dumped(value: Any) -> bytes:
    return yaml.dump(value, allow_unicode=True).encode("utf-8", "surrogatepass")


QUICK = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(FILE | ANYTHING)
def test_any_values_under_any_keys(value: Any) -> None:
    before = time.process_time()
    assert is_loaded_or_refused(dumped(value))
    assert time.process_time() - before < SLOWEST


@QUICK
@given(FILE, st.data())
def test_any_file_that_is_spoiled(value: Any, data: st.DataObject) -> None:
    whole = dumped(value)
    place = data.draw(st.integers(0, len(whole)))
    inserted = data.draw(
        st.binary(max_size=5)
        | st.sampled_from(
            [
                b"&a ",
                b"*a ",
                b"!!python/object:os.system ",
                b"<<: ",
                b"? ",
                b"- ",
                b"{",
                b"\t",
                b"---\n",
            ]
        )
    )
    assert is_loaded_or_refused(whole[:place] + inserted + whole[place:])


HEAD = b"domain: edge\ndescriptors:\n"
RULE_TEXT = b"  - {key: k%d, rate_limit: {unit: second, requests_per_unit: 1}}\n"
HOSTILE = {
    "a bomb of aliases": b"a: &a [x, x, x, x, x, x, x, x, x]\n"
    + b"".join(
        b"%c: &%c [%b]\n" % (n + 1, n + 1, b", ".join([b"*%c" % n] * 9)) for n in range(97, 110)
    ),
    "an alias of itself": b"domain: edge\ndescriptors: &a [*a]\n",
    "merges of merges": b"a: &a {k: v}\n"
    + b"".join(b"b%d: &b%d {<<: [%b]}\n" % (n, n, b", ".join([b"*a"] * 99)) for n in range(99)),
    "lists in lists": b"[" * 100_000,
    "maps in maps": b"{a: " * 100_000,
    "blocks in blocks": b"".join(b" " * n + b"-\n" for n in range(1000)),
    "rules in rules": b"domain: edge\n"
    + b"".join(b" " * 2 * n + b"descriptors:\n" + b" " * 2 * n + b"- key: k\n" for n in range(500)),
    "a number of a million digits": HEAD
    + b"  - {key: k, rate_limit: {unit: second, requests_per_unit: %b}}\n" % (b"9" * 1_000_000),
    "a number of base 60": HEAD + b"  - {key: k, rate_limit: {unit: 1:1:1:1:1:1:1:1:1}}\n",
    "a float that is none": HEAD
    + b"  - {key: k, rate_limit: {unit: second, requests_per_unit: .nan}}\n",
    "a window of four billion years": HEAD
    + b"  - {key: k, rate_limit: {unit: year, unit_multiplier: 4294967295}}\n",
    "no text": b"domain: \xff\xfe\n",
    "another encoding": "domain: edge\ndescriptors: []\n".encode("utf-16"),
    "a lone surrogate": b'domain: "\\ud800"\ndescriptors: []\n',
    "NUL": b"domain: edge\x00\n",
    "an object of Python": HEAD + b"  - !!python/object/apply:os.system [exit 1]\n",
    "keys that are lists": b"? [domain]\n: edge\n",
    "a name of a megabyte": b"domain: " + b"x" * 1_000_000,
    "a line without end": HEAD + b"  - {key: " + b"k" * 1_000_000 + b"}\n",
    "stars": HEAD + b'  - {key: k, value: "%b", rate_limit: {unit: second}}\n' % (b"a*" * 20_000),
    "the same key again and again": b"domain: edge\n" * 10_000,
    "documents": b"--- {domain: edge, descriptors: []}\n" * 4_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_a_bounded_time_and_memory(name: str) -> None:
    tracemalloc.start()
    try:
        before = time.process_time()
        assert is_loaded_or_refused(HOSTILE[name])
        # Tracing memory makes it several times slower.
        assert time.process_time() - before < 5 * SLOWEST
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


def test_a_file_of_ten_thousand_rules_is_loaded() -> None:
    before = time.process_time()
    found = load({"edge.yaml": HEAD + b"".join(RULE_TEXT % n for n in range(10_000))})
    assert not isinstance(found, Rejected)
    assert time.process_time() - before < 5 * SLOWEST  # 0.8 s

"""The index of rules leaves out only what cannot match; what is remembered is never another's."""

import functools
from itertools import pairwise
from types import FunctionType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extauthz.policy.engine import UNDEFINED
from extauthz.policy.rego import RegoEngine, load_plan
from extauthz.policy.translator import index
from extauthz.policy.values.text import from_json, to_json
from tests.extauthz.policy.rego import decide, plan

CONSTANTS: list[Any] = [
    "a", "ab", "abc", "A", "", "1", "true", "null", "é", "e\u0301", "ß", "ss", "\u2028", "a\u0000",
    0, 1, -1, 2**64, True, False, None,
]  # fmt: skip
PREFIXES = ["/a", "/a/", "/ab", "/é", "/e\u0301", "/\U0001f600", "/A", "/ß", "x", "xy"]
ASKED = [
    *CONSTANTS, *PREFIXES, "/", "/a/b", "/abc", "/éa", "/e", "/e\u0301x", "/\U0001f600x", "xyz",
    "yx", 2, [1], ["a"], {"a": "a"}, {}, [],
]  # fmt: skip

RULES = [
    *(f"exact contains {n} if input.o.k == {to_json(each)}" for n, each in enumerate(CONSTANTS)),
    *(
        f"begun contains {n} if startswith(input.o.k, {to_json(each)})"
        for n, each in enumerate(PREFIXES)
    ),
    *(f'globbed contains {n} if glob.match("{each}*", [], input.o.k)' for n, each in
      enumerate(PREFIXES)),
    *(f"matched contains {n} if regex.match(`^{each}`, input.o.k)" for n, each in
      enumerate(PREFIXES)),
    *(
        f"among contains {n} if input.o.k in {{{to_json(each)}, {to_json(other)}}}"
        for n, (each, other) in enumerate(pairwise(CONSTANTS))
    ),
    *(f"called({to_json(each)}) := {n}" for n, each in enumerate(CONSTANTS)),
]  # fmt: skip
REGO = "\n".join(
    [
        "package test",
        *RULES,
        "p := [exact, begun, globbed, matched, among, [v | v := called(input.o.k)]]",
    ]
)


def loaded(indexed: bool) -> RegoEngine:
    with pytest.MonkeyPatch.context() as patch:
        if not indexed:
            patch.setattr(index, "FEWEST", 10**9)
        made = load_plan(plan(REGO), "test/p", None)
    assert isinstance(made, RegoEngine)
    return made


@pytest.fixture(scope="module")
def both() -> tuple[RegoEngine, RegoEngine]:
    return loaded(True), loaded(False)


def looks_up(engine: RegoEngine) -> set[str]:
    namespace = engine._evaluate.__globals__
    codes = [each.__code__ for each in namespace.values() if isinstance(each, FunctionType)]
    return {name for code in codes for name in code.co_names} & {"equal_rules", "prefixed_rules"}


def test_these_rules_are_found_by_an_index(both: tuple[RegoEngine, RegoEngine]) -> None:
    assert looks_up(both[0]) == {"equal_rules", "prefixed_rules"}
    assert looks_up(both[1]) == set()


def is_same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)


@pytest.mark.parametrize("asked", ASKED, ids=to_json)
def test_a_near_miss_is_a_miss(asked: Any, both: tuple[RegoEngine, RegoEngine]) -> None:
    document = from_json(to_json({"o": {"k": asked}}).encode())
    equal = [n for n, each in enumerate(CONSTANTS) if is_same(each, asked)]
    begun = [n for n, each in enumerate(PREFIXES) if type(asked) is str and asked.startswith(each)]
    pairs = pairwise(CONSTANTS)
    member = [n for n, pair in enumerate(pairs) if any(is_same(each, asked) for each in pair)]
    for engine in both:
        assert engine.decide(document, None) == [equal, begun, begun, begun, member, equal]


@pytest.mark.parametrize("document", [{}, {"o": {}}, {"o": None}, {"o": []}, {"o": "k"}, {"k": 1}])
def test_what_is_absent_matches_no_rule(
    document: dict[str, Any], both: tuple[RegoEngine, RegoEngine]
) -> None:
    for engine in both:
        assert engine.decide(document, None) == [[], [], [], [], [], []]


VALUES = st.recursive(
    st.sampled_from(ASKED)
    | st.text(alphabet="aAbß/é\u0301\U0001f600x1", max_size=5)
    | st.integers(-2, 2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("k"), inner),
    max_leaves=3,
)


@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries({}, optional={"o": st.fixed_dictionaries({}, optional={"k": VALUES})}))
def test_with_an_index_and_without_answers_are_equal(document: dict[str, Any]) -> None:
    indexed, tried = _engines()
    assert to_json(indexed.decide(document, None)) == to_json(tried.decide(document, None))


@functools.cache
def _engines() -> tuple[RegoEngine, RegoEngine]:
    return loaded(True), loaded(False)


REMEMBERED = {
    "under `with`, another input": (
        "q := input.a\nr := q\np := [q, r, s, q]\ns := v if { v := [q, r] with input.a as 2 }",
        {"a": 1},
        [1, 1, [2, 2], 1],
    ),
    "under `with`, other data": (
        'q := data.x.a\np := [q, s, q]\ns := v if { v := [q, q] with data.x as {"a": 2} }',
        {},
        UNDEFINED,
    ),
    "undefined, in all places": (
        "q := input.none\np := [[v | v := q], [v | v := q], [v | some _ in [1, 2]; v := q]]",
        {},
        [[], [], []],
    ),
    "false, which is not undefined": (
        "q := input.a\np := [q, q, [v | some _ in [1, 2]; v := q]]",
        {"a": False},
        [False, False, [False, False]],
    ),
    "undefined outside and defined under `with`": (
        "q := input.a\np := [[v | v := q], r, [v | v := q]]\n"
        "r := v if { v := q with input.a as 7 }",
        {},
        [[], 7, []],
    ),
    "functions, by their arguments": (
        "f(x) := x + input.a\np := [f(1), f(2), f(1), g]\n"
        "g := v if { v := f(1) with input.a as 5 }",
        {"a": 10},
        [11, 12, 11, 6],
    ),
    "true and 1 and text as arguments": (
        'f(1) := "number"\nf(true) := "boolean"\nf("1") := "text"\n'
        'p := [f(1), f(true), f("1"), f(1), [v | v := f(0)]]',
        {},
        ["number", "boolean", "text", "number", []],
    ),
}


@pytest.mark.parametrize("name", REMEMBERED)
def test_what_is_remembered_is_that_of_the_same_input(name: str) -> None:
    rego, document, expected = REMEMBERED[name]
    assert decide(f"package test\n{rego}", document=document) == expected

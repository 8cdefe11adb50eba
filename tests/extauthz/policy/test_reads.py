"""What an engine says that it reads: never too little."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.extauthz.policy.rego import engine

POLICIES: dict[str, tuple[str, frozenset[tuple[str, ...]] | None]] = {
    "fields": (
        "p if { input.a.b == 1; input.a.c == input.d }",
        frozenset({("a", "b"), ("a", "c"), ("d",)}),
    ),
    "an index": ("p if input.a[0] == 1", frozenset({("a",)})),
    "a key of the input": ("p if input.a[input.d] == 1", frozenset({("a",), ("d",)})),
    "an iteration": ("p if { some x in input.a; x == 1 }", frozenset({("a",)})),
    "a function's argument": ("f(x) := x.b\np if f(input.a) == 1", frozenset({("a",)})),
    "a function that reads itself": (
        "f(x) := y if { input.d == x; y := 1 }\np if f(1) == 1",
        frozenset({("d",)}),
    ),
    "existence": ("p if input.a.b", frozenset({("a", "b")})),
    "absence": ("p if not input.a.b", frozenset({("a", "b")})),
    "a variable": ("p if { x := input.a; x.b == 1 }", frozenset({("a", "b")})),
    "the whole": ("p := input", None),
    "the whole in a builtin": ("p if count(input) == 1", None),
    "a field of any name": ("p if input[data.name] == 1", None),
    "a part and what is below it": ("p if { input.a.b; input.a == {} }", frozenset({("a",)})),
    "with": ("q := input.a.b\np := x if { x := q with input.d as 1 }", frozenset({("a", "b")})),
    "a part as the input": (
        "q := input.b\np := x if { x := q with input as input.a }",
        frozenset({("a",), ("b",)}),
    ),
    "the input in a part of itself": ("p := x if { x := 1 with input.a as input }", None),
    "rules by a computed name": (
        "r.x := input.a.b\nr.y := input.d\np := data.test.r[input.a.c]",
        frozenset({("a", "b"), ("a", "c"), ("d",)}),
    ),
    "nothing": ("p := 1", frozenset()),
}


@pytest.mark.parametrize("name", POLICIES)
def test_the_reads_of(name: str) -> None:
    rego, reads = POLICIES[name]
    assert engine(f"package test\n{rego}").reads == reads


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(0, 2), st.sampled_from(["b", "a", "x"]))
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), inner, max_size=3)
    ),
    max_leaves=6,
)
DOCUMENTS = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), VALUES, max_size=4)


def only(document: dict[str, Any], reads: frozenset[tuple[str, ...]]) -> dict[str, Any]:
    """The parts of a document that are read; objects on the way stay, though empty."""
    kept: dict[str, Any] = {}
    for name, value in document.items():
        below = frozenset(path[1:] for path in reads if path[:1] == (name,))
        if () in below:
            kept[name] = value
        elif below:
            kept[name] = only(value, below) if isinstance(value, dict) else value
    return kept


@pytest.mark.parametrize(
    "name", [name for name, (_, reads) in POLICIES.items() if reads is not None]
)
@settings(max_examples=60, deadline=None)
@given(document=DOCUMENTS)
def test_what_is_not_read_changes_nothing(name: str, document: dict[str, Any]) -> None:
    made = engine(f"package test\n{POLICIES[name][0]}", data={"name": "a"})
    assert made.reads is not None
    whole, part = made.decide(document, None), made.decide(only(document, made.reads), None)
    assert type(whole) is type(part)
    assert whole == part

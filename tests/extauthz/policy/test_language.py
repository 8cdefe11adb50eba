"""What Rego means, on small policies: each is `package test` with a rule `p`."""

from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from extauthz.policy.engine import UNDEFINED, PolicyFailed
from extauthz.policy.translator.runtime import NAMESPACE
from tests.extauthz.policy.rego import decide, engine


class Case(NamedTuple):
    name: str
    rego: str
    input: Any
    expected: Any
    data: Any = None


CASES = [
    Case("a default holds where no rule does", "default p := false\np if input.x == 1", {}, False),
    Case("a rule without default is undefined", "p if input.x == 1", {"x": 2}, UNDEFINED),
    Case("true is not one", "p if input.x == 1", {"x": True}, UNDEFINED),
    Case("1.0 is one", "p if input.x == 1", {"x": Decimal("1.0")}, True),
    Case("one within arrays is not true", "p if input.x == [1]", {"x": [True]}, UNDEFINED),
    Case("null is a value", "p := input.x", {"x": None}, None),
    Case("false is a value", "p := input.x", {"x": False}, False),
    Case("not of undefined is true", "p if not input.x", {}, True),
    Case("not of false is true", "p if not input.x", {"x": False}, True),
    Case("not of null is undefined", "p if not input.x", {"x": None}, UNDEFINED),
    Case("rules of one name are or", "p if input.a\np if input.b", {"b": True}, True),
    Case(
        "else is asked in order",
        "p := 1 if { input.x > 10 } else := 2 if { input.x > 5 } else := 3",
        {"x": 7},
        2,
    ),
    Case(
        "else within a function",
        'f(x) := "big" if { x > 10 } else := "small"\np := [f(1), f(11)]',
        {},
        ["small", "big"],
    ),
    Case("every holds for all", "p if { every x in input.xs { x > 1 } }", {"xs": [2, 3]}, True),
    Case(
        "every fails for one",
        "p if { every x in input.xs { x > 1 } }",
        {"xs": [2, 1, 3]},
        UNDEFINED,
    ),
    Case("every holds for none", "p if { every x in input.xs { x > 1 } }", {"xs": []}, True),
    Case(
        "every over a missing field is undefined",
        "p if { every x in input.xs { x > 1 } }",
        {},
        UNDEFINED,
    ),
    Case(
        "every over a string is undefined",
        "p if { every x in input.xs { x > 1 } }",
        {"xs": "abc"},
        UNDEFINED,
    ),
    Case(
        "every inside of every",
        "p if { every row in input.m { every x in row { x > 0 } } }",
        {"m": [[1], [2, 0]]},
        UNDEFINED,
    ),
    Case(
        "with replaces a part of the input",
        "q := input.a + input.b\np := x if { x := q with input.a as 10 }",
        {"a": 1, "b": 2},
        12,
    ),
    Case(
        "with reaches rules that were remembered before",
        "q := input.a\np := [q, x, q] if { x := q with input.a as 10 }",
        {"a": 1},
        [1, 10, 1],
    ),
    Case(
        "with inside of with",
        "q := [input.a, input.b]\nr := x if { x := q with input.b as 2 }\n"
        "p := x if { x := r with input.a as 1 }",
        {},
        [1, 2],
    ),
    Case(
        "with replaces data",
        "q := data.limits.most\np := [q, x] if { x := q with data.limits.most as 5 }",
        {},
        [3, 5],
        {"limits": {"most": 3}},
    ),
    Case(
        "with replaces a function",
        'f(x) := x\ng(x) := "mock"\nq := f(1)\np := [q, x] if { x := q with f as g }',
        {},
        [1, "mock"],
    ),
    Case(
        "an array comprehension keeps order",
        "p := [y | some x in input.xs; x > 1; y := x * 2]",
        {"xs": [3, 1, 2]},
        [6, 4],
    ),
    Case(
        "an array comprehension over an object is in order of its keys",
        "p := [k | some k, _ in input.o]",
        {"o": {"c": 1, "a": 2, "b": 3}},
        ["a", "b", "c"],
    ),
    Case(
        "an array comprehension over a set is in order",
        'p := [x | some x in {3, 1, 2, true, null, "a"}]',
        {},
        [None, True, 1, 2, 3, "a"],
    ),
    Case(
        "a set comprehension has each value once",
        "p := {x | some x in input.xs}",
        {"xs": [2, 1, 2, Decimal("1.0")]},
        [Decimal("1.0"), 2],
    ),
    Case(
        "an object comprehension",
        "p := {k: v | some k, v in input.o; v > 1}",
        {"o": {"a": 1, "b": 2}},
        {"b": 2},
    ),
    Case(
        "booleans and numbers are different members of a set",
        "p := count({1, true, 0, false, 1.0})",
        {},
        4,
    ),
    Case(
        "composites are members of sets and names of fields",
        'm := {[x, {"a": {2}}]: "found" | some x in input.xs}\np := m[[1, {"a": {2}}]]',
        {"xs": [1]},
        "found",
    ),
    Case(
        "a set is not an empty object",
        "s := {x | some x in input.xs}\np if s == input.y",
        {"xs": [], "y": {}},
        UNDEFINED,
    ),
    Case(
        "partial sets collect",
        "s contains x if some x in input.xs\ns contains 9\np := s",
        {"xs": [3, 9]},
        [3, 9],
    ),
    Case(
        "partial objects collect",
        'o[k] := v if some k, v in input.o\no["z"] := 1\np := o',
        {"o": {"a": 2}},
        {"a": 2, "z": 1},
    ),
    Case(
        "a rule is chosen by a name of the input",
        "a.x := 1\na.y := 2\np := data.test.a[input.name]",
        {"name": "y"},
        2,
    ),
    Case(
        "a rule that is chosen and undefined",
        "a.x := 1 if input.no\na.y := 2\np := data.test.a[input.name]",
        {"name": "x"},
        UNDEFINED,
    ),
    Case(
        "no rule of that name",
        "a.x := 1\na.y := 2\np := data.test.a[input.name]",
        {"name": "z"},
        UNDEFINED,
    ),
    Case(
        "base and virtual documents are one",
        "a.x := 1\np := data.test.a",
        {},
        {"x": 1, "y": 2},
        {"test": {"a": {"y": 2}}},
    ),
    Case("an index beyond the array is undefined", "p := input.xs[2]", {"xs": [1, 2]}, UNDEFINED),
    Case("an index below zero is undefined", "p := input.xs[-1]", {"xs": [1, 2]}, UNDEFINED),
    Case("a field of a string is undefined", "p := input.x.y", {"x": "y"}, UNDEFINED),
    Case("a member of a set by itself", 'p if { s := {"a"}; s[input.x] }', {"x": "a"}, True),
    Case("an error of a builtin is undefined", "p := 1 / input.x", {"x": 0}, UNDEFINED),
    Case(
        "an error of a builtin under not is true",
        "p if not f\nf if 1 / input.x > 0",
        {"x": 0},
        True,
    ),
    Case(
        "destructuring",
        'p := y if { [_, {"k": y}] = input.x }',
        {"x": [0, {"k": 7}]},
        7,
    ),
    Case(
        "a join of two lists",
        "p := [a.n | some a in input.as; some b in input.bs; a.k == b.k]",
        {"as": [{"k": 1, "n": "x"}, {"k": 2, "n": "y"}], "bs": [{"k": 2}]},
        ["y"],
    ),
    Case("large integers are exact", "p := input.x + 1", {"x": 2**70}, 2**70 + 1),
    Case("print says nothing and stops nothing", "p if { print(input.x.y); true }", {}, True),
    Case("template strings", 'p := $"{input.a} and {input.b}"', {"a": 1}, "1 and <undefined>"),
    Case(
        "an array index in the data may be text of a field",
        "p := data.x[2]",
        {},
        5,
        {"x": {"2": 5}},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_means_what_opa_means(case: Case) -> None:
    answer = decide(f"package test\n{case.rego}", document=case.input, data=case.data)
    assert type(answer) is type(case.expected)
    assert answer == case.expected


def test_the_table_is_complete() -> None:
    assert len(CASES) == 50
    assert len({case.name for case in CASES}) == len(CASES)


CONFLICTS = {
    "two values of a rule": ("p := input.a\np := input.b", {"a": 1, "b": 2}),
    "true and one": ("p := input.a\np := input.b", {"a": True, "b": 1}),
    "two values of a field": ("o[k] := v if some v, k in input.xs\np := o", {"xs": ["a", "a"]}),
    "two values of a function": ("f(x) := y if some y in x\np := f(input.xs)", {"xs": [1, 2]}),
}


@pytest.mark.parametrize("name", CONFLICTS)
def test_a_conflict_fails_closed(name: str) -> None:
    rego, document = CONFLICTS[name]
    answer = decide(f"package test\n{rego}", document=document)
    assert isinstance(answer, PolicyFailed)
    assert answer.reason == "rego_conflict"


def test_equal_values_of_a_rule_are_no_conflict() -> None:
    rego = "package test\np := input.a\np := input.b"
    assert decide(rego, document={"a": [1], "b": [Decimal("1.0")]}) == [1]


def test_a_rule_is_evaluated_once() -> None:
    # the rule's own array is handed out each time: it was made once
    made = engine(
        "package test\nslow := [x | some x in input.xs]\n"
        "a := slow if count(slow) > 0\nb := slow if count(slow) > 0\np := [a, b]"
    )
    calls = 0

    class Counted(list[int]):
        pass

    del Counted

    def items(source: Any) -> Any:
        nonlocal calls
        calls += 1
        return source

    # iterating a list is inline; a dict goes through this function of the namespace
    made._evaluate.__globals__["ordered_items_of"] = lambda s, _: items(s).values()
    assert made.decide({"xs": {"a": 1}}, None) == [[1], [1]]
    assert calls == 1


def test_the_first_match_ends_a_chain_of_equal_rules() -> None:
    made = engine("package test\np if input.x == 1\np if { some k, v in input.big; v == k }")
    seen = []
    made._evaluate.__globals__["pairs_of"] = lambda s, _: seen.append(1) or iter(s.items())
    assert made.decide({"x": 1, "big": {"a": "a"}}, None) is True
    assert seen == []
    assert made.decide({"x": 2, "big": {"a": "a"}}, None) is True
    assert seen == [1]


def test_the_first_match_ends_an_iteration() -> None:
    made = engine("package test\ndefault q := 1\nq := 2 if { some x in input.xs; x > 0 }\np := q")
    looked: list[int] = []

    def items(source: dict[str, int], _: Any) -> Any:
        for value in source.values():
            looked.append(value)
            yield value

    made._evaluate.__globals__["items_of"] = items
    assert made.decide({"xs": {"a": 0, "b": 1, "c": 1}}, None) == 2
    assert looked == [0, 1]


def test_iterations_nest_deeper_than_python_allows_loops() -> None:
    loops = " ".join(f"some x{n} in input.xs;" for n in range(30))
    total = " + ".join(f"x{n}" for n in range(30))
    assert decide(f"package test\np := y if {{ {loops} y := {total} }}", document={"xs": [1]}) == 30
    collected = f"package test\np := [y | {loops} y := {total}]"
    assert decide(collected, document={"xs": [2]}) == [60]
    assert decide(f"package test\np if {{ {loops} {total} == 30 }}", document={"xs": [1]}) is True
    assert (
        decide(f"package test\np if {{ {loops} {total} == 31 }}", document={"xs": [1]}) is UNDEFINED
    )


def test_a_thousand_rules_decide() -> None:
    rules = "\n".join(
        f'p if {{ input.path == "/r{n}"; input.method == "GET" }}' for n in range(1000)
    )
    made = engine(f"package test\ndefault p := false\n{rules}")
    assert made.decide({"path": "/r999", "method": "GET"}, None) is True
    assert made.decide({"path": "/r999", "method": "PUT"}, None) is False
    assert made.reads == {("path",), ("method",)}


def test_rules_that_call_each_other_too_deeply_fail_closed() -> None:
    chain = "\n".join(f"r{n} := r{n + 1} + 1" for n in range(1500))
    answer = decide(f"package test\n{chain}\nr1500 := input.x\np := r0", document={"x": 0})
    assert isinstance(answer, PolicyFailed)
    assert answer.reason == "rego_too_deep"


def test_values_that_are_no_rego_values_fail_closed() -> None:
    made = engine("package test\np if { {input.x, 1} == {1} }")
    answer = made.decide({"x": 1.0}, None)
    assert isinstance(answer, PolicyFailed)
    assert answer.reason == "rego_internal"


def test_input_and_data_are_never_changed() -> None:
    rego = (
        "package test\no[k] := input.v if some k in input.ks\no.a.z := 1\n"
        'p := x if { x := object.union(o, {"b": data.d}) with input.v.y as 2 }'
    )
    document = {"ks": ["a"], "v": {"x": {"deep": 1}}}
    data = {"d": {"k": [1]}}
    made = engine(rego, data=data)
    made.decide(document, None)
    assert document == {"ks": ["a"], "v": {"x": {"deep": 1}}}
    assert made._data == data


def test_generated_code_has_no_builtins_of_python() -> None:
    made = engine("package test\np := 1")
    assert made._evaluate.__globals__["__builtins__"] == {}
    assert "__import__" not in NAMESPACE


def test_time_stands_still_within_an_evaluation() -> None:
    made = engine(
        "package test\nnow := time.now_ns()\n"
        "p := [now, time.now_ns(), x] if { x := now with input.a as 1 }"
    )
    first, second, third = made.decide({}, None)
    assert first == second == third > 1_600_000_000 * 10**9

"""Plans that OPA's compiler did not write: refused, or harmless."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extauthz.policy.problems import PlanRejected
from extauthz.policy.rego import load_plan
from tests.extauthz.policy.rego import plan, refusal

REGO = """package test
default p := false
p if { some x in input.xs; x == data.y[2]; not input.z with input.a.b as "c" }
p if { every x in input.ys { x > 1 }; {1, 2.5, "a"}[input.k]; a[input.n] == f(input.m) }
a.b := [x | some x in input.xs]
a[k] := v if some k, v in input.o
f(x) := y if { y := sprintf("%v", [x]) } else := "no" if { startswith(x, "s") }
"""


def document() -> Any:
    return json.loads(plan(REGO))


def load(changed: Any) -> Any:
    return load_plan(json.dumps(changed).encode(), "test/p", b'{"y": {"2": 1}}')


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items: Any = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def put(changed: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        changed = changed[key]
    if value is DROPPED:
        del changed[path[-1]]
    else:
        changed[path[-1]] = value


DROPPED = object()
JUNK = [
    DROPPED, None, True, 0, 1, 2, 7, -1, 2**31, 2**63, 10**30, 1.5,
    "", "x", "__import__", [], {}, [[]],
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_mutated_plan_is_refused_or_evaluates_without_harm(data: st.DataObject) -> None:
    changed = document()
    known = list(places(changed))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(known))
        try:
            put(changed, path, data.draw(st.sampled_from(JUNK)))
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    made = load(changed)
    if not isinstance(made, PlanRejected):
        request = {"xs": [1, 2], "ys": [3], "k": "a", "o": {"q": 1}, "n": "b", "m": "s"}
        before = copy.deepcopy(request)
        made.decide(request, None)  # never raises
        assert request == before
        assert made._data == {"y": {"2": 1}}


def statements(changed: Any) -> Iterator[dict[str, Any]]:
    for path in places(changed):
        if path[-1] == "type":
            found = changed
            for key in path[:-1]:
                found = found[key]
            if "stmt" in found:
                yield found


def first(changed: Any, kind: str) -> dict[str, Any]:
    return next(s["stmt"] for s in statements(changed) if s["type"] == kind)


def unknown_instruction(changed: Any) -> None:
    next(s for s in statements(changed) if s["type"] == "DotStmt")["type"] = "EvalStmt"


def unknown_builtin(changed: Any) -> None:
    first(changed, "CallStmt")["func"] = "http.send"


def boolean_for_a_local(changed: Any) -> None:
    first(changed, "DotStmt")["target"] = True


def string_beyond_the_table(changed: Any) -> None:
    first(changed, "MakeNumberRefStmt")["index"] = 999


def not_a_number(changed: Any) -> None:
    stmt = first(changed, "MakeNumberRefStmt")
    changed["static"]["strings"][stmt["index"]]["value"] = "__import__('os')"


def jump_too_far(changed: Any) -> None:
    first(changed, "BreakStmt")["index"] = 50


def change_of_the_input(changed: Any) -> None:
    first(changed, "ArrayAppendStmt")["array"] = 0


def wrong_number_of_arguments(changed: Any) -> None:
    call = next(
        s["stmt"]
        for s in statements(changed)
        if s["type"] == "CallStmt" and s["stmt"]["func"] == "startswith"
    )
    call["args"] = call["args"][:1]


def too_deep(changed: Any) -> None:
    block: dict[str, Any] = {"stmts": []}
    for _ in range(150):
        block = {"stmts": [{"type": "NotStmt", "stmt": {"block": block, "file": 0, "row": 9}}]}
    changed["funcs"]["funcs"][0]["blocks"].insert(0, block)


REFUSED: dict[str, tuple[Callable[[Any], None], str]] = {
    "an unknown instruction": (unknown_instruction, "unsupported instruction 'EvalStmt'"),
    "an unknown builtin": (unknown_builtin, "http.send"),
    "a boolean for a local": (boolean_for_a_local, "expected the number of a local, found True"),
    "a string beyond the table": (string_beyond_the_table, "expected an index"),
    "a number that is none": (not_a_number, "is not a number"),
    "a jump too far": (jump_too_far, "jumps out"),
    "a change of the input": (change_of_the_input, "a value that it did not make"),
    "too few arguments": (wrong_number_of_arguments, "startswith takes 2 arguments"),
    "blocks that nest too deeply": (too_deep, "nested more than 100 deep"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_its_line(name: str) -> None:
    change, message = REFUSED[name]
    changed = document()
    change(changed)
    problems = refusal(json.dumps(changed).encode())
    assert message in problems[0]
    assert problems[0].startswith("0.rego:")


NO_PLANS = {
    "nothing": b"",
    "no JSON": b"{",
    "not UTF-8": b"\xff\xfe",
    "a list": b"[]",
    "null": b"null",
    "deep brackets": b"[" * 100_000,
    "no plans": b"{}",
    "plans of another kind": b'{"plans": {"plans": 5}}',
    "functions of another kind": b'{"plans": {"plans": []}, "funcs": {"funcs": [1]}}',
}


@pytest.mark.parametrize("name", NO_PLANS)
def test_what_is_no_plan_is_a_problem(name: str) -> None:
    assert len(refusal(NO_PLANS[name])) == 1


def test_another_entrypoint_is_named_with_those_there_are() -> None:
    assert refusal(plan(REGO), "test/q") == (
        "the plan has no entrypoint 'test/q' (it has: test/p)",
    )


@pytest.mark.parametrize("data", [b"[]", b"{", b"nan", b'{"a": NaN}', b'{"a": 1e999999999}'])
def test_data_that_is_none_is_a_problem(data: bytes) -> None:
    made = load_plan(plan(REGO), "test/p", data)
    assert isinstance(made, PlanRejected)
    assert made.problems[0].message.startswith("the data is not")


def test_all_missing_builtins_are_named_with_their_lines() -> None:
    lacking = 'rego.parse_module("a", "").x'
    rego = f"package test\np if {lacking}\np if {{\n  {lacking}\n}}"
    assert refusal(plan(rego)) == (
        "0.rego:2:6: unsupported builtin rego.parse_module",
        "0.rego:4:3: unsupported builtin rego.parse_module",
    )


def test_a_missing_builtin_is_refused_where_it_is_a_mock_too() -> None:
    rego = "package test\nq if count(input.x) > 1\np if q with count as http.send"
    assert any("http.send" in problem for problem in refusal(plan(rego)))


INERT = [
    "__import__('os').system('true')",
    "'''\n",
    '"""',
    "\\",
    "\n\nraise SystemExit",
    "{x}",
    "%s",
    "\x00",
    "v0",
    "__builtins__",
    "\u2028",
]


@pytest.mark.parametrize("text", INERT)
def test_text_of_a_policy_never_becomes_code(text: str) -> None:
    changed = document()
    for string in changed["static"]["strings"]:
        if string["value"] == "xs":
            string["value"] = text
    for function in changed["funcs"]["funcs"]:
        renamed = text + function["name"]
        for statement in statements(changed):
            if statement["stmt"].get("func") == function["name"]:
                statement["stmt"]["func"] = renamed
        function["name"] = renamed
    changed["static"]["files"] = [{"value": text}]
    made = load(changed)
    assert not isinstance(made, PlanRejected)
    assert made.decide({text: [1]}, None) is True

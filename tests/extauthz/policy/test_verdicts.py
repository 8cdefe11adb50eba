"""Policies that can never allow are found; of those that can, none is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from callout.testing import data
from extauthz.policy.plan.reader import read_plan
from extauthz.policy.plan.verdicts import can_allow
from extauthz.policy.problems import PlanError
from extauthz.policy.values.text import from_json, to_json
from tests.extauthz.policy import rego

PLUGIN: Final = sorted((Path(__file__).parents[1] / "opa_envoy" / "policies").glob("*.rego"))
NONE_ALLOWED: Final = {"denied_body", "denied_whole", "status", "wrong_denial"}
"""Of the plugin's policies, those without an allowance."""

NEVER: Final = {
    "a default alone": "default p := false",
    "only false": "default p := false\np := false if input.x\np := false if input.y == 1",
    "a body that is false": "default p := false\np if false",
    "constants that differ": 'default p := false\np if { input.x; "a" == "b" }',
    "not true": "default p := false\np if { not true; input.x }",
    "two values at once": 'p if { input.m == "GET"; input.m == "POST" }',
    "two values at once, far apart": (
        'p if { input.a.b == 1; some x in input.list; x > 2; input.a["b"] == 2 }'
    ),
    "a value that it must not be": "p if { input.m == false; input.x; input.m }",
    "a text": 'p := "true" if input.x',
    "a number": "p := 1",
    "null": "p := null if input.x",
    "a set of reasons": 'p contains "no" if input.x',
    "a list": "p := [true]",
    "a set": "p := {true}",
    "an object without allowed": 'p := {"allow": true, "http_status": 200}',
    "an object that is never allowed": (
        'default p := {"allowed": false}\np := {"allowed": false, "body": "no"} if input.x'
    ),
    "allowed is a text": 'p := {"allowed": "true", "headers": {"x-a": input.x}}',
    "allowed is a number": 'p := {"allowed": 1}',
    "allowed is a list": 'p := {"allowed": [true], "body": input.x}',
    "allowed further in": 'p := {"result": {"allowed": true}}',
    "a rule that is never true": (
        "default p := false\np if admin\ndefault admin := false\nadmin if false"
    ),
    "a rule that is never defined": "p if admin\nadmin if { input.x; false }",
    "a rule through rules": "p if a\na if b\nb if c\nc := false",
    "the value of a rule": 'p := q\nq := {"allowed": r}\ndefault r := false',
    "a function that is false": "p if f(input.x)\nf(x) := false if x > 3",
    "rules that wait for each other's false": "p := a\na := b if input.x\nb := false",
    "a boolean of a local": "p := x if { x := false; input.y }",
    "branches": "p := false if { input.x } else := null if { input.y } else := 3",
}
MAY: Final = {
    "true": "p := true",
    "a condition": 'default p := false\np if input.m == "GET"',
    "either": 'p if input.m == "GET"\np if input.m == "POST"',
    "two values of two things": "p if { input.a == 1; input.b == 2 }",
    "two values in turn": (
        "p if { q with input.m as 1 }\nq if { input.m == 1; r with input.m as 2 }\n"
        "r if input.m == 2"
    ),
    "one value, twice": "p if { input.m == 1; input.m == 1 }",
    "equal numbers": "p if { input.m == 1; input.m == 1.0 }",
    "two values of members": 'p if { some x in input.l; x.m == 1; some y in input.l; y.m == 2 }',
    "an object": 'p := {"allowed": true}',
    "an object with a condition": 'p := {"allowed": input.m == "GET", "body": "x"}',
    "an object of a rule": 'p := {"allowed": q}\ndefault q := false\nq if input.x',
    "a comprehension": 'p := {k: v | some k, v in {"allowed": true, "body": "x"}}',
    "a computed key": 'p := {k: true | k := lower("ALLOWED")}',
    "an object of the input": "p := input.decision",
    "an object of the data": "p := data.decision",
    "a merged object": 'p := object.union({"body": "x"}, {"allowed": true})',
    "a rule of parts": 'p["allowed"] := true if input.x\np["body"] := "b"',
    "a package of parts": "p.allowed if input.x\np.body := 1",
    "a value of a builtin": "p := startswith(input.path, \"/a\")",
    "a negation": "p if not q\nq if false",
    "every of nothing": "p if every x in [] { x == 1 }",
    "a function": "p if f(input.x)\nf(x) if x == 1\nf(x) := false if x == 2",
    "a mocked rule": "p if q with r as true\nq if r\ndefault r := false",
    "a mocked function": "p if { q with f as true }\nq if f(1)\nf(x) := false if x",
    "mocked data": "p if q with data.flag as true\nq if data.flag",
    "a rule by a computed name": "p if q[input.name]\nq.a := true\nq.b := false",
    "the last branch": "p := false if { input.x } else := null if { input.y } else := true",
    "a long way round": "p := a\na := b\nb := c\nc := {\"allowed\": d}\nd if input.x",
    "an array's element": 'p := [false, {"allowed": true}][i] if i := input.i',
}  # fmt: skip


def allows(text: str) -> bool:
    return can_allow(read_plan(rego.plan(f"package test\n\n{text}\n")), "test/p")


@pytest.mark.parametrize("name", NEVER)
def test_a_policy_that_can_never_allow_is_found(name: str) -> None:
    assert not allows(NEVER[name])


@pytest.mark.parametrize("name", MAY)
def test_a_policy_that_may_allow_is_not(name: str) -> None:
    assert allows(MAY[name])


@pytest.mark.parametrize("path", PLUGIN, ids=lambda path: path.stem)
def test_of_the_plugins_policies_those_that_never_allow_are_found(path: Path) -> None:
    text = path.read_text()
    package = text.split("package ", 1)[1].split()[0]
    entrypoint = f"{package.replace('.', '/')}/result"
    plan = read_plan(rego.plan(text, entrypoint=entrypoint))
    assert can_allow(plan, entrypoint) is (path.stem not in NONE_ALLOWED)


def test_an_entrypoint_that_is_not_there_is_an_error() -> None:
    with pytest.raises(PlanError, match="has no entrypoint"):
        can_allow(read_plan(rego.plan("package test\n\np := true\n")), "test/q")


def cases() -> Iterator[tuple[str, bool, bool]]:
    """OPA's own cases: name, whether one gives an allowance, whether we say that it may."""
    for path in sorted(data.require("opa-compliance/v1").rglob("*.*")):
        if path.suffix not in (".json", ".yml", ".yaml"):
            continue
        for case in from_json(path.read_bytes())["cases"]:
            rows = [row for row in case.get("want_result", ()) if isinstance(row, dict)]
            gives = any(allows_as(value) for row in rows for value in row.values())
            try:
                plan = read_plan(to_json(case["plan"]).encode())
                yield case["note"], gives, can_allow(plan, case["entrypoints"][0])
            except PlanError:
                continue  # refused when it is loaded, too


def allows_as(value: Any) -> bool:
    return value is True or (isinstance(value, dict) and value.get("allowed") is True)


def test_no_case_of_opas_that_gives_true_is_said_to_never_do_so() -> None:
    found = list(cases())
    assert len(found) > 2_000
    assert [name for name, gives, may in found if gives and not may] == []
    assert sum(gives for _, gives, _ in found) > 500
    assert sum(not may for _, _, may in found) > 100


def test_a_thousand_rules_are_judged_in_bounded_time() -> None:
    chain = "\n".join(f"r{index} if r{index + 1}" for index in range(1_000))
    assert not allows(f"default p := false\np if r0\n{chain}\nr1000 := false")
    rules = "\n".join(f'p if {{ input.path == "/{n}"; input.n == {n} }}' for n in range(1_000))
    assert allows(f"default p := false\n{rules}")

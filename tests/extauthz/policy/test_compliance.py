"""OPA's own compliance cases (with the plans that OPA made of them) through the translator.

The cases are read where they are (`callout.testing.data`); they are no part of the clone.
"""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from callout.testing import data
from extauthz.policy.engine import UNDEFINED
from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.outside.permits import GATED, HttpPermit, Permits
from extauthz.policy.outside.world import WORLD, World
from extauthz.policy.plan.reader import read_plan
from extauthz.policy.problems import PlanError
from extauthz.policy.translator.program import compile_plan
from extauthz.policy.translator.runtime import KEPT, begin
from extauthz.policy.values.representation import equal, make_set, ordered
from extauthz.policy.values.text import from_json, plain, to_json
from tests.extauthz.policy.outside import outside
from tests.extauthz.policy.terms import parse_term

CONTRADICTED = {"reachable_paths/cycle_1022_3"}
"""`opa eval` v1.22.0 itself gives what we give: a longer path than the case says."""

REFUSED = Counter(
    {
        "rego.parse_module": 2,
        "test.sleep": 1,
    }
)
"""Cases for the first builtin that they lack."""


PERMITS = Permits(
    HttpPermit(frozenset({"localhost"})), frozenset({"10.0.0.0", "::", "localhost"}), {}
)


class Outcome(NamedTuple):
    folder: str
    note: str
    result: str
    """`passed`, `refused NAME...`, or what went wrong."""


def _cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(folder.rglob("*.*")):
        if path.suffix in (".json", ".yml", ".yaml"):
            for case in from_json(path.read_bytes())["cases"]:
                yield path.parent.name, case


def _run(case: dict[str, Any], world: World) -> str:
    try:
        plan = read_plan(to_json(case["plan"]).encode())
        strict = case.get("strict_error", False)
        compiled = compile_plan(plan, case["entrypoints"][0], strict=strict, permitted=GATED)
    except PlanError as error:
        messages = sorted(problem.message for problem in error.problems)
        missing = [m.removeprefix("unsupported builtin ") for m in messages]
        if all(m.startswith("unsupported builtin ") for m in messages):
            return "refused " + " ".join(dict.fromkeys(missing))
        return f"wrongly refused: {messages}"
    document = parse_term(case["input_term"]) if "input_term" in case else case.get("input")
    if "input_term" not in case and "input" not in case:
        document = UNDEFINED
    error_code = error_text = ""
    results: list[Any] = []
    try:
        memo = begin(time.time_ns())
        memo[KEPT][WORLD] = world
        results = compiled.evaluate(document, case.get("data", {}), memo)
    except BuiltinError as error:
        error_code, error_text = error.code, error.message
    except RegoError as error:
        error_code = {"rego_conflict": "eval_conflict_error"}.get(error.reason, error.reason)
        error_text = error.message
    return _compare(case, results, error_code, error_text)


def _compare(case: dict[str, Any], results: list[Any], error_code: str, error_text: str) -> str:
    if "want_error_code" in case or "want_error" in case:
        wanted = case.get("want_error_code", error_code)
        text = case.get("want_error", "")
        # OPA's text begins with the builtin's name, and ours says more than some cases ask for
        if not error_code or error_code != wanted:
            return f"expected {wanted}, found {error_code or 'a result'}"
        if error_text not in text and text.partition(": ")[2] not in error_text:
            return f"expected the error {text!r}, found {error_text!r}"
        return "passed"
    if error_code:
        return f"unexpected {error_code}: {error_text}"
    found = [{name: plain(value) for name, value in row.items()} for row in results]
    if case.get("sort_bindings"):
        found = [{name: ordered(value) for name, value in row.items()} for row in found]
    if equal(make_set(found), make_set(case["want_result"])):
        return "passed"
    return f"expected {to_json(case['want_result'])}, found {to_json(found)}"


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    cases = _cases(data.require("opa-compliance/v1"))
    with outside(PERMITS) as world:
        return [Outcome(folder, case["note"], _run(case, world)) for folder, case in cases]


def test_no_case_gives_a_wrong_answer(outcomes: list[Outcome]) -> None:
    wrong = [o for o in outcomes if o.result != "passed" and not o.result.startswith("refused ")]
    assert {o.note for o in wrong} == CONTRADICTED, "\n".join(map(str, wrong))


def test_all_cases_ran_and_most_pass(outcomes: list[Outcome]) -> None:
    assert len(outcomes) == 2075
    passed = sum(outcome.result == "passed" for outcome in outcomes)
    assert passed == 2075 - REFUSED.total() - len(CONTRADICTED)


def test_exactly_the_known_builtins_are_refused_by_name(outcomes: list[Outcome]) -> None:
    refused = Counter(
        outcome.result.split()[1] for outcome in outcomes if outcome.result.startswith("refused ")
    )
    assert refused == REFUSED

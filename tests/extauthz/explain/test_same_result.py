"""An explanation is of the decision that was made: OPA gives what our engine gives."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callout.testing import data
from extauthz.explain.rego import SECONDS, Explanation, Question, explain
from extauthz.explain.visible import Visible
from extauthz.policy.engine import UNDEFINED
from extauthz.policy.values.representation import equal, make_set, ordered
from extauthz.policy.values.text import from_json, to_json
from tests.extauthz.explain.program import native
from tests.extauthz.policy import rego

# the first run on a machine builds the program: a minute or two
pytestmark = pytest.mark.timeout(900)

_RULE = re.compile(r"data((?:\.[a-z_0-9]+)+) = x")
"""A question about one rule, as entrypoints are."""


NOT_ASKED = {
    "net.lookup_ip_addr/localhost",
    "net.lookup_ip_addr/simple ip4 returns that ip4",
    "net.lookup_ip_addr/simple ip6 returns that ip6",
}
"""Cases that would ask others."""
NOT_OPAS = {"time/time caching"}
"""It needs a builtin of OPA's own tests."""


def _cases(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.rglob("*.*")):
        if path.suffix in (".json", ".yml", ".yaml"):
            for case in from_json(path.read_bytes())["cases"]:
                # a Check always has an input
                inputs = "input" in case or "input" not in to_json(case.get("modules"))
                if _RULE.fullmatch(case.get("query", "")) and "input_term" not in case and inputs:
                    yield case


def _asked(case: dict[str, Any]) -> dict[str, Any]:
    found = _RULE.fullmatch(case["query"])
    assert found is not None
    return {
        "command": "explain",
        "sources": {f"{i}.rego": text for i, text in enumerate(case.get("modules") or ())},
        "entrypoint": found[1][1:].replace(".", "/"),
        "input": to_json(case.get("input", {})),
        "data": to_json(case.get("data", {})),
        "runtime": {},
        "strict": case.get("strict_error", False),
        "now": time.time_ns(),
        "seconds": SECONDS,
    }


def _wrong(case: dict[str, Any], reply: dict[str, Any]) -> bool:
    if case["note"] in NOT_ASKED:
        return reply["asked"] != ["net.lookup_ip_addr"]
    if "want_error_code" in case or "want_error" in case:
        return not reply.get("errors")
    if reply.get("errors"):
        return True
    wanted = case["want_result"]
    result = UNDEFINED if "result" not in reply else from_json(reply["result"])
    if not wanted or result is UNDEFINED:
        return bool(wanted) or result is not UNDEFINED
    expected = wanted[0]["x"]
    if case.get("sort_bindings"):
        result, expected = ordered(result), ordered(expected)
    return not equal(make_set([result]), make_set([expected]))


def test_it_is_what_opas_own_compliance_cases_want() -> None:
    cases = [
        case for case in _cases(data.require("opa-compliance/v1")) if case["note"] not in NOT_OPAS
    ]
    assert len(cases) > 1800
    replies = native()([_asked(case) for case in cases])
    wrong = [
        (case["note"], reply)
        for case, reply in zip(cases, replies, strict=True)
        if _wrong(case, reply)
    ]
    assert wrong == [], "\n".join(str(each)[:500] for each in wrong)


POLICY = """package test

p := {"allowed": true, "n": n} if {
	some name, grants in data.grants
	name in input.roles
	some n in grants
	n > 1.5
	every each in input.list { each != "no" }
} else := {"allowed": false, "set": {2, 1, "b"}} if {
	count(input.list) > 2
} else := false if input.list == ["no"]
"""
DOCUMENTS: tuple[dict[str, Any], ...] = (
    {"roles": ["a"], "list": ["x"]},
    {"roles": ["b"], "list": ["x"]},
    {"roles": ["a"], "list": ["no", "x", "y"]},
    {"roles": ["a"], "list": ["no"]},
    {"roles": [], "list": []},
    {},
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=to_json)
def test_it_is_what_our_engine_gives(document: dict[str, Any]) -> None:
    grants = {"grants": {"a": [1, 2], "b": [1]}}
    decided = rego.engine(POLICY, data=grants).decide(document, None)
    question = Question(
        {"0.rego": POLICY.encode()}, "test/p", document, grants, False, {}, time.time_ns()
    )
    visible = Visible(document, document, grants, [POLICY.encode()])
    found: Explanation = explain(question, native(), visible)
    assert found.result == decided
    assert found.errors == ()

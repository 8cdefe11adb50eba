"""`print`: what the log says, beside what OPA's own says."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from callout.testing import tools
from extauthz.policy.compiler import program
from extauthz.policy.compiler.ways import Compile, Request, with_opa, with_program
from extauthz.policy.plan.ir import Place
from extauthz.policy.printing import LONGEST, MOST_A_SECOND, MOST_OF_ONE, PRINT, Print
from extauthz.policy.rego import RegoEngine, load_plan
from extauthz.policy.values.representation import RegoSet, encode
from extauthz.policy.values.text import from_json
from tests.extauthz.policy.rego import CACHE

POLICY = """package shop

import rego.v1

default allow := false

allow if {
	print("asked by", input.user, "with", input.numbers)
	some role in input.roles
	print(role, input.nothing, {"set": {2, 1}}, [null, true, 1.50])
	role == "admin"
}
"""
INPUT: dict[str, Any] = {"user": "ann", "numbers": [1, 2], "roles": ["reader", "admin"]}

pytestmark = pytest.mark.timeout(900)  # the first run on a machine builds OPA's code


def engine(prints: bool, compiler: str = "program") -> RegoEngine:
    request = Request({"rego/shop.rego": POLICY.encode()}, "shop/allow", "rego", prints)
    (plan,) = (with_opa(tools.require("opa")) if compiler == "opa" else ours())([request])
    assert isinstance(plan, bytes), plan
    permitted = frozenset({PRINT} if prints else ())
    loaded = load_plan(plan, "shop/allow", None, permitted=permitted)
    assert isinstance(loaded, RegoEngine), loaded
    return loaded


def ours() -> Compile:
    return with_program(program.find(CACHE, print))


@pytest.fixture(scope="module", params=["opa", "program"])
def printing(request: pytest.FixtureRequest) -> RegoEngine:
    return engine(True, request.param)


def said(loaded: RegoEngine, document: Any = INPUT) -> list[dict[str, Any]]:
    with capture_logs() as lines:
        loaded.decide(from_json(json.dumps(document)), None)
    return [dict(line) for line in lines if line["event"] == "print"]


def test_what_is_printed_is_what_opa_prints(printing: RegoEngine, tmp_path: Path) -> None:
    (tmp_path / "shop.rego").write_text(POLICY)
    (tmp_path / "input.json").write_text(json.dumps(INPUT))
    command = [tools.require("opa"), "eval", "-d", "shop.rego", "-i", "input.json", "data.shop"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    ours = said(printing)
    assert [line["said"] for line in ours] == done.stderr.splitlines()
    assert [(line["file"], line["line"]) for line in ours] == [
        ("rego/shop.rego", 8),
        ("rego/shop.rego", 10),
        ("rego/shop.rego", 10),
    ]
    assert ours[1]["said"] == 'reader <undefined> {"set": {1, 2}} [null, true, 1.50]'


@pytest.mark.parametrize("compiler", ["opa", "program"])
def test_nothing_is_printed_unless_the_policy_says_so(compiler: str) -> None:
    assert said(engine(False, compiler)) == []


def test_what_is_undefined_does_not_end_the_rule(printing: RegoEngine) -> None:
    lines = said(printing, {"roles": ["admin"]})
    assert lines[0]["said"] == "asked by <undefined> with <undefined>"
    assert len(lines) == 2


def test_a_policy_that_decides_often_prints_a_few_lines_a_second() -> None:
    fresh = engine(True)
    lines = [line for _ in range(50) for line in said(fresh)]
    assert 2 * MOST_A_SECOND <= len(lines) <= 8 * MOST_A_SECOND  # of two `print`s, in a few seconds


def test_silent_lines_are_counted_and_long_ones_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.5]
    monkeypatch.setattr("extauthz.policy.printing.time.monotonic", lambda: now[0])
    where = Print(Place("a.rego", 3, 1))
    with capture_logs() as lines:
        for _ in range(MOST_A_SECOND + 5):
            where.say(from_json('["x"]'))
        now[0] += 1.0
        where.say(from_json(json.dumps(["y" * 5000])))
    assert len(lines) == MOST_A_SECOND + 1
    assert lines[-1]["silent"] == 5
    assert len(lines[-1]["said"]) == LONGEST


def test_all_combinations_are_printed_up_to_a_bound() -> None:
    members = RegoSet({encode(each): each for each in range(100)})
    where = Print(Place("a.rego", 3, 1))
    with capture_logs() as lines:
        where.say([members, members])
    assert len(lines) == MOST_OF_ONE
    assert lines[0]["said"] == "0 0"

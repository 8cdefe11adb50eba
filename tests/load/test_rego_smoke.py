"""The benchmark of Rego works: every policy decides rightly, there and with OPA, and is a row."""

import pytest

from callout.testing import tools
from tests.load import rego


def test_every_promise_is_measured() -> None:
    asked = {(policy.name, each.name): each.times for policy in rego.policies()
             for each in policy.questions}  # fmt: skip
    assert len(asked) == 13
    assert asked["roles with data", "allowed"] == 10
    assert asked["1,000 rules: a prefix and a method", "none"] == 1
    assert {times for (name, _), times in asked.items() if "200" in name} == {5}


@pytest.mark.timeout(120)
def test_a_quick_run_gives_a_row() -> None:
    tools.require("opa")
    rows, loading = rego.measure(rego.policies()[0], rounds=1, seconds=0.0)
    assert len(rows) == 2
    assert all(row.ours > 0 and row.theirs > 0 for row in rows)
    assert loading.translated > 0
    table = rego.markdown(rows, loading, 1)
    assert table.count("| roles with data |") == 2


def test_every_policy_decides_rightly() -> None:
    tools.require("opa")
    for policy in rego.policies():
        made, _ = rego.engine_of(policy)
        for question in policy.questions:
            assert made.decide(question.document, None) is question.answer, policy.name

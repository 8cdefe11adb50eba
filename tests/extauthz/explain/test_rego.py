"""Which rules were tried, and where each failed."""

import time
from typing import Any

import pytest

from extauthz.explain.rego import Explanation, Failure, Question, explain
from extauthz.explain.visible import Visible
from extauthz.policy.engine import UNDEFINED
from tests.extauthz.explain.program import native

# the first run on a machine builds the program: a minute or two
pytestmark = pytest.mark.timeout(900)


def explained(
    text: str, document: Any, data: Any = None, strict: bool = False, entrypoint: str = "shop/allow"
) -> Explanation:
    """What is told of `allow` of the package `shop`."""
    rego = {"shop.rego": f"package shop\n{text}\n".encode()}
    question = Question(rego, entrypoint, document, data or {}, strict, {}, time.time_ns())
    return explain(question, native(), Visible(document, document, data or {}, [*rego.values()]))


def only_failure(found: Explanation) -> Failure:
    """Of the one rule that was tried for the entrypoint."""
    (rule,) = (each for each in found.rules if each.depth == 0)
    assert rule.failed is not None
    return rule.failed


def values(failure: Failure) -> dict[str, str]:
    return {each.name: each.text for each in failure.values}


INPUT = {
    "method": "GET",
    "path": "/a/b",
    "roles": ["u", "v"],
    "list": [{"n": 1}, {"n": 2}],
    "n": 7,
}
FAILURES: tuple[tuple[str, int, str, dict[str, str]], ...] = (
    ('allow if input.method == "PUT"', 10, 'input.method == "PUT"', {"input.method": '"GET"'}),
    ("allow if input.a.b", 10, "input.a.b", {"input.a.b": "undefined"}),
    ("allow if input.n in data.ns", 10, "input.n in data.ns", {"input.n": "7", "data.ns": "[1,2]"}),
    ("allow if not input.n", 10, "not input.n", {"input.n": "7"}),
    (
        'allow if count(split(input.path, "/")) > 3 + 1',
        10,
        'count(split(input.path, "/")) > 3 + 1',
        {
            'count(split(input.path, "/"))': "3",
            'split(input.path, "/")': '["","a","b"]',
            "input.path": '"/a/b"',
            "3 + 1": "4",
        },
    ),
    ("allow if { x := input.n; x > 7 }", 26, "x > 7", {"x": "7"}),
    (
        "allow if { some each in input.list; each.n == data.wanted }",
        37,
        "each.n == data.wanted",
        {"each.n": "1", "data.wanted": "3"},
    ),
    (
        'allow if { input.n == 7; input.method == "a" with input.method as "b" }',
        26,
        'input.method == "a" with input.method as "b"',
        {"input.method": '"b"'},
    ),
    (
        "allow if { to_number(input.path) > 1 }",
        12,
        "to_number(input.path)",
        {"input.path": '"/a/b"'},
    ),
)


@pytest.mark.parametrize(("rule", "column", "text", "named"), FAILURES, ids=lambda each: str(each))
def test_the_expression_and_its_values_are_told(
    rule: str, column: int, text: str, named: dict[str, str]
) -> None:
    found = explained(rule, INPUT, {"ns": [1, 2], "wanted": 3})
    failure = only_failure(found)
    assert (failure.file, failure.line, failure.column) == ("shop.rego", 2, column)
    assert failure.text == text
    assert values(failure) == named
    assert found.result is UNDEFINED


def test_rules_are_told_in_their_order_with_those_that_they_ask_for() -> None:
    found = explained(
        """
default allow := false
reading if input.method == "GET"
allow if { reading; input.n > 7 }
allow if { not reading }
allow if { reading; input.n == 7 }""",
        INPUT,
    )
    told = [(each.rule, each.line, each.depth, each.times) for each in found.rules]
    assert told == [
        ("shop.allow", 5, 0, 0),
        ("shop.reading", 4, 1, 1),
        ("shop.allow", 6, 0, 0),
        ("shop.allow", 7, 0, 1),
    ]
    assert found.result is True
    assert [each.line for each in found.gave] == [7]
    second = found.rules[2].failed
    assert second is not None
    assert values(second) == {"reading": "true"}


def test_where_no_rule_is_true_the_default_is_told() -> None:
    found = explained("default allow := false\nallow if input.n == 1", INPUT)
    assert [(each.default, each.line, each.value) for each in found.gave] == [(True, 2, "false")]


def test_expressions_of_else_are_told_with_their_own_places() -> None:
    found = explained(
        "allow := 1 if input.a else := 2 if input.n == 1\n"
        "else if not input.n\n"
        "else := 3 if {\n\tinput.b\n}",
        INPUT,
    )
    failed = [each.failed for each in found.rules]
    assert [(each.line, each.column, each.text) for each in failed if each] == [
        (2, 15, "input.a"),
        (2, 36, "input.n == 1"),
        (3, 9, "not input.n"),
        (5, 2, "input.b"),
    ]


def test_references_are_called_as_they_are_written() -> None:
    """What their variables are worth is told apart, as it may be a secret."""
    found = explained(
        "allow if { k := input.method; data.table[k].x == 1 }\n"
        "allow if data.table[input.method].x == 1",
        INPUT,
        {"table": {"GET": {"x": 2}}},
    )
    first, second = (each.failed for each in found.rules)
    assert first is not None
    assert second is not None
    assert values(first) == {"data.table[k].x": "2", "k": '"GET"'}
    assert values(second) == {"data.table[input.method].x": "2", "input.method": '"GET"'}


def test_how_many_values_failed_is_told_with_the_first() -> None:
    failure = only_failure(explained("allow if { some r in input.roles; r == data.x }", INPUT))
    assert failure.times == 2
    assert values(failure)["r"] == '"u"'


def test_of_every_the_member_is_told_for_which_it_is_not_true() -> None:
    found = explained("allow if { every each in input.list { each.n < 2 } }", INPUT)
    failure = only_failure(found)
    assert failure.text == "every each in input.list { each.n < 2 }"
    assert failure.within is not None
    assert failure.within.text == "each.n < 2"
    assert values(failure.within) == {"each.n": "2"}


def test_functions_are_told_also_for_other_arguments() -> None:
    found = explained(
        'allow if { near(input.path) }\nnear("/x") := true\nnear(p) if startswith(p, "/z")', INPUT
    )
    assert [(each.rule, each.depth, each.times) for each in found.rules] == [
        ("shop.allow", 0, 0),
        ("shop.near", 1, 0),
        ("shop.near", 1, 0),
    ]
    assert found.rules[1].failed is None
    assert found.rules[2].failed is not None
    assert values(found.rules[2].failed) == {"p": '"/a/b"'}


def test_a_builtin_that_fails_is_told() -> None:
    assert only_failure(explained("allow if { to_number(input.path) }", INPUT)).error
    assert not only_failure(explained("allow if { to_number(input.n) == 1 }", INPUT)).error


def test_a_strict_decision_ends_with_the_error_but_not_with_its_text() -> None:
    found = explained("allow if { to_number(input.path) }", INPUT, strict=True)
    assert found.errors == ("shop.rego:2:12: eval_builtin_error",)
    assert found.result is UNDEFINED


def test_a_conflict_of_rules_is_told() -> None:
    found = explained("allow := 1 if input.n\nallow := 2 if input.n", INPUT)
    assert found.errors == ("shop.rego:3:1: eval_conflict_error",)


def test_nobody_is_asked() -> None:
    found = explained(
        'allow if { http.send({"method": "GET", "url": "http://127.0.0.1:1/"}).status_code }\n'
        'allow if { net.lookup_ip_addr("localhost") }',
        INPUT,
    )
    assert found.asked == ("http.send", "net.lookup_ip_addr")
    assert all(each.failed and each.failed.error for each in found.rules)


def test_clocks_show_the_moment_that_is_asked_about() -> None:
    document = {"now": 5}
    question = Question(
        {"a.rego": b"package a\nb := time.now_ns()"}, "a/b", document, {}, False, {}, 1234567
    )
    assert explain(question, native(), Visible(document, document, {}, [])).result == 1234567


def test_the_runtime_is_what_the_policy_may_see() -> None:
    question = Question(
        {"a.rego": b"package a\nb := opa.runtime()"}, "a/b", {}, {}, False, {"config": 1}, 1
    )
    assert explain(question, native(), Visible({}, {}, {}, [])).result == {"config": 1}


def test_an_evaluation_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extauthz.explain.rego.SECONDS", 0.3)
    began = time.monotonic()
    found = explained(
        "ns := numbers.range(1, 3000)\n"
        "allow if { some a in ns; some b in ns; some c in ns; a + b + c == 0 }",
        INPUT,
    )
    assert found.errors
    # it takes hours otherwise
    assert time.monotonic() - began < 60


def test_more_rules_than_anybody_reads_are_cut() -> None:
    found = explained("allow if { some r in numbers.range(1, 6000); f(r) }\nf(x) if x < 0", INPUT)
    assert found.cut
    assert len(found.rules) == 5000


def test_large_values_and_long_expressions_are_shortened() -> None:
    document = {"big": [0] * 5000}
    found = explained(f'allow if {{ input.big == "{"x" * 1000}" }}', document)
    failure = only_failure(found)
    assert len(failure.text) < 310
    assert all(len(each.text) < 20_000 for each in failure.values)


def test_numbers_are_exact() -> None:
    document = {"n": 123456789012345678901234567890}
    failure = only_failure(explained("allow if input.n == 1", document))
    assert values(failure) == {"input.n": "123456789012345678901234567890"}

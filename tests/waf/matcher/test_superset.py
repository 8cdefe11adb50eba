"""What is found in joined values is a superset of what a rule's own test finds in one of them."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.waf.matcher.expressions import EXPRESSIONS, VALUES
from waf.matcher.hyperscan import Database, HyperscanProblem, compile_database
from waf.matcher.linear import linear_search
from waf.matcher.superset import for_hyperscan, for_joined
from waf.operators.contract import OperatorProblem, Sought
from waf.operators.patterns import Pattern, compile_pattern


def _linear(expression: bytes) -> tuple[Pattern, Sought]:
    try:
        pattern = compile_pattern(expression)
    except OperatorProblem:
        assume(False)
        raise
    assume(pattern.sought is not None)
    assert pattern.sought is not None
    return pattern, pattern.sought


@settings(max_examples=400, deadline=None)
@given(EXPRESSIONS, st.lists(VALUES, min_size=1, max_size=4))
def test_re2_finds_in_joined_values_what_it_finds_in_one(
    expression: bytes, values: list[bytes]
) -> None:
    pattern, sought = _linear(expression)
    search = linear_search(sought, pattern.test)
    assume(search is not None)
    assert search is not None

    if any(pattern.test(value) is not None for value in values):
        assert search(b"\n".join(values))


@settings(max_examples=400, deadline=None)
@given(EXPRESSIONS, st.lists(VALUES, min_size=1, max_size=4))
def test_hyperscan_finds_in_joined_values_what_re2_finds_in_one(
    expression: bytes, values: list[bytes]
) -> None:
    pattern, sought = _linear(expression)
    spelled = for_hyperscan(sought.expression)
    # What matches nothing at all is never looked for.
    assume(spelled is not None and pattern.test(b"") is None)
    assert spelled is not None
    try:
        database = Database(compile_database([spelled], [7]))
    except HyperscanProblem:
        assume(False)
        raise

    if any(pattern.test(value) is not None for value in values):
        assert database.search(b"\n".join(values)) == (7,)


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        (rb"^ab$", [b"x", b"ab", b"y"]),
        (rb"\Aab\z", [b"x", b"ab", b"y"]),
        (rb"^\Sa$", [b"\va"]),
        (rb"^[\S]a$", [b"\va"]),
        (rb"^[^\s]a$", [b"\va"]),
        (rb"^[^\v]a$", [b"\fa"]),
        (rb"\bab\b", [b"-", b"ab", b"x"]),
        (b"a\0b", [b"a\0b"]),
        (b"[\0]", [b"\0"]),
        (rb"a.b", [b"a\nb"]),
        (rb"(?i)ab", [b"AB"]),
    ],
)
def test_what_the_engines_read_differently_is_respelled(
    expression: bytes, values: list[bytes]
) -> None:
    pattern = compile_pattern(expression)
    assert pattern.sought is not None
    spelled = for_hyperscan(pattern.sought.expression)
    search = linear_search(pattern.sought, pattern.test)
    text = b"\n".join(values)

    assert any(pattern.test(value) is not None for value in values)
    assert spelled is not None
    assert Database(compile_database([spelled], [0])).search(text)
    assert search is not None
    assert search(text)


@pytest.mark.parametrize(
    "expression",
    [b"(?i)\xe0", rb"(?i)\xe0", rb"a(?i:[\xc0-\xc9])", rb"\pL", rb"\Qa\E", rb"a(?-m:^)"],
)
def test_what_hyperscan_may_read_otherwise_is_not_given_to_it(expression: bytes) -> None:
    assert for_hyperscan(expression) is None


def test_an_expression_that_turns_lines_off_is_looked_for_by_nobody() -> None:
    assert for_joined(rb"a(?-m:^b)") is None
    assert for_joined(rb"a(?i-s:b)[(?-m:]") == rb"(?m)a(?i-s:b)[(?-m:]"


def test_words_are_looked_for_by_the_test_of_the_rule() -> None:
    search = linear_search(Sought(words=(b"ab",)), lambda value: () if b"ab" in value else None)

    assert search is not None
    assert search(b"x\ncabd")
    assert not search(b"a\nb")

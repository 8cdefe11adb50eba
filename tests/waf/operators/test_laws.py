"""What holds of every operator, whatever the value."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.waf.transformations.test_laws import VALUES
from waf.operators.contract import OperatorProblem, Surroundings
from waf.operators.refused import REFUSED
from waf.operators.table import OPERATORS

FILES = {"words": b"# no\nsleep\n\n two words \n", "nets": b"# no\n10.0.0.0/8\n::1\n"}


def around(warn: Callable[[str], None] = lambda _: None) -> Surroundings:
    return Surroundings(FILES.__getitem__, FILES.__getitem__, warn)


ARGUMENTS = {
    "ipmatch": b"10.0.0.0/8, ::1",
    "ipmatchf": b"nets",
    "ipmatchfromdataset": b"nets",
    "ipmatchfromfile": b"nets",
    "pm": b"a sleep &# |00 ff|",
    "pmf": b"words",
    "pmfromdataset": b"words",
    "pmfromfile": b"words",
    "restpath": b"/a/{b}",
    "rx": b"(a)|(&#)|\\x00",
    "rxglobal": b"(a)|(&#)|",
    "validatebyterange": b"32-126",
    "validatenid": b"cl [0-9.k-]+",
    "verifycc": b"[0-9a]*",
    "verifycpf": b"[0-9a]*",
    "verifyssn": b"[0-9a]*",
    "verifysvnr": b"[0-9a]*",
}
NUMBERS = st.lists(
    st.sampled_from(
        (b"0", b"5", b"9", b"99999999999999999999", b"-", b"+", b" ", b"_", b"1.2.3.4")
    ),
    max_size=20,
).map(b"".join)


@pytest.mark.parametrize("name", OPERATORS)
@settings(max_examples=60, deadline=None)
@given(value=VALUES | NUMBERS | st.just(b"9" * 6000))
def test_any_value_gives_nothing_or_captures(name: str, value: bytes) -> None:
    test = OPERATORS[name](ARGUMENTS.get(name, b"5"), around())

    found = test(value)

    assert found is None or (1 <= len(found) <= 10 and isinstance(found[0], bytes))
    assert found == test(value)


@pytest.mark.parametrize("name", OPERATORS)
@settings(max_examples=40, deadline=None)
@given(argument=VALUES | NUMBERS)
def test_any_argument_makes_a_test_or_is_a_problem(name: str, argument: bytes) -> None:
    def read(_: str) -> bytes:
        return argument

    with contextlib.suppress(OperatorProblem):
        test = OPERATORS[name](argument, Surroundings(read, read))

        assert test(b"a5\xff") == test(b"a5\xff")


def test_an_operator_is_here_or_refused_with_a_reason() -> None:
    assert not OPERATORS.keys() & REFUSED.keys()
    assert all(name == name.lower() for name in (*OPERATORS, *REFUSED))
    assert all(REFUSED.values())


def test_a_pattern_that_backtracks_is_told() -> None:
    told: list[str] = []

    for name in ("rx", "rxglobal", "verifycc"):
        OPERATORS[name](b"(?<=a)b", around(told.append))

    assert len(told) == 3
    assert all("not linear" in message for message in told)


def test_a_dataset_that_nobody_wrote_is_a_problem() -> None:
    with pytest.raises(OperatorProblem, match="shells"):
        OPERATORS["pmFromDataset".lower()](b"shells", Surroundings(FILES.__getitem__))

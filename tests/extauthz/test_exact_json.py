from decimal import Decimal
from typing import Any

import pytest

from extauthz.exact_json import exact, loads

GOOD: dict[str | bytes, Any] = {
    "1": 1,
    "-0": 0,
    "18446744073709551616": 2**64,
    "0.10": Decimal("0.10"),
    "1e3": Decimal("1e3"),
    "1e4300": Decimal("1e4300"),
    "0e999999": Decimal("0e999999"),
    '"\\ud83d\\ude00"': "😀",
    b'"\xc3\xa9"': "é",
    '"\\\\ud800"': "\\ud800",
    "[" * 200 + "]" * 200: None,
    '"' + "[" * 300 + '"': "[" * 300,
    ' {"a": null, "b": [true, false]} ': {"a": None, "b": [True, False]},
}

BAD: list[str | bytes] = [
    "",
    "{",
    "nan",
    "NaN",
    "Infinity",
    "-Infinity",
    "01",
    "1 2",
    "'a'",
    '{"a":1,"a":2}',
    '[{"a":{"b":1,"b":1}}]',
    '"\\ud800"',
    '["\\udc00\\ud800"]',
    '{"\\uD800":1}',
    '"a\nb"',
    "1e4301",
    "1e-4301",
    "1e999999999999",
    "1e9999999999999999999",
    "1e-9999999999999999999",
    "0e9999999999999999999",
    "1" * 4301,
    "0." + "1" * 4300,
    "[" * 201 + "]" * 201,
    '{"a":' * 100_000,
    b"\xff",
    b"\xef\xbb\xbf1",
]


@pytest.mark.parametrize("text", GOOD, ids=lambda text: repr(text[:20]))
def test_a_document_is_read_exactly(text: str | bytes) -> None:
    expected = GOOD[text]

    found = loads(text)

    if expected is not None:
        assert found == expected
        assert str(found) == str(expected)


@pytest.mark.parametrize("text", BAD, ids=lambda text: repr(text[:20]))
def test_what_two_readers_could_read_differently_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        loads(text)


def test_an_error_says_nothing_of_the_document() -> None:
    for text in BAD:
        with pytest.raises(ValueError) as error:
            loads(text)
        assert str(error.value) in {
            "not JSON",
            "nested too deep",
            "a name twice in one object",
            "a number out of range",
        }


def test_a_double_becomes_the_number_that_it_writes() -> None:
    assert str(exact(1.0)) == "1"
    assert str(exact(0.1)) == "0.1"
    assert exact(-(2.0**53)) == -(2**53)
    assert exact(1e23) == 10**23  # the double is 99999999999999991611392
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError):
            exact(number)

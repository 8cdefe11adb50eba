"""Values, numbers and text: where Python and Go differ."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extauthz.policy.builtins import arithmetic, encoding, printf, regular, strings
from extauthz.policy.builtins.casts import to_number
from extauthz.policy.engine import UNDEFINED
from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.values import numbers
from extauthz.policy.values.representation import (
    compare,
    decode,
    dot,
    encode,
    equal,
    make_set,
    merge,
    ordered,
    upsert,
)
from extauthz.policy.values.text import from_json, plain, term, to_json

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 2),
        st.sampled_from([Decimal("1.0"), Decimal("0.5"), Decimal("1.50"), Decimal("1.5")]),
        st.sampled_from(["", "a", "1", "é"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(make_set),
        st.lists(st.tuples(inner, inner), max_size=3).map(
            lambda pairs: {encode(key): value for key, value in pairs}
        ),
    ),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_equality_order_and_keys_agree(a: Any, b: Any) -> None:
    assert equal(a, b) == (compare(a, b) == 0) == (encode(a) == encode(b))
    assert compare(a, b) == -compare(b, a) or compare(a, b) * compare(b, a) < 0


@given(VALUES)
def test_a_key_gives_its_value_back(value: Any) -> None:
    assert equal(decode(encode(value)), value)
    assert hash(encode(value)) == hash(encode(decode(encode(value))))


@given(st.lists(VALUES, max_size=4))
def test_order_does_not_depend_on_where_values_stood(values: list[Any]) -> None:
    assert list(map(to_json, ordered(values))) == list(
        map(to_json, ordered(ordered(reversed(values))))
    ) or any(equal(a, b) for i, a in enumerate(values) for b in values[:i])


@pytest.mark.parametrize(
    ("a", "b"), [(1, True), (0, False), ([1], [True]), ({"a": 0}, {"a": False}), ({}, make_set([]))]
)
def test_what_python_holds_to_be_equal_is_not(a: Any, b: Any) -> None:
    assert a == b
    assert not equal(a, b)
    assert len(make_set([a, b])) == 2


def test_types_have_an_order() -> None:
    values = [
        None,
        False,
        True,
        -1,
        Decimal("0.5"),
        2,
        "",
        "a",
        [],
        [1],
        {},
        {"a": 1},
        make_set([]),
    ]
    assert ordered(reversed(values)) == values


@pytest.mark.parametrize("value", [1.0, b"x", (1,), {1}, object()])
def test_what_is_no_value_stops_the_evaluation(value: Any) -> None:
    with pytest.raises(RegoError, match="is no Rego value"):
        encode([value])


def test_look_ups() -> None:
    assert dot([5, 6], 1) == dot([5, 6], Decimal("1.0")) == 6
    assert dot([5, 6], True) is dot([5], -1) is dot([5], "0") is dot("ab", 0) is UNDEFINED
    assert dot({"a": None}, "a") is None
    assert dot(UNDEFINED, "a") is UNDEFINED


def test_documents_are_merged_and_changed_in_copies() -> None:
    base = {"a": {"x": 1}, "b": 2}
    assert merge(base, {"a": {"x": 9, "y": 3}, "c": 4}) == {"a": {"x": 1, "y": 3}, "b": 2, "c": 4}
    assert upsert(base, ("a", "y"), 5) == {"a": {"x": 1, "y": 5}, "b": 2}
    assert upsert(base, ("b", "z"), 5) == {"a": {"x": 1}, "b": {"z": 5}}
    assert upsert(UNDEFINED, ("q",), 1) == {"q": 1}
    assert base == {"a": {"x": 1}, "b": 2}


@pytest.mark.parametrize(
    "text", ["0", "-1", "1.0", "10.50", "1e3", "-0", "1E+2", "0.10e-5", "-0.0"]
)
def test_numbers_are_printed_as_they_were_written(text: str) -> None:
    assert to_json(from_json(text)) == text
    assert term(from_json(f"[{text}]")) == f"[{text}]"


FLOATS = {
    "1/3": "0.33333333333333333334",
    "2/3": "0.6666666666666666667",
    "1/10": "0.1",
    "12345675/10": "1.2345675e+06",
    "1/100000": "1e-05",
    "123456789/8": "1.5432098625e+07",
    "1180591620717411303424": "1180591620717411303400",
}


@pytest.mark.parametrize("fraction", FLOATS)
def test_floats_are_printed_as_go_does(fraction: str) -> None:
    value = numbers.rounded(Fraction(fraction))
    assert numbers.number_text(numbers.from_float(value)) == FLOATS[fraction]


@pytest.mark.parametrize("text", ["1e999999999", "1e-999999999", "1e30001", "1" * 5000 + "e30000"])
def test_numbers_that_would_cost_time_are_refused(text: str) -> None:
    with pytest.raises(BuiltinError, match="number too big"):
        from_json(text)


def test_arithmetic_on_numbers_from_elsewhere_is_bounded() -> None:
    with pytest.raises(RegoError, match="too large"):
        arithmetic.plus(Decimal("1e999999"), 1)
    with pytest.raises(RegoError, match="too large"):
        arithmetic.multiply(1 << 300_000, 1 << 300_000)
    with pytest.raises(RegoError, match="more than"):
        arithmetic.numbers_range(0, 10**12)
    with pytest.raises(RegoError, match="more than"):
        arithmetic.shift_left(1, 10**12)


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", "-Infinity", "01", "+1", "1.", ".5", "'a'", ""]
)
def test_json_is_as_strict_as_gos(text: str) -> None:
    assert encoding.json_is_valid(text) is False
    with pytest.raises(ValueError):
        from_json(text)


def test_a_lone_surrogate_becomes_the_replacement_character() -> None:
    assert from_json('["\\ud800", "\\ud83d\\ude00", {"\\udfff": 1}]') == [
        "\ufffd",
        "😀",
        {"\ufffd": 1},
    ]


def test_bytes_that_are_no_text_survive_in_strings() -> None:
    raw = encoding.base64_decode("/w==")
    assert encoding.hex_encode(raw) == "ff"
    assert encoding.base64_encode(raw) == "/w=="
    assert to_json(raw) == '"\ufffd"'
    with pytest.raises(RegoError, match="not UTF-8"):
        regular.match(".", raw)


@pytest.mark.parametrize(
    ("text", "upper", "lower"),
    [
        ("ß", "ß", "ß"),
        ("İ", "İ", "i"),
        ("ΑΣ", "ΑΣ", "ασ"),
        ("ﬀ", "ﬀ", "ﬀ"),
        ("ǆ", "Ǆ", "ǆ"),
    ],
)
def test_letters_change_case_one_by_one(text: str, upper: str, lower: str) -> None:
    assert strings.upper(text) == upper
    assert strings.lower(text) == lower


def test_white_space_is_gos() -> None:
    assert strings.trim_space("\x1c\u2003 a\x1f\u3000") == "\x1c\u2003 a\x1f"


FORMATS: list[tuple[str, list[Any], str]] = [
    ("%d%%", [5], "5%"),
    ("%v", [Decimal("1.0")], "1"),
    ("%v", [Decimal("1234567.5")], "1.2345675e+06"),
    ("%d", [Decimal("1.5")], "%!d(float64=1.5)"),
    ("%d", ["a"], "%!d(string=a)"),
    ("%d", [2**70], str(2**70)),
    ("%s", [5], "%!s(int64=5)"),
    ("%s", [True], "true"),
    ("%v", [make_set([1, "a"])], '{1, "a"}'),
    ("%v %v", [1], "1 %!v(MISSING)"),
    ("%v", [1, "b"], "1%!(EXTRA string=b)"),
    ("%", [], "%!(NOVERB)"),
    ("%05d|%-5s|%5s|%x|%+d", [-42, "ab", "cd", "hi", 7], "-0042|ab   |   cd|6869|+7"),
    (
        "%.2f %e %8.3f",
        [Decimal("1.005"), Decimal("12.5"), Decimal("2.0")],
        "1.00 1.250000e+01    2.000",
    ),
    ("%q", ['a"\n\u200b'], '"a\\"\\n\\u200b"'),
]


@pytest.mark.parametrize(
    ("layout", "values", "expected"), FORMATS, ids=lambda value: repr(value)[:30]
)
def test_sprintf(layout: str, values: list[Any], expected: str) -> None:
    assert printf.sprintf(layout, values) == expected


@pytest.mark.parametrize("layout", ["%[1]d", "%*d", "%#x", "%2000000d"])
def test_what_sprintf_lacks_stops_the_evaluation(layout: str) -> None:
    with pytest.raises(RegoError, match="not supported"):
        printf.sprintf(layout, ["a"])


def test_numbers_from_text() -> None:
    assert to_number("1e3") == 1000
    assert str(to_number("-5")) == "-5"
    for text in ("nan", "inf", "-Infinity", "1e999", "abc", "", " 1"):
        with pytest.raises(BuiltinError):
            to_number(text)
    with pytest.raises(RegoError):
        to_number("0x1p4")
    with pytest.raises(RegoError):
        plain([to_number("007")])


def test_an_answer_is_json() -> None:
    value = {encode(1): make_set(["b", "a"]), "x": [make_set([])]}
    assert plain(value) == {"1": ["a", "b"], "x": [[]]}

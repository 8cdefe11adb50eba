"""What holds of every transformation, whatever the value."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waf.transformations.table import TRANSFORMATIONS

FRAGMENTS = (
    *(bytes((byte,)) for byte in range(256)),
    *(
        b"\\",
        b"\\u00",
        b"\\u0041",
        b"\\x4",
        b"\\377",
        b"\\777",
        b"%",
        b"%u",
        b"%uff1c",
        b"%4",
        b"%41",
    ),
    *(b"&", b"&#", b"&#x", b"&#x3c", b"&lt", b"&lt;", b"&ltx", b"&notit;", b"&#" + b"9" * 5000),
    *(b"/*", b"*/", b"<!--", b"-->", b"--", b"../", b"/..", b"./", b"//", b"0x4", b"0x41", b"=="),
    *(b"\xc0\xaf", b"\xc3\xa9", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xf4\x90\x80\x80", b"  "),
)
VALUES = st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(b"".join)

NEVER_THE_SAME = {"md5", "sha1"}
"""They change every value; of the others, all leave some value as it is."""
PLAIN = {
    "base64encode": b"",
    "hexencode": b"",
    "hexdecode": b"",
    "base64decode": b"",
    "base64decodeext": b"",
    "length": b"1",
    "parityeven7bit": b"cef",
    "parityodd7bit": b"abd",
    "uppercase": b"SELECT",
}


@pytest.mark.parametrize("name", TRANSFORMATIONS)
@settings(max_examples=60, deadline=None)
@given(value=VALUES)
def test_any_value_gives_bytes_and_what_is_equal_is_the_very_same(name: str, value: bytes) -> None:
    result = TRANSFORMATIONS[name](value)

    assert type(result) is bytes
    assert result is value or result != value


@pytest.mark.parametrize("name", sorted(TRANSFORMATIONS.keys() - NEVER_THE_SAME))
def test_what_changes_nothing_returns_its_very_argument(name: str) -> None:
    value = bytes(bytearray(PLAIN.get(name, b"select1")))

    assert TRANSFORMATIONS[name](value) is value


def test_the_spellings_of_normalize_are_one() -> None:
    assert TRANSFORMATIONS["normalisepath"] is TRANSFORMATIONS["normalizepath"]
    assert TRANSFORMATIONS["normalisepathwin"] is TRANSFORMATIONS["normalizepathwin"]


def test_names_are_lower_case_and_none_is_not_among_them() -> None:
    assert all(name == name.lower() for name in TRANSFORMATIONS)
    assert "none" not in TRANSFORMATIONS

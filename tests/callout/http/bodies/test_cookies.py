"""Cookies as both of their RFCs read them."""

from dataclasses import replace
from http.cookies import SimpleCookie
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.http.bodies.cookies import decode
from callout.http.bodies.limits import DEFAULT

Pairs = list[tuple[bytes, bytes]]

ROWS: list[tuple[bytes, Pairs, Pairs, set[str]]] = [
    (b"", [], [], set()),
    (b"a=1; b=2", [(b"a", b"1"), (b"b", b"2")], [(b"a", b"1"), (b"b", b"2")], set()),
    (b" a = 1 ;;b=2;", [(b"a", b"1"), (b"b", b"2")], [(b"a", b"1"), (b"b", b"2")], set()),
    (b"a", [(b"a", b"")], [(b"a", b"")], set()),
    (b"=a", [(b"", b"a")], [(b"", b"a")], set()),
    (b"a=b=c", [(b"a", b"b=c")], [(b"a", b"b=c")], set()),
    (b"a=%41+b", [(b"a", b"%41+b")], [(b"a", b"%41+b")], set()),
    (b"a=1,b=2", [(b"a", b"1,b=2")], [(b"a", b"1"), (b"b", b"2")], set()),
    (b'a="1"', [(b"a", b'"1"')], [(b"a", b"1")], {"cookie_quoted"}),
    (
        b'a="1; b=2"',
        [(b"a", b'"1'), (b"b", b'2"')],
        [(b"a", b"1; b=2")],
        {"cookie_quoted", "cookie_quoted_separator"},
    ),
    (
        b'$Version=1; a="\\e\\166\\"il"; $Path=/',
        [(b"$Version", b"1"), (b"a", b'"\\e\\166\\"il"'), (b"$Path", b"/")],
        [(b"$Version", b"1"), (b"a", b'ev"il'), (b"$Path", b"/")],
        {"cookie_version", "cookie_quoted"},
    ),
    (
        b'a="1',
        [(b"a", b'"1')],
        [(b"a", b"1")],
        {"cookie_quoted"},
    ),
    (b'a="1"x', [(b"a", b'"1"x')], [(b"a", b"1x")], {"cookie_quoted"}),
]


def test_there_are_rows() -> None:
    assert len(ROWS) == 13


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("row", ROWS, ids=[repr(row[0]) for row in ROWS])
def test_cookies_are_taken_apart(
    row: tuple[bytes, Pairs, Pairs, set[str]], version: Literal[0, 1]
) -> None:
    header, *pairs, oddities = row
    decoded = decode(header, version=version)
    assert list(decoded.pairs) == pairs[version]
    assert decoded.oddities == oddities


@pytest.mark.parametrize("version", [0, 1])
def test_cookies_over_the_limit_are_dropped_and_told(version: Literal[0, 1]) -> None:
    decoded = decode(b"a=1; b=2; c=3", replace(DEFAULT, arguments=2), version)
    assert decoded.pairs == ((b"a", b"1"), (b"b", b"2"))
    assert decoded.oddities == {"too_many_arguments"}


NAME = st.text("abcdefgh", min_size=1).filter(lambda name: name not in {"expires"})


@given(st.dictionaries(NAME, st.text("abc%+/.-", min_size=1), max_size=5))
def test_both_read_what_the_standard_library_writes(cookies: dict[str, str]) -> None:
    header = "; ".join(f"{name}={value}" for name, value in cookies.items())
    expected = {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    for version in (0, 1):
        pairs = decode(header.encode(), version=version).pairs
        assert {name.decode(): value.decode() for name, value in pairs} == expected


@given(st.text("a=;,\"\\ $0'\x00\xff", max_size=60))
def test_any_bytes_have_a_value(text: str) -> None:
    for version in (0, 1):
        decode(text.encode("latin-1"), version=version)

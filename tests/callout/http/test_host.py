import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.http.host import canonical_host

ROWS = [
    ("shop.example", "shop.example"),
    ("Shop.EXAMPLE", "shop.example"),
    ("shop.example:8080", "shop.example"),
    ("shop.example:", "shop.example"),
    ("shop.example.", "shop.example"),
    ("shop.example.:443", "shop.example"),
    ("[::1]:80", "[::1]"),
    ("[::1]", "[::1]"),
    ("[2001:DB8::1]:443", "[2001:db8::1]"),
    ("::1", "[::1]"),
    ("127.0.0.1:9000", "127.0.0.1"),
    ("", ""),
    # U+212A is no k: str.lower would make shop.example's `k` of it
    ("\u212a.example", "\u212a.example"),
    # what is no host is left to match nothing but `*`
    ("shop.example:abc", "shop.example:abc"),
    ("shop.example:1:2", "shop.example:1:2"),
    ("[::1]x", "[::1]x"),
    ("[::1", "[::1"),
]


def test_the_table_is_not_empty() -> None:
    assert len(ROWS) == 17


@pytest.mark.parametrize(("raw", "expected"), ROWS, ids=[repr(row[0]) for row in ROWS])
def test_a_host_is_lower_case_without_port_and_trailing_dot(raw: str, expected: str) -> None:
    assert canonical_host(raw) == expected


@given(st.text(alphabet="aB.:[]19/@\u212a", max_size=12))
def test_the_canonical_host_of_a_canonical_host_is_itself(raw: str) -> None:
    once = canonical_host(raw)
    assert canonical_host(once) == once

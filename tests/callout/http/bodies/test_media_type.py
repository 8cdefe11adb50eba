"""Content-Type, and what WAFFLED and others did with it."""

import email.message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.http.bodies.charsets import oddities_of, to_utf8
from callout.http.bodies.media_type import parse, parse_all

Pairs = list[tuple[bytes, bytes]]

ROWS: list[tuple[bytes, bytes, Pairs, set[str]]] = [
    (b"text/plain", b"text/plain", [], set()),
    (b" Text/HTML ;", b"text/html", [], set()),
    (b"a/b; Charset=UTF-8", b"a/b", [(b"charset", b"UTF-8")], set()),
    (b'a/b;charset="utf-8"', b"a/b", [(b"charset", b"utf-8")], set()),
    (b"a/b;; c=d", b"a/b", [(b"c", b"d")], set()),
    (b'a/b; c="d;e\\"f"', b"a/b", [(b"c", b'd;e"f')], {"parameter_malformed"}),
    (b'a/b; c="d;e"; f=g', b"a/b", [(b"c", b"d;e"), (b"f", b"g")], set()),
    (b"m/f; boundary=a,b:c", b"m/f", [(b"boundary", b"a,b:c")], set()),
    (b"m/f; boundary=a b", b"m/f", [(b"boundary", b"a b")], {"parameter_malformed"}),
    (b"", b"", [], {"media_type_malformed"}),
    (b"text", b"text", [], {"media_type_malformed"}),
    (b"text/", b"text/", [], {"media_type_malformed"}),
    (b"m/f boundary=x", b"m/f", [(b"boundary", b"x")], {"media_type_malformed"}),
    (b"a/b; c", b"a/b", [], {"parameter_malformed"}),
    (b"a/b; c=", b"a/b", [(b"c", b"")], {"parameter_malformed"}),
    (b'a/b; c="d', b"a/b", [(b"c", b"d")], {"parameter_malformed"}),
    (b'a/b; c="d"e', b"a/b", [(b"c", b"d")], {"parameter_malformed"}),
    (b'a/b; c=d"', b"a/b", [(b"c", b'd"')], {"parameter_malformed"}),
    (b"a/b; c = d", b"a/b", [(b"c", b"d")], {"parameter_malformed"}),
    (b"a/b; c= d", b"a/b", [(b"c", b"d")], {"parameter_malformed"}),
    (b"a/b; c=d; C=e", b"a/b", [(b"c", b"d"), (b"c", b"e")], {"parameter_duplicate"}),
    (b"a/b; c*0=d", b"a/b", [(b"c*0", b"d")], {"parameter_extended"}),
    (b"a/b; c*=utf-8''d", b"a/b", [(b"c*", b"utf-8''d")], {"parameter_extended"}),
    (b"a/b; charset=utf-7", b"a/b", [(b"charset", b"utf-7")], {"charset_not_ascii"}),
    (b"a/b; charset=IBM037", b"a/b", [(b"charset", b"IBM037")], {"charset_not_ascii"}),
    (b"a/b; charset=garbage", b"a/b", [(b"charset", b"garbage")], {"charset_unknown"}),
    (
        b"a/b; c=d, e/f",
        b"a/b",
        [(b"c", b"d, e/f")],
        {"media_type_duplicate", "parameter_malformed"},
    ),
    (
        b"a/b,c/d",
        b"a/b",
        [],
        {"media_type_duplicate", "media_type_malformed", "parameter_malformed"},
    ),
]


def test_there_are_rows() -> None:
    assert len(ROWS) == 28


@pytest.mark.parametrize("row", ROWS, ids=[repr(row[0]) for row in ROWS])
def test_a_content_type_is_taken_apart(row: tuple[bytes, bytes, Pairs, set[str]]) -> None:
    raw, name, parameters, oddities = row
    found = parse(raw)
    assert (found.name, list(found.parameters)) == (name, parameters)
    assert found.oddities == oddities
    assert found.raw == raw


def test_the_first_of_parameters_with_one_name_is_given() -> None:
    found = parse(b"a/b; c=d; c=e")
    assert found.parameter(b"c") == b"d"
    assert found.parameter(b"x") is None


def test_two_fields_are_both_read_and_marked() -> None:
    first, second = parse_all([b"a/b", b"c/d; e=f"])
    assert (first.name, second.name) == (b"a/b", b"c/d")
    assert "media_type_duplicate" in first.oddities & second.oddities
    assert parse_all([b"a/b"]) == (parse(b"a/b"),)
    assert parse_all([]) == ()


TOKEN = st.text("abcdefghijklmnopqrstuvwxyz0123456789.+-", min_size=1)
QUOTABLE = st.text(
    st.characters(min_codepoint=32, max_codepoint=126, blacklist_characters='"\\'), min_size=1
)


@given(TOKEN, TOKEN, st.dictionaries(TOKEN, QUOTABLE, max_size=3))
def test_what_the_standard_library_writes_is_read_back(
    kind: str, subtype: str, parameters: dict[str, str]
) -> None:
    message = email.message.Message()
    message.add_header("Content-Type", f"{kind}/{subtype}", **parameters)
    found = parse(message["Content-Type"].encode())
    assert found.name == f"{kind}/{subtype}".encode()
    assert dict(found.parameters) == {
        name.encode().replace(b"_", b"-"): value.encode() for name, value in parameters.items()
    }


@given(st.text("a/b;=\" ,*\\'\x00\xff\t", max_size=60))
def test_any_bytes_have_a_value(text: str) -> None:
    parse(text.encode("latin-1"))


@pytest.mark.parametrize(
    ("charset", "value"),
    [
        (b"utf-7", b"+ADw-script+AD4-"),
        (b"UTF-16", "<script>".encode("utf-16")),
        (b"utf-16be", "<script>".encode("utf-16-be")),
        (b"ibm037", "<script>".encode("cp037")),
        (b"cp500", "<script>".encode("cp500")),
        (b"utf-32", "<script>".encode("utf-32")),
    ],
)
def test_a_charset_that_hides_ascii_is_seen_through(charset: bytes, value: bytes) -> None:
    assert oddities_of(charset) == {"charset_not_ascii"}
    assert to_utf8(value, charset) == b"<script>"


def test_a_value_of_a_usual_or_unknown_charset_stays_what_it_is() -> None:
    value = b"caf\xe9"
    assert to_utf8(value, b"utf-8") is value
    assert to_utf8(value, b"garbage") is value
    assert not oddities_of(b"UTF-8")
    assert not oddities_of(b"iso-8859-15")


@given(st.binary())
def test_bytes_that_are_not_of_their_charset_have_a_value(value: bytes) -> None:
    for charset in (b"utf-7", b"utf-16", b"utf-32le", b"ibm037", b"iso-2022-jp", b"hz-gb-2312"):
        to_utf8(value, charset)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.observe.text import clean, without_query

CASES = (
    ("plain words, ümlaut 漢字", "plain words, ümlaut 漢字"),
    ("a\nb", "a\\nb"),
    ("a\r\n2026-01-01 ERROR forged", "a\\r\\n2026-01-01 ERROR forged"),
    ("\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"),
    ("\x9b31m", "\\x9b31m"),
    ("\x00", "\\x00"),
    ("line\u2028paragraph\u2029", "line\\u2028paragraph\\u2029"),
    ("safe\u202etxt.exe", "safe\\u202etxt.exe"),
    ("\ud800", "\\ud800"),
    ("\x7f", "\\x7f"),
    ("", ""),
)


@pytest.mark.parametrize(("text", "shown"), CASES, ids=[ascii(text) for text, _ in CASES])
def test_what_moves_or_breaks_a_line_is_escaped(text: str, shown: str) -> None:
    assert clean(text, 100) == shown


def test_there_are_eleven_cases() -> None:
    assert len(CASES) == 11


def test_long_text_is_cut_and_marked() -> None:
    assert clean("abcdef", 3) == "abc…"
    assert clean("abc", 3) == "abc"


@given(st.text(st.characters(), max_size=50), st.integers(0, 60))
def test_any_text_becomes_one_printable_line_that_can_be_encoded(text: str, limit: int) -> None:
    shown = clean(text, limit)
    assert shown.isprintable()
    assert len(shown) <= 10 * limit + 1
    assert len(shown.splitlines()) <= 1
    shown.encode()


@pytest.mark.parametrize("path", ["/a", "/a?b=c", "/a#b", "/a?b#c", "/a#b?c", "/a?"])
def test_queries_and_fragments_are_not_shown(path: str) -> None:
    assert without_query(path) == "/a"

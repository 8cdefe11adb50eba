"""Regular expressions: what they mean, what backtracks, and what all of CRS compiles to."""

import re

import pytest

from callout.testing import data
from waf.operators import patterns
from waf.operators.contract import UNDECIDED, OperatorProblem
from waf.operators.patterns import compile_pattern

MEANINGS: list[tuple[bytes, bytes, tuple[bytes | None, ...] | None]] = [
    (b"a.b", b"a\nb", (b"a\nb",)),
    (b"^b", b"a\nb", None),
    (b"a$", b"a\n", None),
    (b"(?i)SELECT", b"xselecty", (b"select",)),
    (b"(a)(b)?", b"a", (b"a", b"a", None)),
    (b"(.)" * 12, b"abcdefghijkl", (b"abcdefghijkl", *(b"%c" % c for c in b"abcdefghi"))),
    (b"\xe9", b"caf\xe9", (b"\xe9",)),
    (b"\\xe9", b"caf\xe9", (b"\xe9",)),
    (b"[\\x80-\\xff]+", b"a\x80\xffb", (b"\x80\xff",)),
    (b"\\x{e9}", b"\xe9", (b"\xe9",)),
    (b"[\\h\\]]+x\\h", b" \t]x\t", (b" \t]x\t",)),
    (b"[[:alpha:]\\h]+$", b"1a b", (b"a b",)),
    (b"[][\\h]+", b"a][ ", (b"][ ",)),
    (b"a\\Rb", b"a\r\nb", (b"a\r\nb",)),
    (b"\\e\\x9\\cI", b"\x1b\t\t", (b"\x1b\t\t",)),
    (b"\\QA\\h\\E", b"A\\h", (b"A\\h",)),
    (b"\\\\h", b"\\h", (b"\\h",)),
    (b"\\s", b"\v", None),
    (b"", b"", (b"",)),
]


@pytest.mark.parametrize(("expression", "value", "expected"), MEANINGS)
def test_a_linear_pattern_means(
    expression: bytes, value: bytes, expected: tuple[bytes | None, ...] | None
) -> None:
    pattern = compile_pattern(expression)

    assert not pattern.backtracks
    assert expected == pattern.test(value)


@pytest.mark.parametrize(
    ("expression", "value", "expected"),
    [
        (b"(?<!a)b(c)?", b"xb", (b"b", None)),
        (b"(a)\\1", b"aa", (b"aa", b"a")),
        (b"a++b", b"aab", (b"aab",)),
        (rb"^(?:\*|[^\"(),/:;<=>?![\x5c\]{}]+)++$", b"a*b", (b"a*b",)),
        (rb"(?i)<\?(?!xml\s)", b"<?php", (b"<?",)),
        (b"x(?>a|ab)c", b"xac", (b"xac",)),
        (b"(?=a).\\Z", b"a\n", (b"a",)),
        (b"(?=a).\\z", b"a\n", None),
        (b"(?=a)\\x{61}\\cI\\e\\x9", b"a\t\x1b\t", (b"a\t\x1b\t",)),
        (b"a{1001}", b"a" * 1001, (b"a" * 1001,)),
    ],
)
def test_what_re2_lacks_backtracks_and_says_why(
    expression: bytes, value: bytes, expected: tuple[bytes | None, ...] | None
) -> None:
    pattern = compile_pattern(expression)

    assert pattern.backtracks
    assert pattern.reason
    assert expected == pattern.test(value)


def test_a_backtracking_pattern_that_takes_too_long_is_undecided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patterns, "BACKTRACK_SECONDS", 0.001)
    pattern = compile_pattern(b"(?=x)(x+x+)+y")

    assert pattern.test(b"x" * 200) is UNDECIDED


@pytest.mark.parametrize("expression", [b"(", b"[a", b"*", b"a" * (64 << 10) + b"a", b"(?<=a*)(b"])
def test_a_mistake_is_told(expression: bytes) -> None:
    with pytest.raises(OperatorProblem):
        compile_pattern(expression)


def test_a_search_goes_on_from_a_position_and_knows_what_is_before_it() -> None:
    search = compile_pattern(rb"\bab").search

    assert search(b"ab ab", 1) == [(3, 5)]
    assert search(b"xab", 1) is None
    assert search(b"ab", 2) is None


def test_the_wheel_of_re2_still_has_what_the_closures_call() -> None:
    pattern = compile_pattern(b"(b)(x)?")

    assert pattern.search(b"ab", 0) == [(1, 2), (1, 2), (-1, -1)]


def crs_patterns() -> list[bytes]:
    rules = data.require("crs/rules")
    text = "".join(path.read_text() for path in sorted(rules.glob("*.conf")))
    found = re.findall(r'"!?@rx ((?:[^"\\]|\\.)*)"', text)
    return [one.replace('\\"', '"').encode() for one in dict.fromkeys(found)]


def test_no_pattern_of_crs_backtracks() -> None:
    found = crs_patterns()

    assert len(found) == 295
    assert [one for one in found if compile_pattern(one).backtracks] == []

"""Where engines differ or an argument is wrong: what ours does, as the docstrings say."""

import pytest

from tests.waf.operators.test_laws import around
from waf.operators.contract import Captures, OperatorProblem
from waf.operators.table import OPERATORS

DECISIONS: list[tuple[str, bytes, bytes, Captures | None]] = [
    ("contains", b"b", b"abc", (b"b",)),
    ("containsword", b"ab", b"xab ab", (b"ab",)),
    ("containsword", b"ab", b"_ab1", (b"ab",)),
    ("eq", b"1", b"1_0", (b"1_0",)),
    ("eq", b"10", b" +010abc", (b" +010abc",)),
    ("gt", b"1", b"9" * 5000, (b"9" * 5000,)),
    ("lt", b"0", b"-" + b"9" * 30, (b"-" + b"9" * 30,)),
    ("ipmatch", b"10.0.0.9/8", b"10.1.2.3", (b"10.1.2.3",)),
    ("ipmatch", b"10.0.0.0/8", b"::ffff:10.1.2.3", (b"::ffff:10.1.2.3",)),
    ("ipmatch", b"::ffff:10.0.0.0/104", b"10.1.2.3", (b"10.1.2.3",)),
    ("ipmatch", b"0.0.0.0/0", b"::1", None),
    ("ipmatch", b"10.0.0.1", b"10.0.0.01", None),
    ("ipmatch", b"10.0.0.1", b"10.0.0.1\0", None),
    ("ipmatch", b"10.0.0.1", b"10.0.0.1 ", None),
    ("pm", b"SLEEP cafe", b"x Sleep", (b"Sleep",)),
    ("pm", b"a|2e 2F|b", b"xA./By", (b"A./B",)),
    ("pm", b"a|b ||", b"a|b", (b"a|b",)),
    ("pm", b"caf\xe9", b"CAF\xe9 caf\xc9", (b"CAF\xe9",)),
    ("pm", b"caf\xe9", b"caf\xc9", None),
    ("pm", b".* a+", b"xaa", None),
    ("pmfromfile", b"words", b"TWO words", (b"TWO words",)),
    ("pmfromfile", b"words", b"two", None),
    ("restpath", b"/u.x/{id}/o", b"/u.x/12/o", (b"/u.x/12/o", b"12")),
    ("restpath", b"/u.x/{id}/o", b"/uax/12/o", None),
    ("restpath", b"/u/{id}", b"/u/1/2", None),
    ("rxglobal", rb"(\d)(x)?", b"1x2", (b"2", b"2", b"x")),
    ("rxglobal", b"", b"ab", (b"",)),
    ("validatebyterange", b"9, 10,32-126", b"a\x00b\x01", (b"\x00",)),
    ("validateurlencoding", b"", b"%41%4", (b"%4",)),
    ("validateutf8encoding", b"", b"a\xed\xa0\x80", (b"\xed",)),
    ("validateutf8encoding", b"", b"a\xc0\xaf", (b"\xc0",)),
    ("verifycc", rb"\d{16}", b"x" * 300 + b"0005484605089158216", (b"5484605089158216",)),
    ("verifycc", b".*", b"x" * 300 + b"5484605089158216", None),
    ("within", b"|GET| |POST|", b"|GET|", (b"|GET|",)),
]


@pytest.mark.parametrize(("name", "argument", "value", "expected"), DECISIONS)
def test_decision(name: str, argument: bytes, value: bytes, expected: Captures | None) -> None:
    assert expected == OPERATORS[name](argument, around())(value)


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("ipmatch", b""),
        ("ipmatch", b"10.0.0.0/33"),
        ("ipmatch", b"10.0.0.0/-1"),
        ("ipmatch", b"10.0.0.0/00008"),
        ("ipmatch", b"10.0.0.0/" + b"9" * 9000),
        ("ipmatch", b"nowhere"),
        ("pm", b""),
        ("pmfromfile", b" "),
        ("restpath", b"users"),
        ("rx", b"("),
        ("validatebyterange", b"300"),
        ("validatebyterange", b"9-1"),
        ("validatebyterange", b"a"),
        ("validatenid", b"de 1"),
        ("validatenid", b"us"),
        ("verifycc", b"["),
    ],
)
def test_an_argument_that_cannot_be_used_is_told(name: str, argument: bytes) -> None:
    with pytest.raises(OperatorProblem):
        OPERATORS[name](argument, around())


def test_of_many_words_the_first_to_stand_in_the_value_is_found() -> None:
    words = b" ".join(b"word%05d" % number for number in range(9000))
    test = OPERATORS["pm"](words, around())

    assert test(b"x WORD08999 word00001") == (b"WORD08999",)
    assert test(b"x word00001 word08999") == (b"word00001",)
    assert test(b"word word9 0") is None


def test_more_words_than_a_mebibyte_are_refused() -> None:
    with pytest.raises(OperatorProblem, match="together"):
        OPERATORS["pm"](b"a" * (1 << 20) + b" b", around())

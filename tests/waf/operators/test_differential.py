"""The same values through ModSecurity 3 itself, by its Python package."""

import random

from tests.waf.modsecurity import modsecurity
from tests.waf.operators.test_laws import around
from waf.operators.table import OPERATORS

ASKED = (
    ("beginsWith", "ab"),
    ("contains", "ab"),
    ("containsWord", "ab"),
    ("detectSQLi", ""),
    ("detectXSS", ""),
    ("endsWith", "ab"),
    ("eq", "1"),
    ("ge", "1"),
    ("gt", "1"),
    ("le", "1"),
    ("lt", "-1"),
    ("pm", "ab 12 cAf"),
    ("rx", "a+b|[^\\x00-\\x7f]"),
    ("rx", "^a(?:b|.)?c?$"),
    ("streq", "ab"),
    ("strmatch", "ab"),
    ("validateByteRange", "9,32-126"),
    ("validateUrlEncoding", ""),
    ("validateUtf8Encoding", ""),
    ("verifyCC", "\\d{13,16}"),
    ("verifyCPF", "\\d{11}"),
    ("verifySSN", "\\d{3}-?\\d{2}-?\\d{4}"),
    ("verifySVNR", "\\d{10}"),
    ("within", "|ab| |12|"),
)
FRAGMENTS = (
    *(bytes((byte,)) for byte in b'abc01_ +-%\0\x7f\xff"'),
    *(b"ab", b"AB", b"12", b"%41", b"%4", b"\xc3\xa9", b"\xc0\xaf", b"|ab|", b"0123456789"),
    *(b"5484605089158216", b"574-57-8065", b"01081751460", b"1237010180", b"123456789"),
    *(b"' or 1=1--", b"1 union select", b"<script>", b"<a onload=", b"javascript:", b"\xa0"),
)
RULES = [
    f'SecRule ARGS:v "@{name} {argument}" "id:{number},phase:1,pass,log,t:none,t:hexDecode"'
    for number, (name, argument) in enumerate(ASKED, 1)
]


def test_ours_match_what_modsecurity_matches() -> None:
    draw = random.Random(7)
    tests = [OPERATORS[name.lower()](argument.encode(), around()) for name, argument in ASKED]
    with modsecurity(*RULES) as ask:
        for _ in range(1500):
            value = b"".join(draw.choices(FRAGMENTS, k=draw.randint(0, 4)))

            theirs = [ASKED[number - 1] for number in sorted(ask(value))]

            assert theirs == [
                asked for asked, test in zip(ASKED, tests, strict=True) if test(value) is not None
            ], value

"""The same values through ModSecurity 3 itself, by its Python package."""

import random

from tests.waf.modsecurity import modsecurity
from waf.transformations.table import TRANSFORMATIONS

SAME = (
    *("base64Encode", "cmdLine", "compressWhitespace", "escapeSeqDecode", "hexEncode", "jsDecode"),
    *("length", "lowercase", "md5", "parityEven7bit", "parityOdd7bit", "parityZero7bit"),
    *("removeComments", "removeCommentsChar", "removeNulls", "removeWhitespace"),
    *("replaceComments", "replaceNulls", "sha1", "trim", "trimLeft", "trimRight", "uppercase"),
    *("urlDecode", "urlEncode"),
)
"""Those in which we differ on purpose are in `test_decisions.py`."""
FRAGMENTS = (
    *(bytes((byte,)) for byte in b"\0\t\n\v\f\r !\"#%&'()*+,-./07<=>A\\^a\x7f\x80\x85\xa0\xc2\xff"),
    *(b"\\u", b"\\u0041", b"\\uff1c", b"\\x41", b"\\x4", b"\\8", b"\\777", b"\\", b"%", b"%u0041"),
    *(b"%41", b"%4", b"/*", b"*/", b"<!--", b"-->", b"--", b"  ", b"\r\n", b"\xc3\xa9"),
)


RULES = [
    f'SecRule ARGS:v "@unconditionalMatch" "id:{number},phase:1,pass,log,'
    f't:none,t:hexDecode,t:{name},t:hexEncode,logdata:%{{MATCHED_VAR}}"'
    for number, name in enumerate(SAME, 1)
]


def test_ours_give_what_modsecurity_gives() -> None:
    draw = random.Random(7)
    with modsecurity(*RULES) as ask:
        for _ in range(1500):
            value = b"".join(draw.choices(FRAGMENTS, k=draw.randint(1, 6)))

            theirs = {SAME[number - 1]: bytes.fromhex(data) for number, data in ask(value).items()}

            assert theirs == {name: TRANSFORMATIONS[name.lower()](value) for name in SAME}, value

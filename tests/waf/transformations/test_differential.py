"""The same values through ModSecurity 3 itself, by its Python package."""

import random
import re
from collections.abc import Callable, Iterator

import libmodsecurity
import pytest

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


@pytest.fixture(scope="module")
def theirs() -> Iterator[Callable[[bytes], dict[str, bytes]]]:
    given: dict[str, bytes] = {}

    def hear(message: libmodsecurity.RuleMessage) -> None:
        if re.fullmatch("[0-9a-f]*", message.data):
            given[message.message] = bytes.fromhex(message.data)

    engine = libmodsecurity.ModSecurity()
    engine.set_rule_message_callback(hear)
    rules = libmodsecurity.RulesSet()
    text = "SecRuleEngine On\n" + "\n".join(
        f'SecRule ARGS:v "@unconditionalMatch" "id:{number},phase:1,pass,log,msg:{name},'
        f't:none,t:hexDecode,t:{name},t:hexEncode,logdata:%{{MATCHED_VAR}}"'
        for number, name in enumerate(SAME, 1)
    )
    assert rules.load(text) == len(SAME), rules.get_parser_error()

    def transformed(value: bytes) -> dict[str, bytes]:
        given.clear()
        transaction = libmodsecurity.Transaction(engine, rules)
        transaction.process_connection("192.0.2.1", 1, "192.0.2.2", 80)
        transaction.process_uri(f"/?v={value.hex()}", "GET", "1.1")
        transaction.process_request_headers()
        return dict(given)

    yield transformed
    engine.set_rule_message_callback(None)


def test_ours_give_what_modsecurity_gives(theirs: Callable[[bytes], dict[str, bytes]]) -> None:
    draw = random.Random(7)

    for _ in range(400):
        value = b"".join(draw.choices(FRAGMENTS, k=draw.randint(1, 6)))

        ours = {name: TRANSFORMATIONS[name.lower()](value) for name in SAME}

        assert theirs(value) == ours, value

"""Flags of multipart beside those of ModSecurity 3, whose names they have."""

from typing import Final

import libmodsecurity
import pytest

from callout.http.bodies.media_type import parse
from callout.http.bodies.multipart import FLAGS, decode, flags
from tests.callout.http.bodies.test_multipart import DISPOSITIONS, ROWS, one

ASKED: Final = [*FLAGS, "MULTIPART_STRICT_ERROR"]
"""Without MULTIPART_UNMATCHED_BOUNDARY, which is 2 of every body with two delimiters."""

BODIES: Final = {
    **{name: (kind, sent) for name, kind, sent, _, _ in ROWS},
    **{
        repr(value): (b"multipart/form-data; boundary=xx", one(b"Content-Disposition: " + value))
        for value, _, _, _ in DISPOSITIONS
    },
}

STOPS: Final = "it stops where it cannot read on, and calls the part that it was at invalid"
ONLY_ERROR: Final = "it says so by REQBODY_ERROR alone"
PASSES: Final = "it lets this pass"
NARROW: Final = "it refuses what RFC 2045, 2046 and 7578 allow"
NO_LINE: Final = "a line that no delimiter follows is none before a delimiter"

DIFFERENT: Final[dict[str, tuple[set[str], set[str], str]]] = {
    "space after =": ({"DATA_BEFORE"}, set(), "it takes the space for a part of the boundary"),
    "another's": ({"DATA_BEFORE"}, set(), NO_LINE),
    "after a space": ({"STRICT_ERROR"}, set(), "ours is MULTIPART_UNMATCHED_BOUNDARY"),
    "upper case": ({"STRICT_ERROR"}, set(), NARROW),
    "after another": ({"STRICT_ERROR"}, set(), NARROW),
    repr(b"Form-Data;name=a ;"): ({"INVALID_PART", "STRICT_ERROR"}, set(), NARROW),
    "empty": (set(), {"STRICT_ERROR"}, ONLY_ERROR),
    "no final one": (set(), {"STRICT_ERROR"}, ONLY_ERROR),
    "none": (set(), {"STRICT_ERROR"}, ONLY_ERROR),
    "CR only": (set(), {"STRICT_ERROR"}, ONLY_ERROR),
    "no colon": (set(), {"STRICT_ERROR"}, ONLY_ERROR),
    "no name": (set(), {"STRICT_ERROR"}, ONLY_ERROR),
    "space before :": (set(), {"STRICT_ERROR"}, ONLY_ERROR),
    "71 characters": (set(), {"STRICT_ERROR"}, PASSES),
    "CR": (set(), {"STRICT_ERROR"}, PASSES),
    "twice": (set(), {"STRICT_ERROR"}, PASSES),
    "twice, otherwise": (set(), {"STRICT_ERROR"}, PASSES),
    repr(b"form-data; name =a"): (set(), {"STRICT_ERROR"}, PASSES),
    "NUL": ({"INVALID_PART"}, {"INVALID_QUOTING"}, STOPS),
    repr(b'form-data; name="a"b'): ({"INVALID_PART"}, set(), STOPS),
    repr(b'form-data; name="a'): ({"INVALID_PART", "INVALID_QUOTING"}, set(), STOPS),
    repr(b"form-data; name=a b"): ({"INVALID_PART"}, set(), STOPS),
    repr(b"form-data name=a"): ({"INVALID_PART"}, set(), STOPS),
    repr(b"attachment; name=a"): ({"INVALID_PART"}, set(), STOPS),
    repr(b"form-data; name=a; size=1"): ({"INVALID_PART"}, set(), STOPS),
    repr(b"form-data; name=a; name=b"): ({"INVALID_PART"}, set(), STOPS),
    repr(b"form-data; name=a; NAME=b"): ({"INVALID_PART"}, set(), STOPS),
    repr(b"form-data; name=a; filename=b; filename=c"): ({"INVALID_PART"}, set(), STOPS),
    repr(b'form-data; name=a; filename*0="b"'): ({"INVALID_PART", "STRICT_ERROR"}, set(), STOPS),
    repr(b"form-data; name*=utf-8''a"): ({"INVALID_PART", "STRICT_ERROR"}, set(), STOPS),
}
"""Bodies of which not all flags are the same: what only it sets, what only we set, and why."""


def test_every_difference_is_of_a_body_that_is_asked() -> None:
    assert DIFFERENT.keys() <= BODIES.keys()
    assert len(BODIES) == 79


@pytest.fixture(scope="module")
def rules() -> libmodsecurity.RulesSet:
    text = "SecRuleEngine DetectionOnly\nSecRequestBodyAccess On\n"
    for number, flag in enumerate(ASKED):
        if (
            flag != "MULTIPART_MISSING_SEMICOLON"
        ):  # the same by another name, which it does not know
            text += f'SecRule {flag} "@eq 1" "id:{number + 1},phase:2,pass,msg:\'{flag}\'"\n'
    rules = libmodsecurity.RulesSet()
    assert rules.load(text) >= 0, rules.get_parser_error()
    return rules


def rivals(rules: libmodsecurity.RulesSet, kind: bytes, sent: bytes) -> set[str]:
    engine = libmodsecurity.ModSecurity()
    engine.set_log_callback(lambda _: None)
    try:
        transaction = libmodsecurity.Transaction(engine, rules)
        transaction.process_connection("127.0.0.1", 1, "127.0.0.1", 80)
        transaction.process_uri("/", "POST", "1.1")
        transaction.add_request_header("Content-Type", kind.decode())
        transaction.process_request_headers()
        transaction.append_request_body(sent)
        transaction.process_request_body()
        return {message.message for message in transaction.get_rule_messages()}
    finally:
        engine.set_log_callback(None)


@pytest.mark.parametrize("name", BODIES)
def test_flags_are_those_of_modsecurity_or_the_difference_has_a_reason(
    name: str, rules: libmodsecurity.RulesSet
) -> None:
    kind, sent = BODIES[name]
    found = flags(decode(sent, parse(kind)).oddities)
    ours = {flag for flag in ASKED if found[flag]} - {"MULTIPART_MISSING_SEMICOLON"}
    theirs = rivals(rules, kind, sent)
    only_theirs, only_ours, _ = DIFFERENT.get(name, (set(), set(), ""))
    assert {flag.removeprefix("MULTIPART_") for flag in theirs - ours} == only_theirs
    assert {flag.removeprefix("MULTIPART_") for flag in ours - theirs} == only_ours

"""What of a body goes on although no rule looked at it is noted."""

import gzip

import pytest

from callout.ext_proc.filter import Block, Moment
from callout.http.head import Headers, ResponseHead
from tests.docs import pages
from tests.waf.engine import PEER, head, rules
from waf.filter import _REASONS, Concluded, WafFilter
from waf.inspection import Inspection, Sizes
from waf.rules import RuleSet
from waf.transaction import Transaction

AT = Moment(0.0, 1.0)
STRICT = Sizes(most=10, over=413, coding=415, endless=403)
PASS = Sizes(most=10, over=None, coding=None, endless=None)
FORM = b"application/x-www-form-urlencoded"


def asked(
    loaded: RuleSet,
    body: bytes,
    end: bool = True,
    length: bytes = b"",
    coding: bytes = b"",
    shadow: bool = False,
    sizes: Sizes = PASS,
) -> tuple[bool, Concluded]:
    """Whether a request was refused, and how it ended."""
    told: list[Concluded] = []
    inspection = Inspection(loaded, None, sizes, PASS, 1.0, None)
    looking = WafFilter(
        inspection, Transaction(loaded, b"u", 1.0), shadow, told.append, lambda: 0.0
    )
    fields = [(b"content-type", FORM)]
    fields += [(b"content-length", length)] if length else []
    fields += [(b"content-encoding", coding)] if coding else []
    looking.request_head(head(method=b"POST", fields=tuple(fields)), PEER, AT)
    verdict = looking.request_body(body, end, AT)
    looking.response_head(ResponseHead(200, Headers([(b"content-type", b"text/plain")])), AT)
    looking.response_body(b"hello", True, AT)
    looking.done()
    return isinstance(verdict, Block), told[0]


ANY = 'SecRule ARGS "@rx attack" "id:1,phase:2,deny,log"\n'
PARTIAL = "SecRequestBodyLimitAction ProcessPartial\n"


def test_a_body_that_was_looked_at_whole_is_not_noted() -> None:
    refused, found = asked(rules(ANY), b"a=fine", length=b"6")

    assert (refused, found.unseen) == (False, {})


@pytest.mark.parametrize(
    ("length", "unseen"),
    [(b"100", 94), (b"", None), (b"9" * 19, None), (b"-1", None), (b"3", 0)],
)
def test_the_rest_of_a_body_is_as_long_as_its_length_says(
    length: bytes, unseen: int | None
) -> None:
    refused, found = asked(rules(PARTIAL + ANY), b"a=fine", end=False, length=length)

    assert (refused, found.unseen) == (False, {"request": unseen})


def test_a_rule_that_turns_the_engine_on_refuses_nothing_in_shadow() -> None:
    on = 'SecAction "id:2,phase:1,pass,nolog,ctl:ruleEngine=On"\n'

    refused, found = asked(rules(on + ANY), b"a=attack", shadow=True)

    assert (refused, found.blocked, found.reason) == (False, False, "rule")
    assert asked(rules(on + ANY), b"a=attack")[0]


def test_what_is_beyond_the_limit_of_the_rules_is_noted() -> None:
    refused, found = asked(rules("SecRequestBodyLimit 4\n" + PARTIAL + ANY), b"a=fine")

    assert (refused, found.unseen) == (False, {"request": 2})


def test_what_is_refused_does_not_go_on() -> None:
    refused, found = asked(rules(PARTIAL + ANY), b"a=attack", end=False, length=b"100")

    assert (refused, found.unseen) == (True, {})


def test_a_coding_that_cannot_be_undone_hides_all_of_the_body() -> None:
    body = gzip.compress(b"a=fine")[:-9]
    refused, found = asked(rules(ANY), body, coding=b"gzip")

    assert (refused, found.unseen) == (False, {"request": len(body)})
    assert found.reason == "passed"


def test_in_shadow_the_rest_of_a_large_body_passes() -> None:
    refused, found = asked(rules(ANY), b"a=fine", end=False, length=b"50", shadow=True)

    assert (refused, found.unseen) == (False, {"request": 44})


def test_the_end_of_a_response_is_noted_by_its_side() -> None:
    _, found = asked(rules("SecResponseBodyLimit 3\n" + ANY), b"a=fine")

    assert found.unseen == {"response": 2}


@pytest.mark.parametrize("shadow", [False, True])
def test_a_coding_is_the_reason_where_it_refuses_and_where_it_would(shadow: bool) -> None:
    body = gzip.compress(b"a=fine")[:-9]
    refused, found = asked(rules(ANY), body, coding=b"gzip", shadow=shadow, sizes=STRICT)

    assert found.reason == "coding"
    assert refused is found.blocked is not shadow
    assert found.unseen == ({"request": len(body)} if shadow else {})


def test_the_page_names_the_reasons() -> None:
    written = {pages.code(row[0])[0] for row in pages.table("docs/waf.md", "waf-reasons")}

    assert written == {"passed", "coding", "unfinished", *_REASONS.values()}

"""Requests made to cost: many names, deep bodies, long values. Bounds: ten times what was seen."""

import time

import pytest

from tests.waf.engine import PEER, head, rules, run
from waf.transaction import Budget, Transaction

FORM = ((b"content-type", b"application/x-www-form-urlencoded"),)
JSON = ((b"content-type", b"application/json"),)
TYPED = 'SecAction "id:9,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"\n'


def seconds(text: str, fields: tuple[tuple[bytes, bytes], ...], body: bytes) -> float:
    loaded = rules(text)
    began = time.process_time()
    run(loaded, head(b"/", b"POST", fields), body)
    return time.process_time() - began


def test_members_named_by_a_client_are_bounded() -> None:
    text = (
        "SecArgumentsLimit 100000\n"
        'SecRule ARGS_NAMES "@rx ." "id:1,phase:2,pass,setvar:tx.seen_%{MATCHED_VAR}=+1"'
    )
    body = b"&".join(b"a%d=1" % number for number in range(20_000))

    found = run(rules(text), head(b"/", b"POST", FORM), body)

    assert len(found.state.tx) == 10_000


@pytest.mark.parametrize(
    ("text", "fields", "body"),
    [
        ("", FORM, b"&".join(b"a%d=%d" % (number, number) for number in range(10_000))),
        (TYPED, JSON, b"[" + b",".join([b'"a"'] * 200_000) + b"]"),
        (TYPED, JSON, b"[" * 100_000),
        (TYPED, JSON, b'{"a":' * 500 + b"1" + b"}" * 500),
        (TYPED, JSON, b"[" * 500 + b",".join([b"1"] * 900) + b"]" * 500),
    ],
    ids=["arguments", "values", "unclosed", "deep", "deep-and-wide"],
)
def test_a_body_that_was_made_to_cost_costs_little(
    text: str, fields: tuple[tuple[bytes, bytes], ...], body: bytes
) -> None:
    watched = "".join(
        f'SecRule ARGS|ARGS_NAMES "@rx attack{number}" "id:{number},phase:2,pass,t:lowercase"\n'
        for number in range(10, 30)
    )

    assert seconds(text + watched, fields, body) < 4


def test_the_budget_ends_what_takes_too_long() -> None:
    loaded = rules(
        "SecArgumentsLimit 100000\n"
        + "".join(
            f'SecRule ARGS "@rx [a-z]+{number}$" "id:{number},phase:2,pass"\n'
            for number in range(1, 2000)
        )
    )
    began = time.monotonic()
    transaction = Transaction(
        loaded, b"1", 0.0, lambda: time.monotonic() - began, budget=Budget(0.05)
    )
    transaction.request_head(head(b"/", b"POST", FORM), PEER)
    body = b"&".join(b"a%d=%s" % (number, b"x" * 20) for number in range(10_000))

    found = transaction.request_body(body)

    assert found is not None
    assert (found.reason, found.status) == ("time", 503)
    assert transaction.out_of_time

"""docs/rego.md's table of what differs from opa-envoy-plugin's answers: each row is so."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2

from callout.testing.requests import check_request
from extauthz.answer import respond
from extauthz.compiled import ByRego
from extauthz.identity.anonymous import AnonymousEntry
from extauthz.input import InputBuilder, InputRules
from extauthz.outcome import Failed
from extauthz.policy.engine import UNDEFINED
from extauthz.result import BODY_MOST, HEADERS_MOST, outcome_of
from tests.docs import pages
from tests.extauthz.test_config import JWT, compiled, policy
from tests.extauthz.world import ScriptedEngine, World, auth

PAGE = "docs/rego.md"
ROWS: Final = [row[0] for row in pages.table(PAGE, "differs")]


def undecided(**fields: Any) -> None:
    for allowed in (True, False):
        outcome = outcome_of({"allowed": allowed, **fields}, "rego", compat=True)
        if isinstance(outcome, Failed):
            return
    raise AssertionError(f"{fields} is a decision")


def answered(**fields: Any) -> Any:
    outcome = outcome_of({"allowed": True, **fields}, "rego", compat=True)
    assert not isinstance(outcome, Failed)
    reply = respond(outcome, "", "", "0" * 36)
    return external_auth_pb2.CheckResponse.FromString(reply).ok_response


def no_decision() -> None:
    answers: tuple[object, ...] = (UNDEFINED, None, 1, "yes", [], {})
    for answer in answers:
        assert isinstance(outcome_of(answer, "rego", compat=True), Failed)
    text = f"identity: [{JWT}]\ndecide: authenticated\ncompat: opa-envoy"
    assert compiled(policy(text)).on_error == 403
    assert compiled(policy(f"{text}\nonError: deny(500)")).on_error == 500
    assert compiled(policy(f"{text}\nonError: allow")).on_error is None


def no_header() -> None:
    undecided(headers={"x a": "1"})
    undecided(headers={"x-a": "1\r\n"})
    undecided(response_headers_to_add={"x-a": "\0"})


def framing() -> None:
    headers = {"connection": "close", "Content-Length": "1", "transfer-encoding": "x", "x-a": "1"}
    found = answered(headers=headers, response_headers_to_add=headers)
    assert [each.header.key for each in found.headers] == ["x-a"]
    assert [each.header.key for each in found.response_headers_to_add] == ["x-a"]


def pseudo() -> None:
    undecided(response_headers_to_add={":status": "200"})
    assert answered(headers={":path": "/"}).headers[0].header.key == ":path"


def status_100() -> None:
    undecided(http_status=100)


def query() -> None:
    (found,) = answered(query_parameters_to_set={"a b": "x&y=%20\u00fc\n"}).query_parameters_to_set
    assert (found.key, found.value) == ("a%20b", "x&y=%20%C3%BC%0A")


def replaced() -> None:
    first, second = answered(headers={"x-a": ["1", "2"]}).headers
    assert first.append_action == base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    assert second.append_action == base_pb2.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD
    assert first.HasField("append")
    assert not first.append.value


def bad_request() -> None:
    rules = InputRules(compat=True)
    block = auth(AnonymousEntry(), decider=ByRego(ScriptedEngine(), InputBuilder(rules=rules)))
    answer, _ = World(replace(block, compat=True)).ask(check_request(path="/a?secret;"))
    assert (answer.status, answer.body) == (400, "request_parse_error: query")


def limits() -> None:
    assert (HEADERS_MOST, BODY_MOST) == (100, 1 << 20)
    undecided(headers={f"x-{number}": "" for number in range(101)})
    undecided(body="x" * (BODY_MOST + 1))
    undecided(dynamic_metadata={"a": [1] * 1000})
    deep: Any = 1
    for _ in range(33):
        deep = [deep]
    undecided(dynamic_metadata={"a": deep})


DIFFERENCES: Final[dict[str, Callable[[], None]]] = {
    "no decision": no_decision,
    "no header name": no_header,
    "`connection`": framing,
    "pseudo-headers": pseudo,
    "`http_status: 100`": status_100,
    "spaces, control": query,
    "a request header": replaced,
    "the body of a 400": bad_request,
    "more than 100 headers": limits,
}


@pytest.mark.parametrize("row", ROWS)
def test_each_difference_is_so(row: str) -> None:
    (check,) = (check for begin, check in DIFFERENCES.items() if row.startswith(begin))

    check()


def test_all_differences_are_tried() -> None:
    assert len(ROWS) == len(DIFFERENCES) == 9

"""A policy's result to an outcome: opa-envoy-plugin's contract, row by row."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extauthz.answer import respond
from extauthz.outcome import Allow, Deny, Failed, Outcome
from extauthz.policy.engine import UNDEFINED, PolicyFailed
from extauthz.result import BODY_MOST, HEADERS_MOST, outcome_of

YES: dict[str, Any] = {"allowed": True}
NO: dict[str, Any] = {"allowed": False}

DECIDED: dict[str, tuple[object, Outcome]] = {
    "true": (True, Allow("rego")),
    "false": (False, Deny("rego")),
    "allowed": (YES, Allow("rego")),
    "not allowed": (NO, Deny("rego")),
    "headers as an object": (
        {**YES, "headers": {"X-User": "alice", "x-org": "acme"}},
        Allow("rego", (("x-user", "alice"), ("x-org", "acme"))),
    ),
    "headers as a list of objects": (
        {**YES, "headers": [{"x-a": "1"}, {"x-b": "2"}]},
        Allow("rego", (("x-a", "1"), ("x-b", "2"))),
    ),
    "several values are joined": (
        {**YES, "headers": [{"x-a": ["1", "2"]}, {"X-A": "3", "cookie": ["a=1", "b=2"]}]},
        Allow("rego", (("x-a", "1, 2, 3"), ("cookie", "a=1; b=2"))),
    ),
    "cookies to the upstream are joined": (
        {**YES, "headers": {"set-cookie": ["a=1", "b=2"]}},
        Allow("rego", (("set-cookie", "a=1, b=2"),)),
    ),
    "a header with no value": ({**YES, "headers": {"x-a": []}}, Allow("rego")),
    "an empty value": ({**YES, "headers": {"x-a": ""}}, Allow("rego", (("x-a", ""),))),
    "response headers": (
        {
            **YES,
            "response_headers_to_add": {"x-a": ["1", "2"], "Set-Cookie": ["a=1", "b=2"]},
        },
        Allow(
            "rego",
            response_headers=(("x-a", "1, 2"), ("set-cookie", "a=1"), ("set-cookie", "b=2")),
        ),
    ),
    "removal": (
        {**YES, "request_headers_to_remove": ["X-A", "x-b", "x-a"]},
        Allow("rego", remove=("x-a", "x-b")),
    ),
    "removal beats setting": (
        {**YES, "headers": {"x-a": "1", "x-b": "2"}, "request_headers_to_remove": ["x-a"]},
        Allow("rego", (("x-b", "2"),), ("x-a",)),
    ),
    "query parameters, the last of a list": (
        {
            **YES,
            "query_parameters_to_set": {"a": "1", "b": ["2", "3"], "c": []},
            "query_parameters_to_remove": ["d"],
        },
        Allow("rego", query_set=(("a", "1"), ("b", "3")), query_remove=("d",)),
    ),
    "metadata": (
        {**YES, "dynamic_metadata": {"a": [1, Decimal("0.5"), None, True, "x", {"b": {}}]}},
        Allow("rego", metadata={"a": [1.0, 0.5, None, True, "x", {"b": {}}]}),
    ),
    "a denial with everything": (
        {
            **NO,
            "http_status": 429,
            "body": "later",
            "headers": {"set-cookie": ["a=1", "b=2"], "Retry-After": "1"},
            "dynamic_metadata": {"a": 1},
        },
        Deny(
            "rego",
            429,
            (("set-cookie", "a=1"), ("set-cookie", "b=2"), ("retry-after", "1")),
            "later",
            {"a": 1.0},
        ),
    ),
    "status 200 for a denial": ({**NO, "http_status": 200}, Deny("rego", 200)),
    "status as a decimal": ({**NO, "http_status": Decimal("403.0")}, Deny("rego", 403)),
    "an allowance ignores what is for denials": (
        {**YES, "http_status": "x", "body": 1},
        Allow("rego"),
    ),
    "a denial ignores what is for allowances": (
        {
            **NO,
            "response_headers_to_add": 1,
            "request_headers_to_remove": 1,
            "query_parameters_to_set": 1,
            "query_parameters_to_remove": 1,
        },
        Deny("rego"),
    ),
    "unknown fields are ignored": ({**YES, "reason": "because"}, Allow("rego")),
}

DEEP: Any = 1
for _ in range(33):
    DEEP = [DEEP]

FAILED: dict[str, tuple[object, str]] = {
    "undefined": (UNDEFINED, "undefined"),
    "failed": (PolicyFailed("opa_unavailable", "refused"), "opa_unavailable"),
    "null": (None, "result_type"),
    "one": (1, "result_type"),
    "text": ("true", "result_type"),
    "list": ([True], "result_type"),
    "empty object": ({}, "result_allowed"),
    "allow instead of allowed": ({"allow": True}, "result_allowed"),
    "allowed is one": ({"allowed": 1}, "result_allowed"),
    "allowed is text": ({"allowed": "true"}, "result_allowed"),
    "allowed is null": ({"allowed": None}, "result_allowed"),
    "allowed is undefined": ({"allowed": UNDEFINED}, "result_allowed"),
    "headers is text": ({**YES, "headers": "x-a: 1"}, "result_headers"),
    "headers is null": ({**YES, "headers": None}, "result_headers"),
    "headers is a list of texts": ({**YES, "headers": ["x-a"]}, "result_headers"),
    "header value is a number": ({**YES, "headers": {"x-a": 1}}, "result_headers"),
    "header value is null": ({**YES, "headers": {"x-a": None}}, "result_headers"),
    "header values hold a number": ({**YES, "headers": {"x-a": ["1", 2]}}, "result_headers"),
    "header with a line break": ({**YES, "headers": {"x-a": "1\r\nx: y"}}, "result_headers"),
    "header that is no name": ({**YES, "headers": {"x a": "1"}}, "result_headers"),
    "header that is a number": ({**YES, "headers": {1: "1"}}, "result_headers"),
    "path is rewritten": ({**YES, "headers": {":path": "/hijack"}}, "result_headers"),
    "host is rewritten": ({**YES, "headers": {"Host": "evil"}}, "result_headers"),
    "envoy is addressed": ({**YES, "headers": {"X-Envoy-Retry-On": "5xx"}}, "result_headers"),
    "too many headers": (
        {**YES, "headers": {f"x-{n}": "" for n in range(HEADERS_MOST + 1)}},
        "result_headers",
    ),
    "response header with a line break": (
        {**YES, "response_headers_to_add": {"x-a": "\n"}},
        "result_response_headers_to_add",
    ),
    "denied header with a line break": ({**NO, "headers": {"x-a": "\n"}}, "result_headers"),
    "removal is text": (
        {**YES, "request_headers_to_remove": "x-a"},
        "result_request_headers_to_remove",
    ),
    "removal of a number": (
        {**YES, "request_headers_to_remove": [1]},
        "result_request_headers_to_remove",
    ),
    "removal of a pseudo-header": (
        {**YES, "request_headers_to_remove": [":path"]},
        "result_request_headers_to_remove",
    ),
    "query is a list": (
        {**YES, "query_parameters_to_set": [{"a": "1"}]},
        "result_query_parameters_to_set",
    ),
    "query value is a number": (
        {**YES, "query_parameters_to_set": {"a": 1}},
        "result_query_parameters_to_set",
    ),
    "query value with a surrogate": (
        {**YES, "query_parameters_to_set": {"a": "\ud800"}},
        "result_query_parameters_to_set",
    ),
    "query removal is text": (
        {**YES, "query_parameters_to_remove": "a"},
        "result_query_parameters_to_remove",
    ),
    "metadata is a list": ({**YES, "dynamic_metadata": []}, "result_dynamic_metadata"),
    "metadata is null": ({**NO, "dynamic_metadata": None}, "result_dynamic_metadata"),
    "metadata nested too deep": (
        {**YES, "dynamic_metadata": {"a": DEEP}},
        "result_dynamic_metadata",
    ),
    "metadata too large": (
        {**YES, "dynamic_metadata": {"a": [1] * 1000}},
        "result_dynamic_metadata",
    ),
    "metadata with a number beyond doubles": (
        {**YES, "dynamic_metadata": {"a": 10**400}},
        "result_dynamic_metadata",
    ),
    "metadata with a surrogate": (
        {**YES, "dynamic_metadata": {"\ud800": 1}},
        "result_dynamic_metadata",
    ),
    "status is text": ({**NO, "http_status": "403"}, "result_http_status"),
    "status is true": ({**NO, "http_status": True}, "result_http_status"),
    "status is unknown": ({**NO, "http_status": 999}, "result_http_status"),
    "status is zero": ({**NO, "http_status": 0}, "result_http_status"),
    "status is informational": ({**NO, "http_status": 100}, "result_http_status"),
    "status is a fraction": ({**NO, "http_status": Decimal("403.5")}, "result_http_status"),
    "status is null": ({**NO, "http_status": None}, "result_http_status"),
    "body is a number": ({**NO, "body": 1}, "result_body"),
    "body is null": ({**NO, "body": None}, "result_body"),
    "body is too long": ({**NO, "body": "x" * (BODY_MOST + 1)}, "result_body"),
    "body with a surrogate": ({**NO, "body": "\ud800"}, "result_body"),
}


@pytest.mark.parametrize("name", DECIDED)
def test_a_result_is_a_decision(name: str) -> None:
    answer, expected = DECIDED[name]

    found = outcome_of(answer, "rego")

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("name", FAILED)
def test_a_result_that_is_no_decision_fails(name: str) -> None:
    answer, reason = FAILED[name]

    found = outcome_of(answer, "rego")

    assert type(found) is Failed
    assert found.reason == reason


def test_the_tables_have_all_their_rows() -> None:
    assert (len(DECIDED), len(FAILED)) == (21, 51)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "headers",
        "response_headers_to_add",
        "request_headers_to_remove",
        "query_parameters_to_set",
        "query_parameters_to_remove",
        "dynamic_metadata",
        "http_status",
        "body",
        "allowed",
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    JSON
    | st.builds(lambda extra, yes: {"allowed": yes, **extra}, st.dictionaries(FIELDS, JSON), JSON)
)
def test_whatever_a_policy_says_only_true_allows(answer: Any) -> None:
    found = outcome_of(answer, "rego")

    assert type(found) in (Allow, Deny, Failed)
    if type(found) is Allow:
        assert answer is True or answer["allowed"] is True
    if not isinstance(found, Failed):
        assert respond(found, "shop", "", "0" * 36)

"""The input of `compat: opa-envoy` (extauthz.md 1.1), and which paths its policies see."""

import textwrap
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.config.bundle import Bundle
from callout.config.policies import PolicyIndex
from callout.config.snapshot import Snapshot, build
from callout.http.path import CanonicalPath
from callout.testing.requests import check_request
from extauthz.bodies.contract import BodyRules
from extauthz.check import CheckInput
from extauthz.config import AuthSection
from extauthz.decide import Chosen, choose
from extauthz.envoy import read
from extauthz.input import OURS, BadInput, InputBuilder, InputRules
from tests.extauthz.test_envoy_requests import WHOLE as WHOLE_ATTRIBUTES
from tests.extauthz.test_envoy_requests import full

WHOLE: dict[str, Any] = WHOLE_ATTRIBUTES
COMPAT = InputRules(compat=True, body=BodyRules(most=None))


def checked(message: Any) -> CheckInput:
    found = read(message.SerializeToString())
    assert isinstance(found, CheckInput)
    return found


def document(message: Any, reads: Any = None, rules: InputRules = COMPAT) -> Any:
    check = checked(message)
    raw, mark, query = check.path.partition("?")
    path = CanonicalPath(raw, query if mark else None)
    return InputBuilder(reads, rules).build(check, path, {"sub": "alice"})


def test_the_whole_document_is_the_plugins() -> None:
    request = full()
    request.attributes.request.http.path = "//a%2Fb/?x=1&x=2"

    found = document(request)

    attributes: Any = found.pop("attributes")
    assert attributes["request"]["http"].pop("path") == "//a%2Fb/?x=1&x=2"
    expected = dict(WHOLE["request"]["http"])
    expected.pop("path")
    assert attributes["request"]["http"] == expected
    assert attributes["request"]["time"] == {"seconds": 1735689600, "nanos": 5}
    assert {name: attributes[name] for name in attributes if name != "request"} == {
        name: WHOLE[name] for name in WHOLE if name != "request"
    }
    assert found == {
        "parsed_path": ["a", "b", ""],
        "parsed_query": {"x": ["1", "2"]},
        "parsed_body": None,
        "truncated_body": False,
        "source_principal": "spiffe://mesh/a",
        "version": {"ext_authz": "v3", "encoding": "protojson"},
    }


def test_it_has_nothing_of_ours() -> None:
    found = document(check_request())

    assert found.keys() & OURS == set()
    assert "source_principal" not in found
    assert document(check_request(), [("identity", "sub"), ("path",), ("body_state",)]) == {
        "parsed_path": [""],
        "parsed_body": None,
        "truncated_body": False,
    }


def test_a_body_that_is_not_parsed_is_not_spoken_of() -> None:
    rules = InputRules(compat=True, body=BodyRules(parse=False))
    request = check_request(body="{", headers={"content-type": "application/json"})

    found = document(request, rules=rules)

    assert found.keys() == {"attributes", "parsed_path", "parsed_query", "version"}
    ours = document(request, rules=InputRules(body=BodyRules(parse=False)))
    assert ours.keys() == found.keys() | {"identity", "path", "path_flags"}


def as_raw(request: Any) -> Any:
    http = request.attributes.request.http
    for name, value in sorted(http.headers.items()):
        http.header_map.headers.add(key=name, raw_value=value.encode())
    http.headers.clear()
    return request


def test_raw_headers_are_shown_as_sent_and_merged_in_ours() -> None:
    request = as_raw(check_request(headers={"x-user": "alice"}))
    headers = ("attributes", "request", "http", "headers")

    http = document(request)["attributes"]["request"]["http"]
    assert "headers" not in http
    assert {"key": "x-user", "rawValue": "YWxpY2U="} in http["headerMap"]["headers"]
    assert document(request, [(*headers, "x-user")])["attributes"] == {
        "request": {"http": {"method": "GET"}}
    }

    ours = document(request, rules=InputRules())
    assert ours["attributes"]["request"]["http"]["headers"]["x-user"] == "alice"


REFUSED = {
    "a semicolon in the query": (check_request(path="/?a;b"), "query"),
    "a bad escape in the query": (check_request(path="/?a=%zz"), "query"),
    "a bad escape in the path": (check_request(path="/%zz"), "path_escape"),
    "a body that is not JSON": (
        check_request(body="{", headers={"content-type": "application/json"}),
        "body",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("reads", [None, frozenset(), frozenset({("parsed_query",)})], ids=str)
def test_what_the_plugin_cannot_parse_is_refused_whatever_is_read(name: str, reads: Any) -> None:
    request, reason = REFUSED[name]

    assert document(request, reads) == BadInput(reason)


HEADERS = ("attributes", "request", "http", "headers")
NAMES = [
    (),
    ("attributes",),
    ("attributes", "request", "http", "method"),
    HEADERS,
    (*HEADERS, "x-user"),
    (*HEADERS, "absent"),
    ("attributes", "request", "http", "headerMap", "headers"),
    ("attributes", "request", "time"),
    ("parsed_body", "a"),
    ("parsed_path",),
    ("parsed_query", "x"),
    ("source_principal",),
    ("truncated_body",),
    ("version",),
    ("path",),
    ("identity",),
]
MISSING = object()


def look_up(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return MISSING
        value = value[name]
    return value


@settings(max_examples=200, deadline=None)
@given(st.sets(st.sampled_from(NAMES), max_size=6), st.booleans())
def test_whatever_is_read_is_the_same_as_in_the_whole(
    reads: set[tuple[str, ...]], raw: bool
) -> None:
    headers = {"x-user": "alice", "content-type": "application/json"}
    request = check_request("POST", "//a?x=1", headers=headers, body='{"a": [1]}')
    if raw:
        request = as_raw(request)
    whole, part = document(request), document(request, reads)

    for path in reads:
        assert look_up(part, path) == look_up(whole, path), path


# --- paths ---

POLICIES = {
    "any.yaml": """
        apiVersion: bundle/v1
        kind: Policy
        name: any
        on:
          - {host: plain.example}
          - {host: paths.example}
          - {host: regex.example}
          - {host: exact.example}
        auth: {compat: opa-envoy, identity: [anonymous: {}], decide: {opa: envoy/authz/allow}}
        """,
    "ours.yaml": """
        apiVersion: bundle/v1
        kind: Policy
        name: ours
        on: [{host: ours.example}]
        auth: {identity: [anonymous: {}], decide: {opa: envoy/authz/allow}}
        """,
    "admin.yaml": """
        apiVersion: bundle/v1
        kind: Policy
        name: admin
        on:
          - {host: paths.example, path: /admin}
          - {host: regex.example, path: {match: "/x.*"}}
          - {host: exact.example, path: {exact: /x}}
        auth: {decide: {opa: envoy/authz/admin}}
        """,
    "method.yaml": """
        apiVersion: bundle/v1
        kind: Policy
        name: method
        on: [{host: plain.example, method: DELETE}]
        auth: {decide: {opa: envoy/authz/delete}}
        """,
}


@pytest.fixture(scope="module")
def policies() -> PolicyIndex:
    files = {name: textwrap.dedent(text).encode() for name, text in POLICIES.items()}
    snapshot = build(Bundle(files), [AuthSection()])
    assert isinstance(snapshot, Snapshot), snapshot
    return snapshot.policies


ODD = [
    "/a/../admin",
    "/a/%2e%2e/admin",
    "/a%2Fb",
    "/a%5Cb",
    "/a\\b",
    "/%00",
    "/%ff",
    "/%zz",
    "",
    "a",
    "/a b",
    "/a#b?c",
    "http://x/y",
    "*",
]


@pytest.mark.parametrize("path", ODD)
def test_a_policy_of_any_path_sees_every_path_as_it_is(path: str, policies: PolicyIndex) -> None:
    check = checked(check_request(path=path, host="plain.example"))
    check = check._replace(path=path)

    found = choose(check, policies)

    assert isinstance(found, Chosen)
    assert found.policy == "any"
    assert found.path == CanonicalPath(path.partition("?")[0], "c" if "?" in path else None)


@pytest.mark.parametrize("host", ["ours", "paths", "regex", "exact"])
@pytest.mark.parametrize("path", ODD)
def test_elsewhere_a_path_that_has_no_certain_meaning_is_refused(
    host: str, path: str, policies: PolicyIndex
) -> None:
    check = checked(check_request(path=path, host=f"{host}.example"))._replace(path=path)

    found = choose(check, policies)

    assert not isinstance(found, Chosen)
    assert found.sent.status == 400


@pytest.mark.parametrize("path", ["/" + "a" * 70_000, "/?" + "a" * 70_000], ids=["path", "query"])
def test_what_is_too_long_is_refused_everywhere(path: str, policies: PolicyIndex) -> None:
    found = choose(checked(check_request(path=path, host="plain.example")), policies)

    assert not isinstance(found, Chosen)
    assert found.sent.status == 400


def test_the_tables_have_all_their_rows() -> None:
    assert (len(REFUSED), len(NAMES), len(ODD)) == (4, 16, 14)

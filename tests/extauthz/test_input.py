"""Rego's input: opa-envoy-plugin's document (extauthz.md 1.1), whole and in parts."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.http.path import CanonicalPath, canonical
from callout.testing.requests import check_request
from extauthz.check import CheckInput
from extauthz.envoy import read
from extauthz.input import BadInput, InputBuilder
from tests.extauthz.policy.rego import engine

CLAIMS = {"sub": "alice", "org": {"id": "acme"}}


def document(request: Any, reads: Any = None, claims: Any = None) -> dict[str, Any] | BadInput:
    check = read(request.SerializeToString())
    assert isinstance(check, CheckInput)
    path = canonical(check.path, check.method)
    assert isinstance(path, CanonicalPath)
    return InputBuilder(reads).build(check, path, claims)


def test_the_whole_document() -> None:
    request = check_request(
        "POST",
        "//a/%7Eb?x=1&x=2",
        headers={"content-type": "application/json"},
        body='{"n": 0.10, "big": 18446744073709551616}',
    )
    request.attributes.source.principal = "spiffe://mesh/a"

    found = document(request, claims=CLAIMS)

    assert isinstance(found, dict)
    attributes = found.pop("attributes")
    assert attributes["request"]["http"]["path"] == "//a/%7Eb?x=1&x=2"
    assert attributes["source"]["principal"] == "spiffe://mesh/a"
    assert found == {
        "parsed_path": ["a", "~b"],
        "parsed_query": {"x": ["1", "2"]},
        "parsed_body": {"n": Decimal("0.10"), "big": 2**64},
        "truncated_body": False,
        "body_state": "parsed",
        "version": {"ext_authz": "v3", "encoding": "protojson"},
        "source_principal": "spiffe://mesh/a",
        "identity": CLAIMS,
        "path": "/a/~b",
        "path_flags": ["empty_segments", "escapes"],
    }


def test_a_document_without_body_query_principal_and_identity() -> None:
    found = document(check_request())

    assert isinstance(found, dict)
    del found["attributes"]
    assert found == {
        "parsed_path": [""],
        "parsed_query": {},
        "parsed_body": None,
        "truncated_body": False,
        "body_state": "none",
        "version": {"ext_authz": "v3", "encoding": "protojson"},
        "identity": None,
        "path": "/",
        "path_flags": [],
    }


REFUSED = {
    "semicolon in the query": (check_request(path="/?a;b"), "query"),
    "bad escape in the query": (check_request(path="/?a=%zz"), "query"),
    "a body that is not JSON": (
        check_request(body="{", headers={"content-type": "application/json"}),
        "body",
    ),
    "a body with a name twice": (
        check_request(body='{"a":1,"a":2}', headers={"content-type": "application/json"}),
        "body",
    ),
    "a form that is not one": (
        check_request(body="a=%zz", headers={"content-type": "application/x-www-form-urlencoded"}),
        "body",
    ),
    "a content-length that is no number": (
        check_request(
            body="1", headers={"content-type": "application/json", "content-length": "+1"}
        ),
        "content_length",
    ),
}


def test_a_number_that_json_cannot_write_is_a_bad_request() -> None:
    request = check_request()
    request.attributes.metadata_context.filter_metadata["f"].update({"n": float("inf")})

    assert document(request) == BadInput("attributes")
    assert document(request, [("path",)]) == {"path": "/"}


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_without_an_honest_document_is_refused(name: str) -> None:
    request, reason = REFUSED[name]

    assert document(request) == BadInput(reason)


def test_a_bad_query_is_refused_whatever_is_read() -> None:
    for reads in ([], [("path",)], [("parsed_query",)]):
        assert document(check_request(path="/?a;b"), reads) == BadInput("query")


def test_a_bad_body_is_refused_only_for_a_policy_that_reads_it() -> None:
    request = REFUSED["a body that is not JSON"][0]

    assert document(request, [("path",)]) == {"path": "/"}
    assert document(request, [("truncated_body",)]) == BadInput("body")


def test_the_table_has_all_its_rows() -> None:
    assert len(REFUSED) == 6


def test_only_what_is_read_is_built() -> None:
    request = check_request("GET", "/pets/dogs?a=1", headers={"x-user": "alice", "x-other": "1"})
    headers = ("attributes", "request", "http", "headers")

    assert document(request, []) == {}
    assert document(request, [(*headers, "x-user"), (*headers, "x-none")]) == {
        "attributes": {"request": {"http": {"method": "GET", "headers": {"x-user": "alice"}}}}
    }
    assert document(request, [("parsed_path",), (*headers[:3], "path")]) == {
        "parsed_path": ["pets", "dogs"],
        "attributes": {"request": {"http": {"path": "/pets/dogs?a=1"}}},
    }
    assert document(request, [("identity", "sub")], CLAIMS) == {"identity": CLAIMS}
    assert document(request, [("no", "such", "thing"), ("attributes", "nope")]) == {
        "attributes": {}
    }


def test_an_absent_part_leaves_what_it_would_stand_in() -> None:
    """`s := input.attributes.source; not s.principal` asks for both."""
    source = ("attributes", "source")

    assert document(check_request(), [(*source, "principal")]) == {"attributes": {"source": {}}}
    assert document(check_request(), [(*source, "service"), (*source, "address")]) == {
        "attributes": {
            "source": {
                "address": {"socketAddress": {"address": "198.51.100.24", "portValue": 51874}}
            }
        }
    }


def test_a_policy_decides_the_same_by_the_parts_that_it_reads() -> None:
    made = engine(
        """package test
        default p := false
        p if not denied
        denied if { s := input.attributes.source; not s.principal }"""
    )
    assert made.reads == frozenset({("attributes", "source", "principal")})

    for reads in (None, made.reads):
        asked = document(check_request(), reads)
        assert isinstance(asked, dict)
        assert made.decide(asked, None) is False


NAMES = [
    (),
    ("attributes",),
    ("attributes", "request"),
    ("attributes", "request", "http"),
    ("attributes", "request", "http", "method"),
    ("attributes", "request", "http", "method", "deeper"),
    ("attributes", "request", "http", "headers"),
    ("attributes", "request", "http", "headers", "x-user"),
    ("attributes", "request", "http", "headers", "x-user", "deeper"),
    ("attributes", "request", "http", "headers", ":path"),
    ("attributes", "request", "http", "headers", "absent"),
    ("attributes", "request", "http", "headerMap", "headers"),
    ("attributes", "request", "http", "size"),
    ("attributes", "request", "http", "body"),
    ("attributes", "request", "time", "seconds"),
    ("attributes", "source"),
    ("attributes", "source", "address", "socketAddress", "address"),
    ("attributes", "source", "labels", "app"),
    ("attributes", "destination", "address"),
    ("attributes", "contextExtensions", "policy"),
    ("attributes", "metadataContext", "filterMetadata", "f", "n"),
    ("attributes", "tlsSession", "sni"),
    ("identity",),
    ("identity", "org", "id"),
    ("parsed_body",),
    ("parsed_path",),
    ("parsed_path", "x"),
    ("parsed_query", "x"),
    ("path",),
    ("path_flags",),
    ("source_principal",),
    ("truncated_body",),
    ("version", "encoding"),
    ("nope",),
]


def rich_request() -> Any:
    request = check_request(
        "POST",
        "/a//b?x=1",
        headers={"x-user": "alice", "content-type": "application/json"},
        body='{"a": [1]}',
        context_extensions={"policy": "shop"},
    )
    request.attributes.source.labels["app"] = "web"
    request.attributes.source.principal = "spiffe://mesh/a"
    request.attributes.metadata_context.filter_metadata["f"].update({"n": 1})
    return request


MISSING = object()


def look_up(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return MISSING
        value = value[name]
    return value


@settings(max_examples=200, deadline=None)
@given(st.sets(st.sampled_from(NAMES), max_size=8), st.booleans(), st.booleans())
def test_whatever_is_read_is_the_same_as_in_the_whole(
    reads: set[tuple[str, ...]], raw: bool, is_bare: bool
) -> None:
    request = rich_request()
    if is_bare:
        request = check_request()
        request.attributes.request.http.headers.clear()
        request.attributes.tls_session.SetInParent()
    if raw:
        http = request.attributes.request.http
        for name, value in http.headers.items():
            http.header_map.headers.add(key=name, raw_value=value.encode())
        http.headers.clear()
    whole = document(request, claims=CLAIMS)

    part = document(request, reads, CLAIMS)

    for path in reads:
        assert look_up(part, path) == look_up(whole, path), path
        for end in range(len(path)):
            above = look_up(part, path[:end]), look_up(whole, path[:end])
            assert (above[0] is MISSING) == (above[1] is MISSING), path[:end]
            assert isinstance(above[0], dict) or above[0] == above[1], path[:end]

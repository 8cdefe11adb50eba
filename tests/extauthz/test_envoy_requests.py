"""CheckRequests to our own words: every trap of extauthz.md 5.12 to 5.20."""

from decimal import Decimal
from typing import Any

import pytest
from envoy.service.auth.v3 import external_auth_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.testing.requests import check_request
from extauthz.check import ABSENT, CheckInput, Malformed, NetworkCheck, TooManyHeaders
from extauthz.envoy import MOST_HEADERS, read


def http(request: Any) -> CheckInput:
    found = read(request.SerializeToString())
    assert isinstance(found, CheckInput)
    return found


def raw(*headers: tuple[str, bytes]) -> Any:
    """A request as Envoy sends it with `encode_raw_headers`: `headers` is empty."""
    request = check_request()
    request.attributes.request.http.headers.clear()
    for key, value in headers:
        request.attributes.request.http.header_map.headers.add(key=key, raw_value=value)
    return request


def test_a_usual_request() -> None:
    found = http(
        check_request("POST", "/a/../b?c=d", "Shop.example:443", {"x-a": "1"}, body="hello")
    )

    assert found[:3] == ("Shop.example:443", "POST", "/a/../b?c=d")
    assert found.headers["x-a"] == "1"
    assert found.headers.get("x-b") is None
    assert found.named is None
    assert found.attributes.bodies() == ("hello", b"")


def test_a_request_of_the_tcp_filter_has_no_http_part() -> None:
    request = external_auth_pb2.CheckRequest()
    request.attributes.source.principal = "spiffe://mesh/a"
    request.attributes.tls_session.sni = "db.example"
    request.attributes.context_extensions["policy"] = "db"
    for _ in range(2):
        found = read(request.SerializeToString())
        assert isinstance(found, NetworkCheck)
        assert (found.host, found.named, dict(found.headers)) == ("db.example", "db", {})
        assert found.attributes.at(("source", "principal")) == "spiffe://mesh/a"
        request.attributes.request.time.FromSeconds(1)

    assert isinstance(read(b""), Malformed)  # it asks about nothing


def test_headers_by_the_thousand_are_refused_in_either_form() -> None:
    extra = MOST_HEADERS - 4  # the pseudo-headers
    for more, found in ((0, CheckInput), (1, TooManyHeaders)):
        names = [f"x-{index}" for index in range(extra + more)]
        as_map = check_request(headers=dict.fromkeys(names, "v"))
        assert type(read(as_map.SerializeToString())) is found
        as_list = raw(*((f"x-{index}", b"v") for index in range(MOST_HEADERS + more)))
        assert type(read(as_list.SerializeToString())) is found


MALFORMED = {
    "cut off": check_request().SerializeToString()[:-3],
    "not protobuf": b"\xff\xff\xff\xff",
    "wrong wire type": b"\x08\x01\x0b",
    "not UTF-8": b"\x0a\x07\x22\x05\x12\x03\x22\x01\xff",
    "endless varint": b"\x08" + b"\xff" * 20,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_check_request_is_said_to_be_malformed(name: str) -> None:
    assert read(MALFORMED[name]) == Malformed()


def test_raw_headers_are_the_same_headers() -> None:
    found = http(
        raw(
            (":authority", b"shop.example"),
            ("Authorization", b"Bearer abc"),
            ("x-a", b"1"),
            ("x-a", b"2"),
            ("cookie", b"a=1"),
            ("cookie", b"b=2"),
            ("x-bytes", b"caf\xe9"),
        )
    )

    assert dict(found.headers) == {
        ":authority": "shop.example",
        "authorization": "Bearer abc",
        "x-a": "1,2",
        "cookie": "a=1; b=2",
        "x-bytes": "caf!",
    }
    assert found.attributes.at(("request", "http", "headers")) == dict(found.headers)
    assert found.attributes.at(("request", "http"))["headers"] == dict(found.headers)
    assert found.attributes.at(())["request"]["http"]["headers"] == dict(found.headers)


def test_a_second_credential_cannot_hide_in_the_other_list() -> None:
    request = raw(("authorization", b"Bearer b"))
    request.attributes.request.http.headers["authorization"] = "Bearer a"

    assert http(request).headers["authorization"] == "Bearer a,Bearer b"


def test_host_method_and_path_may_be_headers_only() -> None:
    request = check_request("DELETE", "/a", "shop.example")
    for name in ("host", "method", "path"):
        request.attributes.request.http.ClearField(name)

    assert http(request)[:3] == ("shop.example", "DELETE", "/a")


def test_the_route_names_the_policy() -> None:
    assert http(check_request(context_extensions={"policy": "shop"})).named == "shop"
    assert http(check_request(context_extensions={"policy": ""})).named == ""
    assert http(check_request(context_extensions={"other": "x"})).named is None


def test_a_body_is_given_in_both_forms() -> None:
    request = check_request(body="caf!")
    request.attributes.request.http.raw_body = b"caf\xe9"

    assert http(request).attributes.bodies() == ("caf!", b"caf\xe9")


def full() -> Any:
    request = check_request("GET", "/", "shop.example", {"x-a": "1"})
    attributes = request.attributes
    attributes.request.time.nanos = 5
    attributes.source.principal = "spiffe://mesh/a"
    attributes.source.labels["app"] = "web"
    attributes.source.address.socket_address.protocol = 1
    attributes.request.http.size = 2**60
    attributes.request.http.raw_body = b"\x00\xff"
    attributes.tls_session.sni = "shop.example"
    attributes.context_extensions["policy"] = "shop"
    struct = attributes.metadata_context.filter_metadata["f"]
    struct.update({"n": 1.0, "d": 0.5, "l": [1, None, True, {"x": "y"}], "e": {}})
    attributes.metadata_context.typed_filter_metadata["t"].value = b"\x01"
    return request


WHOLE = {
    "source": {
        "address": {
            "socketAddress": {"protocol": 1, "address": "198.51.100.24", "portValue": 51874}
        },
        "principal": "spiffe://mesh/a",
        "labels": {"app": "web"},
    },
    "destination": {"address": {"socketAddress": {"address": "10.0.3.17", "portValue": 8443}}},
    "request": {
        "time": {"seconds": 1735689600, "nanos": 5},
        "http": {
            "id": "13359530607844510314",
            "method": "GET",
            "headers": {
                ":authority": "shop.example",
                ":method": "GET",
                ":path": "/",
                ":scheme": "https",
                "x-a": "1",
            },
            "path": "/",
            "host": "shop.example",
            "scheme": "https",
            "size": 2**60,
            "protocol": "HTTP/2",
            "rawBody": "AP8=",
        },
    },
    "contextExtensions": {"policy": "shop"},
    "metadataContext": {
        "filterMetadata": {
            "f": {"n": 1, "d": Decimal("0.5"), "l": [1, None, True, {"x": "y"}], "e": {}}
        },
        "typedFilterMetadata": {"t": {"value": "AQ=="}},
    },
    "tlsSession": {"sni": "shop.example"},
}
"""As opa-envoy-plugin has it: camelCase, set fields only, int64 and enums as numbers, times as
objects, structs unwrapped, bytes as base64."""


def test_the_whole_is_what_opa_envoy_plugin_shows() -> None:
    found = http(full()).attributes.at(())

    assert found == WHOLE
    assert _types(found) <= {dict, list, str, int, Decimal, bool, type(None)}


def _types(value: Any) -> set[type]:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {type(value)}.union(*map(_types, below))


def _paths(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return [path]
    return [path, *(one for name, below in value.items() for one in _paths(below, (*path, name)))]


@pytest.mark.parametrize("path", _paths(WHOLE), ids=".".join)
def test_a_part_is_the_same_as_in_the_whole(path: tuple[str, ...]) -> None:
    expected: Any = WHOLE
    for name in path:
        expected = expected[name]

    assert http(full()).attributes.at(path) == expected


ABSENT_PATHS = [
    ("nope",),
    ("source", "nope"),
    ("source", "service"),
    ("source", "certificate"),
    ("source", "labels", "nope"),
    ("destination", "principal"),
    ("destination", "address", "pipe"),
    ("destination", "address", "socketAddress", "protocol"),
    ("request", "http", "headers", "nope"),
    ("request", "http", "headers", "x-a", "deeper"),
    ("request", "http", "headerMap"),
    ("request", "http", "query"),
    ("request", "http", "body"),
    ("request", "http", "raw_body"),
    ("request", "http", "method", "deeper"),
    ("metadataContext", "filterMetadata", "g"),
    ("routeMetadataContext",),
]


@pytest.mark.parametrize("path", ABSENT_PATHS, ids=".".join)
def test_what_was_not_sent_is_absent(path: tuple[str, ...]) -> None:
    assert http(full()).attributes.at(path) is ABSENT


def test_a_number_that_json_cannot_write_is_an_error() -> None:
    request = check_request()
    request.attributes.metadata_context.filter_metadata["f"].update({"n": float("nan")})

    with pytest.raises(ValueError):
        http(request).attributes.at(())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_malformed(data: bytes) -> None:
    assert isinstance(read(data), CheckInput | NetworkCheck | TooManyHeaders | Malformed)

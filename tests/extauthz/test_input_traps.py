"""Every trap of extauthz.md 5 and every lesson of 6 that is about input: a row, and what it does.

A row goes through the whole service twice: by our own rules, and with `compat: opa-envoy`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import pytest

from callout.testing.requests import check_request
from extauthz.bodies.contract import BodyRules
from extauthz.compiled import ByRego
from extauthz.identity.anonymous import AnonymousEntry
from extauthz.input import InputBuilder, InputRules
from tests.extauthz.test_connections import connection
from tests.extauthz.tokens import token
from tests.extauthz.world import ScriptedEngine, World, auth, jwt_entry

ABSENT: Final = object()
Seen = Mapping[str, object]
"""Paths of the input, with dots, and what stands there."""


class Row(NamedTuple):
    """A request, and what becomes of it in each mode: what is seen, or why it is refused."""

    request: Any
    ours: Seen | str
    compat: Seen | str


def with_body(kind: str, raw: bytes = b"", text: str = "", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = check_request("POST", headers={"content-type": kind} | named, body=text)
    request.attributes.request.http.raw_body = raw
    return request


def with_raw(*headers: tuple[str, bytes]) -> Any:
    request = check_request()
    http = request.attributes.request.http
    http.headers.clear()
    for name, value in headers:
        http.header_map.headers.add(key=name, raw_value=value)
    return request


def in_both(name: str, value: str, raw: bytes) -> Any:
    request = check_request(headers={name: value})
    request.attributes.request.http.header_map.headers.add(key=name, raw_value=raw)
    return request


def with_certificate() -> Any:
    request = check_request()
    request.attributes.source.principal = "spiffe://mesh/a"
    request.attributes.source.certificate = "-----BEGIN%20CERTIFICATE-----%0A"
    request.attributes.tls_session.sni = "shop.example"
    return request


def with_size(size: int) -> Any:
    request = with_body("application/json", text="1", content_length="1")
    request.attributes.request.http.size = size
    return request


def same(request: Any, seen: Seen | str) -> Row:
    return Row(request, seen, seen)


def at(path: str, segments: list[str], refused: str = "") -> Row:
    """A path: how ours see it (by `path`), or why not; compat sees it as it is."""
    request = check_request(path=path)
    raw = {"attributes.request.http.path": path, "parsed_path": segments}
    return Row(request, refused or raw, raw)


HTTP = "attributes.request.http"
JSON = "application/json"
NO_BODY = {"parsed_body": None, "truncated_body": False}
CUT = {"parsed_body": None, "truncated_body": True}

ROWS: dict[str, Row] = {
    # 5.12: binary in `body` is damaged, with `pack_as_bytes` only `raw_body` is set
    "5.12 bytes": same(
        with_body(JSON, '"é"'.encode()), {"parsed_body": "é", f"{HTTP}.rawBody": "IsOpIg=="}
    ),
    "5.12 text": same(with_body(JSON, text='"é"'), {"parsed_body": "é", f"{HTTP}.body": '"é"'}),
    "5.12 damaged": Row(with_body(JSON, b'"\xff"', '"!"'), "body", {"parsed_body": "!"}),
    # 5.13: cut at the limit, said by a header; `size` is what was received; chunked has no length
    "5.13 partial": same(with_body(JSON, b'{"a":', x_envoy_auth_partial_body="true"), CUT),
    "5.13 whole": same(
        with_body(JSON, b"1", x_envoy_auth_partial_body="false"), {"parsed_body": 1}
    ),
    "5.13 length": same(with_body(JSON, b"1", content_length="9"), CUT),
    "5.13 size": same(with_size(100), {"parsed_body": 1, f"{HTTP}.size": 100}),
    # 5.14: no buffering, no body
    "5.14 nothing sent": Row(
        with_body(JSON, content_length="9"), CUT | {"body_state": "not_sent"}, NO_BODY
    ),
    "5.14 no body": Row(with_body(JSON), NO_BODY | {"body_state": "none"}, NO_BODY),
    # 5.15: joined values; two credentials are none
    "5.15 joined": same(check_request(headers={"x-a": "1,2"}), {f"{HTTP}.headers.x-a": "1,2"}),
    "5.15 two credentials": same(
        check_request(headers={"authorization": f"Bearer {token()},Bearer {token()}"}),
        "duplicate_credential",
    ),
    "5.15 not UTF-8": same(check_request(headers={"x-a": "caf!"}), {f"{HTTP}.headers.x-a": "caf!"}),
    "5.15 underscore": same(check_request(headers={"x_a": "1"}), {f"{HTTP}.headers.x_a": "1"}),
    # 5.16: `header_map` instead of `headers`
    "5.16 raw headers": Row(
        with_raw((":path", b"/"), ("X-A", b"1"), ("x-a", b"2")),
        {f"{HTTP}.headers.x-a": "1,2"},
        {f"{HTTP}.headers": ABSENT},
    ),
    "5.16 raw cookies": Row(
        with_raw(("cookie", b"a=1"), ("cookie", b"b=2")),
        {f"{HTTP}.headers.cookie": "a=1; b=2"},
        {f"{HTTP}.headers": ABSENT},
    ),
    "5.16 raw credential": same(with_raw(("authorization", b"Bearer abc")), "token_malformed"),
    "5.16 two raw credentials": same(
        with_raw(("authorization", b"Bearer a"), ("Authorization", b"Bearer b")),
        "duplicate_credential",
    ),
    # 5.17: the path is raw
    "5.17 //admin": at("//admin", ["admin"]),
    "5.17 %61dmin": at("/%61dmin", ["admin"]),
    "5.17 parameters": at("/a;x/b", ["a;x", "b"]),
    "5.17 dots": at("/a/../admin", ["a", "..", "admin"], "dot_segments"),
    "5.17 encoded slash": at("/a%2Fb", ["a", "b"], "encoded_slash"),
    "5.17 backslash": at("/a\\b", ["a\\b"], "backslash"),
    "5.17 NUL": at("/%00", ["\0"], "encoded_null"),
    "5.17 bad escape": Row(check_request(path="/%zz"), "bad_escape", "path_escape"),
    "5.17 query": same(
        check_request(path="/a?b=/../c"),
        {"parsed_query": {"b": ["/../c"]}, f"{HTTP}.query": ABSENT},
    ),
    # 5.18: pseudo-headers are headers; a host has a port
    "5.18 pseudo-headers": same(check_request(), {f"{HTTP}.headers.:method": "GET"}),
    "5.18 port": same(
        check_request(host="SHOP.example.:8443"), {f"{HTTP}.host": "SHOP.example.:8443"}
    ),
    # 5.19: route configuration says which policy
    "5.19 named": same(check_request(context_extensions={"policy": "base+shop"}), "unknown_policy"),
    "5.19 named nothing": same(check_request(context_extensions={"policy": ""}), "unknown_policy"),
    "5.19 other words": same(
        check_request(context_extensions={"a": "b"}), {"attributes.contextExtensions.a": "b"}
    ),
    # 5.20: the TCP filter sends no request
    "5.20 connection": Row(
        connection(),
        {
            "attributes.request": ABSENT,
            "parsed_path": ABSENT,
            "parsed_body": ABSENT,
            "path": ABSENT,
        },
        {"attributes.request": ABSENT, "parsed_path": [""], "parsed_body": None, "path": ABSENT},
    ),
    # 5.23: the certificate is URL-encoded
    "5.23 certificate": same(
        with_certificate(),
        {
            "attributes.source.certificate": "-----BEGIN%20CERTIFICATE-----%0A",
            "source_principal": "spiffe://mesh/a",
            "attributes.tlsSession.sni": "shop.example",
        },
    ),
    # 6: never parse a target as a URL (GHSA-9f29-v6mm-pw6w)
    "6 authority": at("//admin/x", ["admin", "x"]),
    "6 authority with port": at("//admin:80/x", ["admin:80", "x"]),
    "6 scheme": at(
        "http://shop.example/admin", ["http:", "", "shop.example", "admin"], "not_absolute"
    ),
    # 6: body type confusion
    "6 capitals": Row(with_body("Application/JSON", b"1"), {"parsed_body": 1}, NO_BODY),
    "6 +json": Row(with_body("application/problem+json", b"1"), {"parsed_body": 1}, NO_BODY),
    "6 charset": same(with_body("application/json; charset=utf-8", b"1"), {"parsed_body": 1}),
    "6 a name twice": Row(with_body(JSON, b'{"a":1,"a":2}'), "body", {"parsed_body": {"a": 2}}),
    "6 unread": Row(with_body("text/plain", b"1"), NO_BODY | {"body_state": "media_type"}, NO_BODY),
    "6 not what it says": same(with_body(JSON, b"pizza"), "body"),
    # 6: all values of a header count (CVE-2021-32777)
    "6 both forms": Row(
        in_both("x-a", "1", b"2"),
        {f"{HTTP}.headers.x-a": "1,2"},
        {f"{HTTP}.headers.x-a": "1"},
    ),
    # 1.1: Go's rules of a query
    "1.1 semicolon": same(check_request(path="/?a;b"), "query"),
    "1.1 bad escape": same(check_request(path="/?a=%"), "query"),
    "1.1 many names": same(check_request(path="/?" + "&" * 10_000), "query_too_long"),
}


def look_up(value: Any, path: str) -> Any:
    steps = path.split(".")
    for step in steps:
        if not isinstance(value, dict) or step not in value:
            return ABSENT
        value = value[step]
    return value


@pytest.mark.parametrize("compat", [False, True], ids=["ours", "compat"])
@pytest.mark.parametrize("name", ROWS)
def test_a_trap_is_known(name: str, compat: bool) -> None:
    row = ROWS[name]
    expected = row.compat if compat else row.ours
    engine = ScriptedEngine(True)
    rules = InputRules(compat, BodyRules(most=None if compat else 65536))
    block = auth(jwt_entry(), AnonymousEntry(), decider=ByRego(engine, InputBuilder(rules=rules)))
    world = World(dataclasses.replace(block, compat=compat), wants_text=False)

    world.check(row.request)

    (decision,) = world.observer.decisions
    if isinstance(expected, str):
        assert engine.documents == []
        assert (decision.verdict, decision.reason) == ("deny", expected)
    else:
        (document,) = engine.documents
        assert {path: look_up(document, path) for path in expected} == expected


def test_the_table_has_all_its_rows() -> None:
    assert len(ROWS) == 46
    assert {name.split()[0] for name in ROWS} == {
        "1.1", "5.12", "5.13", "5.14", "5.15", "5.16", "5.17", "5.18", "5.19", "5.20", "5.23", "6",
    }  # fmt: skip

"""Bodies of our own input: what is read, and what is said when it is not."""

import dataclasses
from decimal import Decimal

import pytest

from extauthz.bodies.contract import MOST, STATES, BodyRules, ParsedBody
from extauthz.bodies.grpc import methods_of
from extauthz.bodies.ours import read_body
from extauthz.check import CheckInput, Unreadable
from tests.extauthz.bodies.protos import descriptor_set, framed
from tests.extauthz.bodies.reading import (
    BOOK,
    FORM,
    GRPC,
    JSON,
    MULTIPART,
    PARTIAL,
    PARTS,
    WHOLE,
    request,
    typed,
)

RULES = BodyRules(methods=methods_of(descriptor_set()))
WITHOUT = BodyRules()


def parsed(value: object) -> ParsedBody:
    return ParsedBody(value, False, "parsed")


def unread(state: str) -> ParsedBody:
    return ParsedBody(None, False, state)


def cut(state: str) -> ParsedBody:
    return ParsedBody(None, True, state)


BODIES: dict[str, tuple[CheckInput, ParsedBody]] = {
    "no body": (request(), unread("none")),
    "no body, of a media type": (request(JSON), unread("none")),
    "no body, length 0": (request(JSON | {"content-length": "0"}), unread("none")),
    "no media type": (request(body=b'{"a":1}'), unread("media_type")),
    "text": (request(typed("text/plain"), b'{"a":1}'), unread("media_type")),
    "JSON": (request(JSON, b'{"a":1}'), parsed({"a": 1})),
    "JSON in `body`": (request(JSON, text='{"a":1}'), parsed({"a": 1})),
    "JSON in both, one damaged": (request(JSON, '"é"'.encode(), '"!!"'), parsed("é")),
    "JSON of a text": (request(JSON, b'"foo"'), parsed("foo")),
    "JSON true": (request(JSON, b"true"), parsed(True)),
    "JSON null": (request(JSON, b"null"), parsed(None)),
    "JSON of a list": (request(JSON, b'["a"]'), parsed(["a"])),
    "JSON numbers are exact": (
        request(JSON, b"[0.10, 18446744073709551616]"),
        parsed([Decimal("0.10"), 2**64]),
    ),
    "JSON with charset": (request(typed("application/json; charset=utf-8"), b"1"), parsed(1)),
    "JSON in capitals": (request(typed("Application/JSON"), b"1"), parsed(1)),
    "JSON by suffix": (request(typed("application/problem+json"), b"1"), parsed(1)),
    "JSON by suffix in capitals": (request(typed("application/vnd.x+JSON;v=1"), b"1"), parsed(1)),
    "JSON by the second of two": (request(typed("text/plain,application/json"), b"1"), parsed(1)),
    "JSON by raw headers": (request(body=b"1", sent_raw=JSON), parsed(1)),
    "JSON, all there": (request(JSON | {"content-length": "1"}, b"1"), parsed(1)),
    "JSON, cut off by length": (request(JSON | {"content-length": "9"}, b"1"), cut("truncated")),
    "JSON, cut off by Envoy's word": (request(JSON | PARTIAL, b"true"), cut("truncated")),
    "JSON, whole by Envoy's word": (request(JSON | WHOLE, b"true"), parsed(True)),
    "JSON that Envoy did not send": (request(JSON | {"content-length": "9"}), cut("not_sent")),
    "JSON that Envoy cut to nothing": (request(JSON | PARTIAL), cut("truncated")),
    "JSON of as much as is read": (request(JSON, b" " * (MOST - 1) + b"1"), parsed(1)),
    "JSON of more than is read": (request(JSON, b" " * MOST + b"1"), cut("too_large")),
    "text, cut off": (request(typed("text/plain") | PARTIAL, b"a"), cut("truncated")),
    "form": (request(FORM, b"a=1&b=2&b=3"), parsed({"a": ["1"], "b": ["2", "3"]})),
    "form in capitals": (
        request(typed("Application/X-WWW-Form-urlencoded"), b"a"),
        parsed({"a": [""]}),
    ),
    "form, not UTF-8": (request(FORM, b"a=\xff&b=%ff"), parsed({"a": ["\ufffd"], "b": ["\ufffd"]})),
    "form, cut off": (request(FORM | {"content-length": "99"}, b"a=1"), cut("truncated")),
    "form, empty": (request(FORM), unread("none")),
    "multipart": (
        request(MULTIPART, PARTS),
        parsed({"a": ["1", {"x": Decimal("1.50")}], "file": ["\ufffd"]}),
    ),
    "multipart, a part of +json": (
        request(MULTIPART, PARTS.replace(b"application/json", b"Application/x+JSON")),
        parsed({"a": ["1", {"x": Decimal("1.50")}], "file": ["\ufffd"]}),
    ),
    "multipart without boundary": (
        request(typed("multipart/form-data"), PARTS),
        unread("no_boundary"),
    ),
    "gRPC": (request(GRPC, framed(b"\x58\x05"), path=BOOK), parsed({"pages": 5})),
    "gRPC, by the web": (
        request(typed("application/grpc-web+proto"), framed(b"\x58\x05"), path=BOOK),
        parsed({"pages": 5}),
    ),
    "gRPC of the web as text": (
        request(typed("application/grpc-web-text"), b"AAAA", path=BOOK),
        unread("media_type"),
    ),
    "gRPC with messages of JSON": (
        request(typed("application/grpc+json"), framed(b"{}"), path=BOOK),
        unread("media_type"),
    ),
    "gRPC, an unknown method": (
        request(GRPC, framed(b""), path="/shop.v1.Books/Gone"),
        unread("unknown_method"),
    ),
    "gRPC, a stream": (
        request(GRPC, framed(b""), path="/shop.v1.Books/Send"),
        unread("client_stream"),
    ),
    "gRPC, compressed": (
        request(GRPC, framed(b"x", compressed=True), path=BOOK),
        unread("compressed"),
    ),
    "gRPC, cut off": (request(GRPC, framed(b"\x58\x05")[:-1], path=BOOK), cut("truncated")),
    "gRPC as damaged text": (request(GRPC, text="\0\0\0\0\2X\5", path=BOOK), unread("not_bytes")),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_read_by_its_media_type_or_says_why_not(name: str) -> None:
    check, expected = BODIES[name]

    assert read_body(RULES, check) == expected


def test_a_grpc_body_needs_a_descriptor_set() -> None:
    assert read_body(WITHOUT, request(GRPC, framed(b""), path=BOOK)) == unread("no_descriptors")


REFUSED: dict[str, tuple[CheckInput, str]] = {
    "not JSON": (request(JSON, b"{"), "body"),
    "JSON and more": (request(JSON, b"{} {}"), "body"),
    "a name twice": (request(JSON, b'{"a":1,"a":2}'), "body"),
    "a name twice, once escaped": (request(JSON, b'{"a":1,"\\u0061":2}'), "body"),
    "JSON that is not UTF-8": (request(JSON, b'"\xff"'), "body"),
    "half of a surrogate pair": (request(JSON, b'"\\ud800"'), "body"),
    "not a number": (request(JSON, b"NaN"), "body"),
    "deep JSON": (request(JSON, b"[" * 10_000 + b"]" * 10_000), "body"),
    "a number with too many digits": (request(JSON, b"1" * 5000), "body"),
    "compressed JSON": (request(JSON | {"content-encoding": "gzip"}, b"\x1f\x8b"), "body"),
    "a form with a bad escape": (request(FORM, b"a=%zz"), "body"),
    "a form with a semicolon": (request(FORM, b"a=1;b=2"), "body"),
    "a form with too many fields": (request(FORM, b"a&" * 10_000), "body"),
    "multipart without an end": (request(MULTIPART, PARTS[:-6]), "body"),
    "multipart, a name twice in its JSON": (
        request(MULTIPART, PARTS.replace(b'{"x": 1.50}', b'{"x":1,"x":2}')),
        "body",
    ),
    "multipart with two boundaries": (
        request(typed("multipart/form-data; boundary=b; boundary=c"), PARTS),
        "body",
    ),
    "gRPC that is not protobuf": (request(GRPC, framed(b"\xff"), path=BOOK), "body"),
    "gRPC with a second message": (request(GRPC, framed(b"") * 2, path=BOOK), "body"),
    "gRPC, not of its path": (request(GRPC, framed(b""), path="/a/b/c"), "body"),
    "a length that is no number": (
        request(JSON | {"content-length": "+1"}, b"1"),
        "content_length",
    ),
    "two lengths": (request(JSON | {"content-length": "1,9"}, b"1"), "content_length"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_body_that_is_not_what_it_says_is_refused(name: str) -> None:
    check, reason = REFUSED[name]

    with pytest.raises(Unreadable) as caught:
        read_body(RULES, check)
    assert (caught.value.reason, caught.value.status) == (reason, 400)


MISSING = [name for name, (_, body) in BODIES.items() if body.truncated and "gRPC" not in name]


@pytest.mark.parametrize("name", MISSING)
def test_a_policy_can_refuse_bodies_that_are_not_all_there(name: str) -> None:
    check, expected = BODIES[name]
    rules = dataclasses.replace(RULES, over=413)

    if name.startswith("text"):
        assert read_body(rules, check) == expected
    else:
        with pytest.raises(Unreadable) as caught:
            read_body(rules, check)
        assert (caught.value.reason, caught.value.status) == ("body_incomplete", 413)


def test_a_grpc_message_that_is_not_all_there_can_be_refused() -> None:
    check, _ = BODIES["gRPC, cut off"]

    with pytest.raises(Unreadable) as caught:
        read_body(dataclasses.replace(RULES, over=413), check)
    assert caught.value.status == 413


def test_a_policy_can_read_more_or_less() -> None:
    check = request(JSON, b'"aaaa"')

    assert read_body(BodyRules(most=6), check) == parsed("aaaa")
    assert read_body(BodyRules(most=5), check) == cut("too_large")
    assert read_body(BodyRules(most=None), request(JSON, b" " * MOST + b"1")) == parsed(1)


def test_every_state_has_a_row() -> None:
    seen = {body.state for _, body in BODIES.values()} | {"no_descriptors"}

    assert seen == set(STATES)


def test_the_tables_have_all_their_rows() -> None:
    assert (len(BODIES), len(REFUSED), len(MISSING)) == (45, 21, 7)

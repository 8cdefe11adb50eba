"""Bodies of `compat: opa-envoy`: the cases of that plugin's own tests, and its odd parts."""

from decimal import Decimal

import pytest

from extauthz.bodies.contract import MOST, BodyRules
from extauthz.bodies.grpc import methods_of
from extauthz.bodies.opa_envoy import read_body
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

RULES = BodyRules(most=None, methods=methods_of(descriptor_set()))


BODIES: dict[str, tuple[CheckInput, object, bool]] = {
    # what the plugin's own tests say
    "no media type": (request({"content-length": "0"}), None, False),
    "text": (request(typed("text/html")), None, False),
    "JSON of a text": (request(JSON, text='"foo"'), "foo", False),
    "JSON true": (request(JSON, text="true"), True, False),
    "JSON of a number": (request(JSON, text="42"), 42, False),
    "JSON null": (request(JSON, text="null"), None, False),
    "JSON of an object": (request(JSON, text='{"a": "x", "b": "y"}'), {"a": "x", "b": "y"}, False),
    "JSON of a list": (request(JSON, text='["hello", "opa"]'), ["hello", "opa"], False),
    "JSON with escapes": (
        request(
            JSON, text='["\\"", "\\\\", "\\/", "/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u0041"]'
        ),
        ['"', "\\", "/", "/", "\b", "\f", "\n", "\r", "\t", "A"],
        False,
    ),
    "JSON as bytes": (request(JSON, b'{\n    "a": "x"\n}'), {"a": "x"}, False),
    "JSON, empty": (request(JSON), None, False),
    "JSON, cut off": (request(JSON | {"content-length": "1000"}, text="true"), None, True),
    "form": (request(FORM, text="a=foo&b=bar"), {"a": ["foo"], "b": ["bar"]}, False),
    "form as bytes": (request(FORM, b"a=foo&b=bar"), {"a": ["foo"], "b": ["bar"]}, False),
    "form, empty": (request(FORM), None, False),
    "form, a name twice": (request(FORM, text="a=1&b=2&b=3"), {"a": ["1"], "b": ["2", "3"]}, False),
    "form, cut off": (request(FORM | {"content-length": "1000"}, text="a=foo"), None, True),
    "multipart, lines with \\n": (
        request(
            typed("multipart/form-data; boundary=foo"),
            text='--foo\nContent-Disposition: form-data; name="foo"\nContent-Type: text/plain\n\n'
            "bar\n--foo--\n",
        ),
        {"foo": ["bar"]},
        False,
    ),
    "multipart with JSON": (
        request(
            typed("multipart/form-data; boundary=foo"),
            text='--foo\nContent-Disposition: form-data; name="foo"\nContent-Type: text/plain\n\n'
            'bar\n--foo\nContent-Disposition: form-data; name="bar"\n'
            'Content-Type: application/json;\n\n{"name": "bar"}\n--foo--\n',
        ),
        {"foo": ["bar"], "bar": [{"name": "bar"}]},
        False,
    ),
    "gRPC": (request(GRPC, framed(b"\x0a\x04John"), path=BOOK), {"theTitle": "John"}, False),
    "gRPC, nothing set": (request(GRPC, framed(b""), path=BOOK), {}, False),
    "gRPC without bytes": (request(GRPC, path=BOOK), None, False),
    "gRPC, an unknown service": (request(GRPC, framed(b""), path="/x.Books/Get"), None, False),
    "gRPC, an unknown method": (request(GRPC, framed(b""), path="/shop.v1.Books/X"), None, False),
    "gRPC, compressed": (request(GRPC, framed(b"x", compressed=True), path=BOOK), None, False),
    "gRPC, cut off": (request(GRPC, framed(b"\x58\x05")[:-1], path=BOOK), None, True),
    # odd parts
    "Envoy's word wins over everything": (
        request(typed("text/plain") | PARTIAL | {"content-length": "x"}, b"a"),
        None,
        True,
    ),
    "Envoy's word that it is whole": (request(JSON | WHOLE, b"1"), 1, False),
    "a media type in capitals is none": (request(typed("Application/JSON"), b"1"), None, False),
    "+json is none": (request(typed("application/problem+json"), b"1"), None, False),
    "a media type anywhere": (request(typed('text/plain; x="application/json"'), b"1"), 1, False),
    "JSON before forms": (
        request(typed("application/x-www-form-urlencoded, application/json"), b"1"),
        1,
        False,
    ),
    "the last of two names": (
        request(JSON, b'{"a":1,"b":0,"a":{"a":2}}'),
        {"a": {"a": 2}, "b": 0},
        False,
    ),
    "two names that are one, escaped": (request(JSON, b'{"a":1,"\\u0061":2}'), {"a": 2}, False),
    "two names that are one, broken": (
        request(JSON, b'{"\xff":1,"\\ud800":2,"\xff":3}'),
        {"\ufffd": 3},
        False,
    ),
    "JSON that is not UTF-8": (request(JSON, b'"\xff\xe2\x82"'), "\ufffd" * 3, False),
    "half of a surrogate pair": (request(JSON, b'"\\ud800A"'), "\ufffdA", False),
    "a whole surrogate pair": (request(JSON, b'"\\ud83d\\ude00"'), "\U0001f600", False),
    "numbers are exact": (request(JSON, b"[0.10, 1e2]"), [Decimal("0.10"), Decimal("1e2")], False),
    "the text before the bytes": (request(JSON, b"1", text="2"), 2, False),
    "gRPC from bytes alone": (request(GRPC, text="\0\0\0\0\0", path=BOOK), None, False),
    "gRPC, more messages": (
        request(GRPC, framed(b"\x58\x05") + framed(b"\x58\x06"), path=BOOK),
        {"pages": 5},
        False,
    ),
    "gRPC by a path with two slashes": (
        request(GRPC, framed(b""), path="//shop.v1.Books%2FGet?x"),
        {},
        False,
    ),
    "gRPC with a wrong length": (
        request(GRPC | {"content-length": "99"}, framed(b""), path=BOOK),
        {},
        False,
    ),
    "a length with a sign": (request(JSON | {"content-length": "+1"}, b"1"), 1, False),
    "a length below zero": (request(JSON | {"content-length": "-1"}, b"1"), 1, False),
    "a length with zeros": (request(JSON | {"content-length": "0002"}, b"1"), None, True),
    "no length, nothing there": (request(JSON | {"content-length": "9"}), None, False),
    "multipart": (
        request(MULTIPART, PARTS),
        {"a": ["1", {"x": Decimal("1.50")}], "file": ["\ufffd"]},
        False,
    ),
    "multipart, JSON in capitals is text": (
        request(MULTIPART, PARTS.replace(b"application/json", b"Application/JSON")),
        {"a": ["1", '{"x": 1.50}'], "file": ["\ufffd"]},
        False,
    ),
    "multipart without boundary": (request(typed("multipart/form-data"), PARTS), None, False),
    "raw headers are not looked at": (request(body=b"1", sent_raw=JSON), None, False),
    "much": (request(JSON, b" " * MOST + b"1"), 1, False),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_read_as_the_plugin_reads_it(name: str) -> None:
    check, value, truncated = BODIES[name]

    found = read_body(RULES, check)

    assert (found.value, found.truncated) == (value, truncated)
    assert str(found.value) == str(value)


REFUSED: dict[str, tuple[CheckInput, str]] = {
    "not JSON": (request(JSON, text='["foo" : 42}'), "body"),
    "JSON and more": (request(JSON, b"{} {}"), "body"),
    "a bad form": (request(FORM, b"a=%zz"), "body"),
    "a semicolon in a form": (request(FORM, b"a;b"), "body"),
    "a length that is no number": (
        request(JSON | {"content-length": "1_0"}, b"1"),
        "content_length",
    ),
    "a length beyond int64": (
        request(JSON | {"content-length": "9223372036854775808"}, b"1"),
        "content_length",
    ),
    "an empty length": (request(JSON | {"content-length": ""}, b"1"), "content_length"),
    "multipart, cut off": (request(MULTIPART, PARTS[:-6]), "body"),
    "multipart, bad JSON": (request(MULTIPART, PARTS.replace(b'{"x"', b"{")), "body"),
    "multipart, bad media type": (request(typed("multipart/form-data; boundary"), PARTS), "body"),
    "gRPC, no path of it": (request(GRPC, framed(b""), path="/"), "body"),
    "gRPC, four bytes": (request(GRPC, b"\0\0\0\0", path=BOOK), "body"),
    "gRPC, not protobuf": (request(GRPC, framed(b"\xff"), path=BOOK), "body"),
    # bounds of ours
    "deep JSON": (request(JSON, b"[" * 201 + b"]" * 201), "body"),
    "a number with too many digits": (request(JSON, b"1" * 4301), "body"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_plugin_refuses_is_refused(name: str) -> None:
    check, reason = REFUSED[name]

    with pytest.raises(Unreadable) as caught:
        read_body(RULES, check)
    assert (caught.value.reason, caught.value.status) == (reason, 400)


def test_without_descriptors_no_grpc_body_is_looked_at() -> None:
    assert read_body(BodyRules(), request(GRPC, b"\xff", path="/")).value is None


def test_a_bound_that_is_written_holds() -> None:
    found = read_body(BodyRules(most=3), request(JSON, b"1234"))

    assert (found.value, found.truncated) == (None, True)


def test_the_tables_have_all_their_rows() -> None:
    assert (len(BODIES), len(REFUSED)) == (53, 15)

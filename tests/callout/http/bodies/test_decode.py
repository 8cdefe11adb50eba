"""Whole bodies with their headers: what strict refuses, and what lenient still shows to rules."""

import base64
import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.http.bodies.decode import Decoded, decode
from callout.http.bodies.limits import DEFAULT
from callout.http.bodies.media_type import parse
from callout.http.bodies.multipart import Multipart
from callout.http.bodies.pairs import Leaves, Pairs
from callout.http.bodies.reading import kind_of
from callout.http.bodies.xml_values import XmlValues
from callout.http.head import Headers

FORM = b"application/x-www-form-urlencoded"
ATTACK = b"<script>alert(1)</script>"


def typed(*content_types: bytes, coding: bytes = b"") -> Headers:
    fields = [(b"content-type", one) for one in content_types]
    return Headers([*fields, (b"content-encoding", coding)] if coding else fields)


def values(decoded: Decoded) -> Iterator[bytes]:
    """Everything that a rule would see, of all readings."""
    for reading in decoded.readings:
        content = reading.content
        if isinstance(content, Pairs):
            yield from (value for pair in content.pairs for value in pair)
        elif isinstance(content, Multipart):
            yield from (value for pair in content.pairs for value in pair)
            yield from (name for part in content.parts for name in part.filenames)
        elif isinstance(content, XmlValues):
            yield from (*content.texts, *content.attributes, content.content)
        else:
            yield decoded.body


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (FORM, "urlencoded"),
        (b"Application/X-WWW-Form-Urlencoded; charset=utf-8", "urlencoded"),
        (b"multipart/form-data; boundary=x", "multipart"),
        (b"multipart/mixed; boundary=x", "multipart"),
        (b"application/json", "json"),
        (b"text/json", "json"),
        (b"application/vnd.api+json", "json"),
        (b"application/xml", "xml"),
        (b"text/xml", "xml"),
        (b"image/svg+xml", "xml"),
        (b"application/soap+xml; charset=utf-8", "xml"),
        (b"text/plain", "raw"),
        (b"application/octet-stream", "raw"),
        (b"application/jsonx", "raw"),
        (b"", "raw"),
    ],
)
def test_the_kind_is_that_of_the_media_type(name: bytes, kind: str) -> None:
    assert kind_of(parse(name)) == kind


WELL_FORMED = [
    (FORM, b"a=1&b=2"),
    (b"application/json", b'{"a": 1}'),
    (b"application/xml", b"<a>1</a>"),
    (
        b"multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
    ),
    (b"text/plain", b"hello"),
    (b"application/octet-stream", bytes(range(256))),
]


@pytest.mark.parametrize(("name", "body"), WELL_FORMED, ids=[str(row[0]) for row in WELL_FORMED])
def test_what_is_well_formed_has_one_reading_in_both_modes(name: bytes, body: bytes) -> None:
    strict = decode(body, typed(name))
    assert len(strict.readings) == 1
    assert not strict.refused
    assert not strict.oddities
    assert decode(body, typed(name), "lenient") == strict


def test_without_a_body_there_is_nothing_to_read() -> None:
    decoded = decode(b"", typed(b"application/json"))
    assert (decoded.readings, decoded.refused) == ((), ())


def test_a_rule_may_say_what_to_read_it_as() -> None:
    decoded = decode(b'{"a":1}', typed(b"text/plain"), kind="json")
    assert decoded.readings[0].content == Leaves(((b"json.a", b"1"),))
    for kind in ("urlencoded", "multipart", "json", "xml", "raw"):
        for mode in ("strict", "lenient"):
            decode(b"x", Headers(), mode, kind=kind)


def test_a_compressed_body_is_read_as_what_it_was() -> None:
    body = gzip.compress(b"a=1")
    decoded = decode(body, typed(FORM, coding=b"gzip"))
    assert decoded.body == b"a=1"
    assert decoded.readings[0].content == Pairs(((b"a", b"1"),))
    assert not decoded.refused


def test_two_fields_of_content_encoding_are_one() -> None:
    body = gzip.compress(gzip.compress(b"a=1"))
    coding = (b"content-encoding", b"gzip")
    fields = [(b"content-type", FORM), coding, coding]
    assert decode(body, Headers(fields)).body == b"a=1"


MULTIPART = b"--x\r\nContent-Disposition: form-data; name=a\r\n%s\r\n" + ATTACK + b"\r\n--x--\r\n"
NESTED = (
    b"--x\r\nContent-Disposition: form-data; name=a; filename=f\r\n"
    b"Content-Type: multipart/mixed; boundary=y\r\n\r\n"
    + MULTIPART.replace(b"--x", b"--y") % b""
    + b"\r\n--x--\r\n"
)


def files(boundary: bytes) -> bytes:
    """Another reader's whole body is this one's file."""
    return (
        b"--"
        + boundary
        + b"\r\nContent-Disposition: form-data; name=f; filename=g\r\n\r\n"
        + MULTIPART % b""
        + b"\r\n--"
        + boundary
        + b"--\r\n"
    )


HOSTILE: list[tuple[str, Headers, bytes, str]] = [
    # Content-Type
    ("two types", typed(b"text/plain", FORM), b"a=" + ATTACK, "media_type_duplicate"),
    ("a list of types", typed(b"text/plain, " + FORM), b"a=" + ATTACK, "media_type_duplicate"),
    (
        "two types, JSON second",
        typed(FORM, b"application/json"),
        b'{"a":"\\u003cscript>alert(1)</script>"}',
        "media_type_duplicate",
    ),
    (
        "a type that is none",
        typed(b"json"),
        b'{"a":"\\u003cscript>alert(1)</script>"}',
        "media_type_malformed",
    ),
    (
        "two boundaries",
        typed(b"multipart/form-data; boundary=y; boundary=x"),
        files(b"y"),
        "parameter_duplicate",
    ),
    (
        "a continued boundary",
        typed(b"multipart/form-data; boundary=y; boundary*0=x"),
        files(b"y"),
        "parameter_extended",
    ),
    (
        "a boundary of another type",
        typed(b"text/plain; boundary=x; a"),
        MULTIPART % b"",
        "parameter_malformed",
    ),
    # charsets
    (
        "utf-7 form",
        typed(FORM + b"; charset=utf-7"),
        b"a=%2BADw-script%2BAD4-alert(1)%2BADw-/script%2BAD4-",
        "charset_not_ascii",
    ),
    (
        "ibm037 form",
        typed(FORM + b"; charset=ibm037"),
        b"a=" + quote_from_bytes(ATTACK.decode().encode("cp037")).encode(),
        "charset_not_ascii",
    ),
    (
        "utf-16 form",
        typed(FORM + b"; charset=utf-16le"),
        ("a=" + ATTACK.decode()).encode("utf-16-le"),
        "charset_not_ascii",
    ),
    (
        "utf-16 JSON",
        typed(b"application/json; charset=utf-16"),
        json.dumps({"a": ATTACK.decode()}).encode("utf-16"),
        "charset_not_ascii",
    ),
    (
        "utf-16 JSON, unsaid",
        typed(b"application/json"),
        json.dumps({"a": ATTACK.decode()}).encode("utf-16-be"),
        "charset_not_ascii",
    ),
    (
        "utf-7 XML",
        typed(b"text/xml; charset=utf-7"),
        b"<a>+ACY-lt;script+AD4-alert(1)+ACY-lt;/script+AD4-</a>",
        "charset_not_ascii",
    ),
    (
        "utf-7 part",
        typed(b"multipart/form-data; boundary=x"),
        (MULTIPART % b"Content-Type: text/plain; charset=utf-7\r\n").replace(
            ATTACK, b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-"
        ),
        "charset_not_ascii",
    ),
    ("unknown charset", typed(FORM + b"; charset=x"), b"a=" + ATTACK, "charset_unknown"),
    # what the body is, against what it says
    ("semicolons", typed(FORM), b"a=1;b=" + ATTACK, "semicolon"),
    ("bad escapes", typed(FORM), b"a=%zz" + ATTACK, "bad_escape"),
    (
        "a form called JSON",
        typed(b"application/json"),
        b"a=%3Cscript%3Ealert(1)%3C/script%3E",
        "json_malformed",
    ),
    (
        "XML called JSON",
        typed(b"application/json"),
        b"<a>" + ATTACK.replace(b"<", b"&lt;") + b"</a>",
        "json_malformed",
    ),
    (
        "a key twice",
        typed(b"application/json"),
        b'{"a":"' + ATTACK + b'","a":1}',
        "json_duplicate_key",
    ),
    (
        "JSON with a comment",
        typed(b"application/json"),
        b'{"a":/**/"' + ATTACK + b'"}',
        "json_comment",
    ),
    (
        "JSON with a BOM",
        typed(b"application/json"),
        b'\xef\xbb\xbf{"a":"' + ATTACK + b'"}',
        "json_bom",
    ),
    (
        "JSON with NaN",
        typed(b"application/json"),
        b'{"b":NaN,"a":"' + ATTACK + b'"}',
        "json_constant",
    ),
    ("JSON, cut off", typed(b"application/json"), b'{"a":"' + ATTACK, "json_malformed"),
    (
        "entities",
        typed(b"text/xml"),
        b"<!DOCTYPE a [<!ENTITY b '" + ATTACK + b"'>]><a>&b;</a>",
        "xml_entities",
    ),
    ("XML, cut off", typed(b"text/xml"), b"<a><![CDATA[" + ATTACK + b"]]>", "xml_malformed"),
    # multipart
    (
        "a delimiter that is longer",
        typed(b"multipart/form-data; boundary=x"),
        (MULTIPART % b"").replace(b"--x\r", b"--x \r"),
        "delimiter_invalid",
    ),
    (
        "no final delimiter",
        typed(b"multipart/form-data; boundary=x"),
        (MULTIPART % b"")[:-7],
        "final_delimiter_missing",
    ),
    (
        "a folded header",
        typed(b"multipart/form-data; boundary=x"),
        (MULTIPART % b"").replace(b"; name", b";\r\n name"),
        "header_folding",
    ),
    (
        "a part without a name",
        typed(b"multipart/form-data; boundary=x"),
        (MULTIPART % b"").replace(b"; name=a", b""),
        "invalid_part",
    ),
    (
        "multipart in multipart",
        typed(b"multipart/form-data; boundary=x"),
        NESTED,
        "nested_multipart",
    ),
    (
        "after the final delimiter",
        typed(b"multipart/form-data; boundary=x"),
        (MULTIPART % b"").replace(ATTACK, b"1") + MULTIPART % b"",
        "data_after",
    ),
    (
        "base64",
        typed(b"multipart/form-data; boundary=x"),
        (MULTIPART % b"Content-Transfer-Encoding: base64\r\n").replace(
            ATTACK, base64.b64encode(ATTACK)
        ),
        "transfer_encoding",
    ),
    (
        "base64 without its end",
        typed(b"multipart/form-data; boundary=x"),
        (MULTIPART % b"Content-Transfer-Encoding: base64\r\n").replace(
            ATTACK, base64.b64encode(ATTACK + b" ")[:-1]
        ),
        "transfer_encoding",
    ),
    (
        "quoted-printable",
        typed(b"multipart/form-data; boundary=x"),
        (MULTIPART % b"Content-Transfer-Encoding: quoted-printable\r\n").replace(
            ATTACK, b"=3Cscript>alert=\r\n(1)</script>"
        ),
        "transfer_encoding",
    ),
    (
        "two filenames",
        typed(b"multipart/form-data; boundary=x"),
        (MULTIPART % b"").replace(
            b"name=a", b"name=a; filename=b; filename*=utf-8''" + quote_from_bytes(ATTACK).encode()
        ),
        "filename_extended",
    ),
    # codings
    (
        "bare deflate",
        typed(FORM, coding=b"deflate"),
        zlib.compress(b"a=" + ATTACK)[2:-4],
        "deflate_raw",
    ),
    (
        "garbage after gzip",
        typed(FORM, coding=b"gzip"),
        gzip.compress(b"a=" + ATTACK) + b"x",
        "coding_trailing",
    ),
]


def test_there_are_hostile_bodies() -> None:
    assert len(HOSTILE) == 38
    assert len({row[0] for row in HOSTILE}) == 38


@pytest.mark.parametrize("row", HOSTILE, ids=[row[0] for row in HOSTILE])
def test_a_hostile_body_is_refused_strictly_and_seen_through_leniently(
    row: tuple[str, Headers, bytes, str],
) -> None:
    _, headers, body, word = row
    assert word in decode(body, headers).refused
    lenient = decode(body, headers, "lenient")
    assert word in lenient.oddities
    assert not lenient.refused
    assert any(ATTACK in value for value in values(lenient))


UNINSPECTED: list[tuple[Headers, bytes, str]] = [
    (typed(FORM), b"a&" * 1_001, "too_many_arguments"),
    (typed(b"application/json"), b"[" + b"1," * 1_000 + b"1]", "too_many_arguments"),
    (typed(b"application/json"), b"[" * 513 + b"]" * 513, "json_too_deep"),
    (typed(b"text/xml"), b"<a>" * 513 + b"</a>" * 513, "xml_too_deep"),
    (typed(FORM, coding=b"gzip"), gzip.compress(bytes(17 * 1024 * 1024)), "ratio_too_high"),
    (typed(FORM, coding=b"compress"), b"a=1", "coding_unknown"),
    (typed(FORM, FORM, FORM, FORM, FORM), b"a=1", "too_many_readings"),
    (
        typed(b"multipart/form-data" + b"".join(b"; boundary=%d" % one for one in range(5))),
        b"a=1",
        "too_many_readings",
    ),
]


@pytest.mark.parametrize("row", UNINSPECTED, ids=[row[2] for row in UNINSPECTED])
def test_what_was_not_looked_at_is_refused_in_lenient_mode_too(
    row: tuple[Headers, bytes, str],
) -> None:
    headers, body, word = row
    assert word in decode(body, headers, "lenient").refused


def test_multipart_in_multipart_is_read_as_deep_as_the_limit() -> None:
    twice = (
        b"--x\r\nContent-Disposition: form-data; name=a\r\n"
        b"Content-Type: multipart/mixed; boundary=z\r\n\r\n"
        + NESTED.replace(b"--x", b"--z")
        + b"\r\n--x--\r\n"
    )
    headers = typed(b"multipart/form-data; boundary=x")
    lenient = decode(twice, headers, "lenient")
    assert [
        len(one.content.parts) for one in lenient.readings if isinstance(one.content, Multipart)
    ] == [1, 2]
    assert not lenient.refused
    limited = decode(twice, headers, "lenient", replace(DEFAULT, nesting=1))
    assert limited.refused == ("nested_too_deep",)


def test_a_file_is_not_taken_for_a_form() -> None:
    body = b"\x89PNG\r\n\x1a\n" + b"=&" * 2_000
    lenient = decode(body, typed(b"application/octet-stream"), "lenient")
    assert [reading.kind for reading in lenient.readings] == ["raw"]


@pytest.mark.parametrize("space", [b"", b" " * 1_000, b"\xef\xbb\xbf"])
def test_what_an_unknown_type_looks_like_is_read_too(space: bytes) -> None:
    headers = typed(b"application/unknown")
    for body, kind in ((b'{"a":1}', "json"), (b"<a>1</a>", "xml"), (b"a=1", "urlencoded")):
        if kind == "urlencoded" and space.startswith(b" "):
            continue
        lenient = decode(space + body, headers, "lenient")
        assert [reading.kind for reading in lenient.readings] == ["raw", kind]
        assert b"1" in set(values(lenient))


def test_separators_are_a_choice() -> None:
    decoded = decode(b"a=1;b=2", typed(FORM), separators=b";")
    assert decoded.readings[0].content == Pairs(((b"a", b"1"), (b"b", b"2")))
    assert not decoded.refused


TYPES = st.sampled_from(
    [FORM, b"application/json", b"text/xml", b"multipart/form-data; boundary=x", b"text/plain"]
)
PARAMETERS = st.sampled_from(
    [b"", b"; charset=utf-16", b"; charset=utf-7", b"; boundary=y", b";;="]
)
BODIES = st.binary() | st.lists(
    st.sampled_from(
        [b"a=1", b"&", b";", b'{"a":', b"1}", b"<a>", b"</a>", b"--x", b"\r\n", b"+ADw-"]
    )
).map(b"".join)


@given(
    st.lists(st.builds(bytes.__add__, TYPES, PARAMETERS), max_size=3), BODIES, st.binary(max_size=9)
)
def test_any_body_of_any_type_has_a_value(types: list[bytes], body: bytes, coding: bytes) -> None:
    for headers in (typed(*types), typed(*types, coding=coding)):
        strict = decode(body, headers)
        lenient = decode(body, headers, "lenient")
        assert set(strict.refused) <= strict.oddities
        assert strict.readings == lenient.readings[:1]

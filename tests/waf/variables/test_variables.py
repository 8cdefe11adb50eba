"""What every variable holds of one request and its response."""

import pytest

from callout.http.head import Headers, Peer, RequestHead, ResponseHead
from tests.waf.engine import head, ids, rules, run
from waf.rules import RuleSet
from waf.seclang.variables import VARIABLES as PARSED
from waf.transaction import Transaction
from waf.variables.table import VARIABLES

MULTIPART = b"\r\n".join(
    (
        b"--b",
        b'Content-Disposition: form-data; name="note"',
        b"",
        b"hi",
        b"--b",
        b'Content-Disposition: form-data; name="up"; filename="a.txt"',
        b"Content-Type: text/plain",
        b"",
        b"12345",
        b"--b--",
        b"",
    )
)
FORM = b"application/x-www-form-urlencoded"
JSON_RULE = 'SecAction "id:9,phase:1,pass,nolog,ctl:requestBodyProcessor=%s"\n'


def collected(name: str, kind: bytes = FORM, body: bytes = b"p=1&p=2", more: str = "") -> list[str]:
    """What a rule finds in a variable at the end of a request: `name=value`."""
    loaded = rules(more + f'SecRule {name} "@unconditionalMatch" "id:1,phase:5,pass,nolog"')
    transaction = send(loaded, kind, body)
    if not transaction.matched or transaction.matched[-1].labels.id != 1:
        return []
    return [f"{each.name.decode()}={each.value.decode()}" for each in transaction.matched[-1].found]


def send(loaded: RuleSet, kind: bytes, body: bytes) -> Transaction:
    transaction = Transaction(loaded, b"u1", 1_700_000_000.0, lambda: 0.25)
    fields = (
        (b"content-type", kind),
        (b"cookie", b"a=1; b=2"),
        (b"x-two", b"1"),
        (b"x-two", b"2"),
        (b"authorization", b"Basic Zm9vOmJhcg=="),
    )
    request = RequestHead(
        b"POST",
        b"https",
        b"example.com:8443",
        b"/d/f%20g.php?q=a%20b&e",
        b"HTTP/1.1",
        Headers(fields),
    )
    transaction.request_head(request, Peer(b"192.0.2.7", 4000, b"198.51.100.1", 443))
    transaction.request_body(body)
    transaction.response_head(ResponseHead(404, Headers([(b"content-type", b"text/html; a=b")])))
    transaction.response_body(b"gone")
    transaction.logging()
    return transaction


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ARGS", ["ARGS:q=a b", "ARGS:e=", "ARGS:p=1", "ARGS:p=2"]),
        ("ARGS:P", ["ARGS:p=1", "ARGS:p=2"]),
        ("ARGS:/^[pe]$/", ["ARGS:e=", "ARGS:p=1", "ARGS:p=2"]),
        ("ARGS|!ARGS:p", ["ARGS:q=a b", "ARGS:e="]),
        ("ARGS|!ARGS:/^[PQ]/", ["ARGS:e="]),
        ("&ARGS", ["&ARGS=4"]),
        ("&ARGS:p", ["&ARGS:p=2"]),
        ("&ARGS:none", ["&ARGS:none=0"]),
        ("ARGS_COMBINED_SIZE", ["ARGS_COMBINED_SIZE=9"]),
        ("ARGS_GET", ["ARGS_GET:q=a b", "ARGS_GET:e="]),
        ("ARGS_GET_NAMES", ["ARGS_GET_NAMES:q=q", "ARGS_GET_NAMES:e=e"]),
        ("ARGS_NAMES:p", ["ARGS_NAMES:p=p", "ARGS_NAMES:p=p"]),
        ("ARGS_POST", ["ARGS_POST:p=1", "ARGS_POST:p=2"]),
        ("ARGS_POST_NAMES", ["ARGS_POST_NAMES:p=p", "ARGS_POST_NAMES:p=p"]),
        ("AUTH_TYPE", ["AUTH_TYPE=Basic"]),
        ("DURATION", ["DURATION=250"]),
        ("QUERY_STRING", ["QUERY_STRING=q=a%20b&e"]),
        ("REMOTE_ADDR", ["REMOTE_ADDR=192.0.2.7"]),
        ("REMOTE_HOST", ["REMOTE_HOST=192.0.2.7"]),
        ("REMOTE_PORT", ["REMOTE_PORT=4000"]),
        ("REQBODY_ERROR", ["REQBODY_ERROR=0"]),
        ("REQBODY_PROCESSOR", ["REQBODY_PROCESSOR=URLENCODED"]),
        ("REQUEST_BASENAME", ["REQUEST_BASENAME=f g.php"]),
        ("REQUEST_BODY", ["REQUEST_BODY=p=1&p=2"]),
        ("REQUEST_BODY_LENGTH", ["REQUEST_BODY_LENGTH=7"]),
        ("REQUEST_COOKIES", ["REQUEST_COOKIES:a=1", "REQUEST_COOKIES:b=2"]),
        ("REQUEST_COOKIES_NAMES", ["REQUEST_COOKIES_NAMES:a=a", "REQUEST_COOKIES_NAMES:b=b"]),
        ("REQUEST_FILENAME", ["REQUEST_FILENAME=/d/f g.php"]),
        ("REQUEST_HEADERS:Host", ["REQUEST_HEADERS:host=example.com:8443"]),
        ("REQUEST_HEADERS:X-Two", ["REQUEST_HEADERS:x-two=1", "REQUEST_HEADERS:x-two=2"]),
        ("&REQUEST_HEADERS_NAMES", ["&REQUEST_HEADERS_NAMES=6"]),
        ("REQUEST_LINE", ["REQUEST_LINE=POST /d/f%20g.php?q=a%20b&e HTTP/1.1"]),
        ("REQUEST_METHOD", ["REQUEST_METHOD=POST"]),
        ("REQUEST_PROTOCOL", ["REQUEST_PROTOCOL=HTTP/1.1"]),
        ("REQUEST_URI", ["REQUEST_URI=/d/f%20g.php?q=a%20b&e"]),
        ("REQUEST_URI_RAW", ["REQUEST_URI_RAW=/d/f%20g.php?q=a%20b&e"]),
        ("RESPONSE_BODY", ["RESPONSE_BODY=gone"]),
        ("RESPONSE_CONTENT_LENGTH", ["RESPONSE_CONTENT_LENGTH=4"]),
        ("RESPONSE_CONTENT_TYPE", ["RESPONSE_CONTENT_TYPE=text/html; a=b"]),
        ("RESPONSE_HEADERS", ["RESPONSE_HEADERS:content-type=text/html; a=b"]),
        ("RESPONSE_PROTOCOL", ["RESPONSE_PROTOCOL=HTTP/1.1"]),
        ("RESPONSE_STATUS", ["RESPONSE_STATUS=404"]),
        ("STATUS_LINE", ["STATUS_LINE=HTTP/1.1 404"]),
        ("SERVER_ADDR", ["SERVER_ADDR=198.51.100.1"]),
        ("SERVER_NAME", ["SERVER_NAME=example.com"]),
        ("SERVER_PORT", ["SERVER_PORT=443"]),
        ("TIME", ["TIME=22:13:20"]),
        ("TIME_EPOCH", ["TIME_EPOCH=1700000000"]),
        ("TIME_MON", ["TIME_MON=10"]),
        ("TIME_WDAY", ["TIME_WDAY=2"]),
        ("TIME_YEAR", ["TIME_YEAR=2023"]),
        ("UNIQUE_ID", ["UNIQUE_ID=u1"]),
        ("URLENCODED_ERROR", ["URLENCODED_ERROR=0"]),
        ("WEBAPPID", ["WEBAPPID=default"]),
        ("HIGHEST_SEVERITY", ["HIGHEST_SEVERITY=255"]),
    ],
)
def test_a_variable_holds_what_was_sent(name: str, expected: list[str]) -> None:
    assert collected(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ARGS_POST", ["ARGS_POST:note=hi"]),
        ("FILES", ["FILES:up=a.txt"]),
        ("FILES_NAMES", ["FILES_NAMES:up=up"]),
        ("FILES_SIZES", ["FILES_SIZES:up=5"]),
        ("FILES_COMBINED_SIZE", ["FILES_COMBINED_SIZE=5"]),
        ("FILES_TMP_CONTENT", ["FILES_TMP_CONTENT:up=12345"]),
        ("MULTIPART_FILENAME", ["MULTIPART_FILENAME:up=a.txt"]),
        ("&MULTIPART_PART_HEADERS:up", ["&MULTIPART_PART_HEADERS:up=2"]),
        ("MULTIPART_STRICT_ERROR", ["MULTIPART_STRICT_ERROR=0"]),
        ("REQBODY_PROCESSOR", ["REQBODY_PROCESSOR=MULTIPART"]),
        ("REQUEST_BODY", ["REQUEST_BODY="]),
    ],
)
def test_a_variable_holds_what_a_form_with_files_says(name: str, expected: list[str]) -> None:
    assert collected(name, b"multipart/form-data; boundary=b", MULTIPART) == expected


def test_leaves_and_arrays_of_json_are_arguments() -> None:
    body = b'{"a": [{"b": [1, "two"]}], "c": null}'

    found = collected("ARGS_POST", b"application/json", body, JSON_RULE % "JSON")

    assert found[:3] == [
        "ARGS_POST:json.a.0.b.0=1",
        "ARGS_POST:json.a.0.b.1=two",
        "ARGS_POST:json.c=",
    ]
    assert sorted(found[3:]) == ["ARGS_POST:json.a.0.b=", "ARGS_POST:json.a="]


def test_texts_and_attributes_of_xml_are_apart() -> None:
    body = b'<r><a x="1">one</a><b y="2">two</b></r>'

    assert collected("XML:/*", b"text/xml", body, JSON_RULE % "XML") == ["XML:/*=one", "XML:/*=two"]
    assert collected("XML://@*", b"text/xml", body, JSON_RULE % "XML") == [
        "XML://@*=1",
        "XML://@*=2",
    ]


@pytest.mark.parametrize("kind", ["JSON", "XML", "MULTIPART"])
def test_a_body_that_is_not_what_it_says_is_an_error_of_the_body(kind: str) -> None:
    assert collected("REQBODY_ERROR", FORM, b"\x00<{", JSON_RULE % kind) == ["REQBODY_ERROR=1"]


def test_a_body_without_a_type_is_read_as_a_form_where_a_rule_asks() -> None:
    force = 'SecAction "id:9,phase:1,pass,nolog,ctl:forceRequestBodyVariable=On"\n'

    assert collected("REQUEST_BODY", b"text/plain", b"a=1") == ["REQUEST_BODY="]
    assert collected("REQUEST_BODY", b"text/plain", b"a=1", force) == ["REQUEST_BODY=a=1"]
    assert collected("ARGS_POST", b"text/plain", b"a=1", force) == ["ARGS_POST:a=1"]


def test_a_wrong_escape_in_the_query_or_the_form_is_told() -> None:
    loaded = rules('SecRule URLENCODED_ERROR "@eq 1" "id:1,phase:2,pass"')
    assert ids(run(loaded, head(b"/?a=%zz"))) == [1]
    assert ids(run(loaded, head(b"/?a=%20"))) == []


def test_the_uri_of_a_proxy_request_has_no_host() -> None:
    loaded = rules(
        'SecRule REQUEST_URI "@streq /p?q" "id:1,phase:1,pass"\n'
        'SecRule REQUEST_URI_RAW "@streq http://h/p?q" "id:2,phase:1,pass"'
    )

    assert ids(run(loaded, head(b"http://h/p?q"))) == [1, 2]


def test_the_parser_and_the_engine_know_the_same_variables() -> None:
    assert set(VARIABLES) == set(PARSED)

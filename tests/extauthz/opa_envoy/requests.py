"""CheckRequests: generated ones, and the traps of Envoy and of opa-envoy-plugin as rows."""

import base64
import json
from collections.abc import Callable
from random import Random
from typing import Any

from envoy.service.auth.v3 import external_auth_pb2
from hypothesis import strategies as st

CheckRequest = external_auth_pb2.CheckRequest


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:password".encode()).decode()


def bearer(claims: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"Bearer e30.{payload}.c2ln"


PATHS = [
    "/my/test/path?a=1&a=2&x=y",
    "/my/test/path",
    "/my/other?a=1",
    "/",
    "/a",
    "/a/",
    "//x",
    "/a//b",
    "/%61",
    "/a?x=%20+%2B&y&=z",
    "/a?%C3%BC=%C3%BC",
    "/a;x/b",
    "/?q=a%3Bb",
    "/a?a=1?b=2",
    "/ü",
    "/very/" + "long/" * 50,
]
ODD_PATHS = ["/a?x;y", "/a?x=%zz", "/%zz", "/a%2", "/a?b=%", "", "a", "/a%2Fb", "/a/../b", "*"]
METHODS = ["GET", "GET", "GET", "POST", "HEAD", "DELETE", "OPTIONS", "get"]
HOSTS = ["shop.example", "SHOP.example:8443", "[::1]:80", "shop.example.", ""]
JSON_BODIES = [
    '{"firstname": "foo", "lastname": "bar", "dept": {"it": "eng"}}',
    '{"role": "admin", "n": 12345678901234567890.50}',
    '{"role": "guest", "tags": ["a", "b"]}',
    '{"tags": ["a", "b"], "x": 1e3}',
    '[1, "two", null, true, {}]',
    '"foo"',
    "42",
    "true",
    "null",
    "",
    '["\\"", "\\\\", "\\/", "\\b", "\\u0041", "\\ud83d\\ude00"]',
]
BAD_BODIES = ['["foo" : 42}', "{", '{"a": 1} x', "nul", '{"a": .5}', "\x00"]
FORMS = ["firstname=foo&lastname=bar&lastname=foobar", "role=admin&tags=a&tags=b", "", "a=%zz"]
MULTIPART = (
    '--b\r\ncontent-disposition: form-data; name="role"\r\n\r\nadmin\r\n'
    '--b\r\ncontent-disposition: form-data; name="tags"\r\n\r\na\r\n--b--\r\n'
)
BODIES = [
    *(("application/json", body) for body in JSON_BODIES),
    *(("application/json; charset=utf-8", body) for body in JSON_BODIES[:3]),
    *(("application/json", body) for body in BAD_BODIES),
    *(("application/x-www-form-urlencoded", body) for body in FORMS),
    ("multipart/form-data; boundary=b", MULTIPART),
    ("Application/JSON", JSON_BODIES[1]),
    ("application/problem+json", JSON_BODIES[1]),
    ("text/html", "<p>"),
    ("application/grpc", "\0\0\0\0\0"),
    ("", "{}"),
]
HEADERS = {
    "x-plan": ["gold", "basic", "", "a,b", "caf\u00e9"],
    "x-kind": [str(number) for number in range(15)],
    "x-status": ["200", "401", "403.0", "404", "418", "599", "100", "0", "x", "-1", "302", "1e2"],
    "x-role": ["nobody", "admin", ""],
    "x-odd": ["tab\there", " spaced ", "a\u0080b", "'\"%"],
    "cookie": ["a=1; b=2", "session=x"],
    "authorization": [
        basic("alice"),
        basic("bob"),
        bearer({"sub": "a"}),
        bearer({"sub": "b", "id": "root", "policy": "p", "decision_id": "x", "n": 0.25}),
        bearer([1]),
        "Bearer a.b.c",
        "",
    ],
}


def request(seed: int) -> Any:
    """One CheckRequest; most are such as a policy decides about."""
    pick = Random(seed)  # a draw of hypothesis's takes 0.1 ms, and this needs ten
    message = CheckRequest()
    http = message.attributes.request.http
    http.method = pick.choice(METHODS)
    http.path = pick.choice(PATHS if pick.random() < 0.95 else ODD_PATHS)
    http.host = pick.choice(HOSTS)
    http.scheme = "https"
    http.protocol = "HTTP/2"
    headers = {name: pick.choice(values) for name, values in HEADERS.items() if pick.random() < 0.4}
    if pick.random() < 0.5:
        _put_body(pick, http, headers)
    if pick.random() < 0.1:
        for name, value in headers.items():
            http.header_map.headers.add(key=name, raw_value=value.encode())
    else:
        http.headers.update(headers)
    _put_peers(pick, message.attributes)
    return message


REQUESTS = st.integers(0, (1 << 64) - 1).map(request)


def _put_body(pick: Random, http: Any, headers: dict[str, str]) -> None:
    kind, body = pick.choice(BODIES)
    size = len(body.encode())
    if kind:
        headers["content-type"] = kind
    lengths = [size] * 6 + ["", size + 1, max(size - 1, 0), "-1", "x"]
    length = str(pick.choice(lengths))
    if length:
        headers["content-length"] = length
    if pick.random() < 0.1:
        headers["x-envoy-auth-partial-body"] = pick.choice(["true", "false"])
    http.size = size
    if pick.random() < 0.5:
        http.raw_body = body.encode()
    else:
        http.body = body


def _put_peers(pick: Random, attributes: Any) -> None:
    if pick.random() < 0.5:
        address = attributes.source.address.socket_address
        address.address = "198.51.100.24"
        address.port_value = pick.choice([0, 80, 65535])
        attributes.source.principal = pick.choice(
            ["", "spiffe://mesh/ns/shop/sa/a", "spiffe://edge/x", "CN=x"]
        )
        attributes.request.time.seconds = 1_700_000_000
        attributes.request.time.nanos = pick.choice([0, 5])
    if pick.random() < 0.15:  # decimals make writing the document slow
        limits = attributes.metadata_context.filter_metadata["limits"]
        limits.update({"rate": 0.1, "many": 10.0, "nested": {"list": [1.5, None, True, "x"]}})
        attributes.tls_session.sni = "shop.example"


def _trap(change: Callable[[Any], Any], path: str = "/a", **headers: str) -> Any:
    message = CheckRequest()
    http = message.attributes.request.http
    http.method, http.path, http.host = "POST", path, "shop.example"
    http.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    change(http)
    return message


def _nothing(http: Any) -> None:
    del http


def _body(text: str | bytes) -> Callable[[Any], Any]:
    def change(http: Any) -> None:
        if isinstance(text, bytes):
            http.raw_body = text
        else:
            http.body = text

    return change


def _raw_headers(*pairs: tuple[str, bytes]) -> Callable[[Any], Any]:
    def change(http: Any) -> None:
        http.headers.clear()
        for name, value in pairs:
            http.header_map.headers.add(key=name, raw_value=value)

    return change


JSON = "application/json"
ADMIN = '{"role": "admin"}'

TRAPS: dict[str, Any] = {
    # extauthz.md 5.12 and 5.13: the body
    "5.12 body packed as bytes": _trap(_body(ADMIN.encode()), content_type=JSON),
    "5.12 body as text": _trap(_body(ADMIN), content_type=JSON),
    "5.12 body with damaged bytes": _trap(_body('{"role": "!"}'), content_type=JSON),
    "5.13 partial body": _trap(
        _body(ADMIN[:9]), content_type=JSON, x_envoy_auth_partial_body="true"
    ),
    "5.13 partial body that parses": _trap(
        _body(ADMIN), content_type=JSON, x_envoy_auth_partial_body="true"
    ),
    "5.13 not partial": _trap(_body(ADMIN), content_type=JSON, x_envoy_auth_partial_body="false"),
    "5.13 shorter than content-length": _trap(
        _body(ADMIN), content_type=JSON, content_length="1000"
    ),
    "5.13 longer than content-length": _trap(_body(ADMIN), content_type=JSON, content_length="1"),
    "5.13 chunked, no length": _trap(_body(ADMIN), content_type=JSON),
    "5.13 size is more than the body": _trap(
        lambda http: http.MergeFrom(type(http)(size=100, body=ADMIN)), content_type=JSON
    ),
    "5.14 no body was buffered": _trap(_nothing, content_type=JSON, content_length="17"),
    # 5.15, 5.16: headers
    "5.15 authorization twice": _trap(_nothing, authorization="Bearer a,Bearer b"),
    "5.15 cookies joined by a comma": _trap(_nothing, cookie="a=1,b=2"),
    "5.15 a name with an underscore": _trap(lambda http: http.headers.update({"x_role": "a"})),
    "5.16 raw headers": _trap(_raw_headers(("x-role", b"nobody"), ("cookie", b"a=1"))),
    "5.16 raw headers, twice": _trap(_raw_headers(("x-role", b"a"), ("x-role", b"nobody"))),
    "5.16 raw headers, not UTF-8": _trap(_raw_headers(("x-odd", b"\xff"))),
    "5.16 pseudo-headers in the map": _trap(_raw_headers((":path", b"/a"), (":method", b"POST"))),
    # 5.17: the path
    "5.17 dot segments": _trap(_nothing, "/a/../admin"),
    "5.17 empty segments": _trap(_nothing, "//admin"),
    "5.17 escaped letter": _trap(_nothing, "/%61dmin"),
    "5.17 escaped slash": _trap(_nothing, "/a%2Fb"),
    "5.17 parameters of a segment": _trap(_nothing, "/a;x/b"),
    "5.17 backslash": _trap(_nothing, "/a\\b"),
    "5.17 bad escape": _trap(_nothing, "/%zz"),
    "5.17 escaped NUL": _trap(_nothing, "/a%00"),
    "5.17 two question marks": _trap(_nothing, "/a?b?c"),
    "5.17 query semicolon": _trap(_nothing, "/a?b;c"),
    "5.17 query escape": _trap(_nothing, "/a?b=%"),
    "5.17 escape that is not UTF-8": _trap(_nothing, "/a?b=%FF"),
    "5.17 empty": _trap(_nothing, ""),
    "5.17 absolute form": _trap(lambda http: setattr(http, "host", "other.example")),
    # 5.18: the host
    "5.18 host with a port": _trap(lambda http: setattr(http, "host", "SHOP.example:80")),
    "5.18 host of IPv6": _trap(lambda http: setattr(http, "host", "[::1]:80")),
    "5.18 host with a dot": _trap(lambda http: setattr(http, "host", "shop.example.")),
    "5.18 no host": _trap(lambda http: setattr(http, "host", "")),
    # 6: what the CVEs teach
    "6 //admin/x keeps admin": _trap(_nothing, "//admin/x"),
    "6 media type in capitals": _trap(_body(ADMIN), content_type="Application/JSON"),
    "6 media type with +json": _trap(_body(ADMIN), content_type="application/x+json"),
    "6 media type by substring": _trap(_body(ADMIN), content_type="text/plain, application/json"),
    "6 duplicate keys": _trap(_body('{"role": "admin", "role": "guest"}'), content_type=JSON),
    "6 duplicate keys, deep": _trap(
        _body('{"dept": {"it": "x", "it": "eng"}, "firstname": "foo"}'), content_type=JSON
    ),
    "6 truncated is not absent": _trap(_body(ADMIN[:4]), content_type=JSON, content_length="17"),
    "6 length below zero": _trap(_body(ADMIN), content_type=JSON, content_length="-1"),
    "6 length is no number": _trap(_body(ADMIN), content_type=JSON, content_length="1x"),
    "6 length with a plus": _trap(_body(ADMIN), content_type=JSON, content_length="+17"),
    "6 huge integer": _trap(_body('{"role": ' + "9" * 400 + "}"), content_type=JSON),
    "6 decimal": _trap(_body('{"role": 0.1000000000000000000001}'), content_type=JSON),
    "6 exponent beyond doubles": _trap(_body('{"role": 1e400}'), content_type=JSON),
    "6 lone surrogate": _trap(_body('{"role": "\\ud800"}'), content_type=JSON),
    "6 not a number": _trap(_body('{"role": NaN}'), content_type=JSON),
    "6 null body": _trap(_body("null"), content_type=JSON),
    "6 spoofed identity header": _trap(_nothing, x_user="root", x_role="admin"),
    "6 form": _trap(_body("role=admin"), content_type="application/x-www-form-urlencoded"),
    "6 form with a semicolon": _trap(
        _body("role=admin;x"), content_type="application/x-www-form-urlencoded"
    ),
    "6 multipart": _trap(_body(MULTIPART), content_type="multipart/form-data; boundary=b"),
    "6 multipart without boundary": _trap(_body(MULTIPART), content_type="multipart/form-data"),
}
"""Chapter and number of the notes on Envoy and its authorizers, and what is tried."""

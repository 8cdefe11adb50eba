"""The cases of opa-envoy-plugin's own tests: what it is asked there, and what it must answer.

Three tables after its three files: requests to input, results to responses, and whole checks. Its
cases of configuration are in the tests of `--opa-envoy-config`; those of its decision log in the
tests of ours; the v2 API and ext_proc are not served.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

import pytest
from envoy.service.auth.v3 import external_auth_pb2

from callout.config.bundle import Bundle
from callout.grpc.call import Call
from callout.http.path import CanonicalPath
from extauthz.answer import respond
from extauthz.bodies.contract import BodyRules
from extauthz.bodies.grpc import methods_of
from extauthz.check import CheckInput
from extauthz.envoy import read
from extauthz.input import InputBuilder, InputRules
from extauthz.outcome import Failed
from extauthz.policy.engine import UNDEFINED
from extauthz.result import outcome_of
from extauthz.service import AuthorizationService
from tests.extauthz.bodies.protos import descriptor_set, framed
from tests.extauthz.opa_envoy.contract import Sent
from tests.extauthz.opa_envoy.sides import UUID, sent, snapshot
from tests.extauthz.world import NoKeys, Recorder

CheckRequest = external_auth_pb2.CheckRequest


def request(
    path: Any = "/", method: Any = "GET", body: Any = "", raw: Any = b"", **headers: Any
) -> Any:
    message = CheckRequest()
    http = message.attributes.request.http
    http.method, http.path, http.host = method, path, "192.0.2.1:31380"
    http.body, http.raw_body = body, raw
    http.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return message


def document(message: Any, rules: BodyRules | None = None) -> Any:
    """Our whole input document under `compat: opa-envoy`."""
    check = read(message.SerializeToString())
    assert isinstance(check, CheckInput)
    raw, mark, query = check.path.partition("?")
    builder = InputBuilder(rules=InputRules(compat=True, body=rules or BodyRules()))
    return builder.build(check, CanonicalPath(raw, query if mark else None), None)


# --- requests to input ---

JSON: Final = {"content_type": "application/json"}
FORM: Final = {"content_type": "application/x-www-form-urlencoded"}
PARTS: Final = {"content_type": "multipart/form-data; boundary=foo"}
GRPC: Final = {"content_type": "application/grpc"}
PERSON: Final = {"firstname": "foo", "lastname": "bar"}
LISTS: Final = {"firstname": ["foo"], "lastname": ["bar"]}

BODIES: Final[dict[str, tuple[Any, Any, bool]]] = {
    # request, parsed_body, truncated_body
    "no content type": (request(content_length="0"), None, False),
    "text": (request(content_type="text/html"), None, False),
    "a JSON string": (request(body='"foo"', **JSON), "foo", False),
    "a JSON boolean": (request(body="true", **JSON), True, False),
    "a JSON number": (request(body="42", **JSON), 42, False),
    "a JSON null": (request(body="null", **JSON), None, False),
    "a JSON object": (request(body=json.dumps(PERSON), **JSON), PERSON, False),
    "a JSON array": (request(body='["hello", "opa"]', **JSON), ["hello", "opa"], False),
    "escapes in JSON": (
        request(body=r'["\"", "\\", "\/", "/", "\b", "\f", "\n", "\r", "\t", "\u0041"]', **JSON),
        ['"', "\\", "/", "/", "\b", "\f", "\n", "\r", "\t", "A"],
        False,
    ),
    "multipart": (
        request(
            body='--foo\nContent-Disposition: form-data; name="foo"\n'
            "Content-Type: text/plain\n\nbar\n--foo--\n\t\t",
            **PARTS,
        ),
        {"foo": ["bar"]},
        False,
    ),
    "multipart with a part of JSON": (
        request(
            body='--foo\nContent-Disposition: form-data; name="foo"\nContent-Type: text/plain\n\n'
            'bar\n--foo\nContent-Disposition: form-data; name="bar"\n'
            'Content-Type: application/json;\n\n{"name": "bar"}\n--foo--\n\t\t',
            **PARTS,
        ),
        {"foo": ["bar"], "bar": [{"name": "bar"}]},
        False,
    ),
    "JSON without a body": (request(**JSON), None, False),
    "JSON, truncated": (request(body="true", content_length="1000", **JSON), None, True),
    "a form": (request(body="firstname=foo&lastname=bar", **FORM), LISTS, False),
    "a form as bytes": (request(raw=b"firstname=foo&lastname=bar", **FORM), LISTS, False),
    "a form with a name twice": (
        request(body="firstname=foo&lastname=bar&lastname=foobar", **FORM),
        {"firstname": ["foo"], "lastname": ["bar", "foobar"]},
        False,
    ),
    "a form, truncated": (
        request(body="firstname=foo&lastname=bar", content_length="1000", **FORM),
        None,
        True,
    ),
    "a form without a body": (request(**FORM), None, False),
    "JSON as bytes": (request(raw=json.dumps(PERSON, indent=4).encode(), **JSON), PERSON, False),
    "gRPC without a descriptor set": (request("/a/B", raw=framed(b""), **GRPC), None, False),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_read_as_there(name: str) -> None:
    message, body, truncated = BODIES[name]

    found = document(message)

    assert (found["parsed_body"], found["truncated_body"]) == (body, truncated)


BOOKS: Final = "/shop.v1.Books/Get"
BOOK: Final = framed(b"\x0a\x04John")
MESSAGES: Final[dict[str, tuple[Any, Any, bool]]] = {
    "no path to a method": (request("", raw=BOOK, **GRPC), "body", False),
    "without raw bytes": (request(BOOKS, body="x", **GRPC), None, False),
    "a message": (request(BOOKS, raw=BOOK, **GRPC), {"theTitle": "John"}, False),
    "a message in a message": (
        request(BOOKS, raw=framed(b"\x3a\x06\x0a\x04John"), **GRPC),
        {"sequels": [{"theTitle": "John"}]},
        False,
    ),
    "an unknown service": (request("/shop.v1.Other/Get", raw=BOOK, **GRPC), None, False),
    "an unknown method": (request("/shop.v1.Books/Other", raw=BOOK, **GRPC), None, False),
    "an empty message": (request(BOOKS, raw=framed(b""), **GRPC), {}, False),
    "a compressed message": (request(BOOKS, raw=framed(b"\x1f", True), **GRPC), None, False),
    "a truncated message": (request(BOOKS, raw=BOOK[:-1], **GRPC), None, True),
    "only the first message": (
        request(BOOKS, raw=BOOK + BOOK, **GRPC),
        {"theTitle": "John"},
        False,
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_grpc_message_is_read_as_there(name: str) -> None:
    message, body, truncated = MESSAGES[name]

    found = document(message, BodyRules(methods=methods_of(descriptor_set())))

    if body == "body":
        assert found.reason == "body"
    else:
        assert (found["parsed_body"], found["truncated_body"]) == (body, truncated)


def test_broken_json_is_refused() -> None:
    assert document(request(body='["foo" : 42}', **JSON)).reason == "body"


def test_without_parsing_there_is_nothing_of_the_body() -> None:
    found = document(request(body='["foo" : 42}', **JSON), BodyRules(parse=False))

    assert "parsed_body" not in found
    assert "truncated_body" not in found


MY: Final = ["my", "test", "path"]
PATHS: Final[dict[str, tuple[list[str], dict[str, list[str]]]]] = {
    "/my/test/path": (MY, {}),
    "/my/test/path?a=1": (MY, {"a": ["1"]}),
    "/my/test/path?a=1&a=2": (MY, {"a": ["1", "2"]}),
    "/my/test/path?a=1&b=2": (MY, {"a": ["1"], "b": ["2"]}),
    "/my/test/path?a=1&a=new%0aline": (MY, {"a": ["1", "new\nline"]}),
    "%2Fmy%2Ftest%2Fpath?a=1&a=new%0aline": (MY, {"a": ["1", "new\nline"]}),
    # since the advisory of February 2026: no part of the path is taken for a host
    "//my/test/path": (MY, {}),
    "///my": (["my"], {}),
    "/a%2Fb": (["a", "b"], {}),
    "/": ([""], {}),
    "/my/": (["my", ""], {}),
}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_parsed_as_there(path: str) -> None:
    found = document(request(path))

    assert (found["parsed_path"], found["parsed_query"]) == PATHS[path]


# --- results to responses ---

ERROR: Final = Sent(7, 403)
"""The plugin's is a gRPC error, of which Envoy makes 403: see `contract.NOT_DECIDED`."""


def yes(**fields: Any) -> dict[str, Any]:
    return {"allowed": True, **fields}


def no(**fields: Any) -> dict[str, Any]:
    return {"allowed": False, **fields}


TWICE: Final = {"foo": ["bar", "baz"]}
RESULTS: Final[dict[str, tuple[Any, Sent]]] = {
    # allowed
    "nothing": ({}, ERROR),
    "allowed is a number": ({"allowed": 1}, ERROR),
    "allowed": (yes(), Sent(0)),
    "true": (True, Sent(0)),
    "a text": ("hello", ERROR),
    # query parameters
    "removed parameters is a text": (yes(query_parameters_to_remove="test"), ERROR),
    "removed parameters": (
        yes(query_parameters_to_remove=["foo", "bar", "fuz"]),
        Sent(0, query_remove={"foo", "bar", "fuz"}),
    ),
    "removed parameters are numbers": (yes(query_parameters_to_remove=[1]), ERROR),
    "set parameters is a text": (yes(query_parameters_to_set="invalid"), ERROR),
    "a set parameter is a number": (yes(query_parameters_to_set={"test": 123}), ERROR),
    "a set parameter is a list of numbers": (yes(query_parameters_to_set={"t": [123]}), ERROR),
    "set parameters": (
        yes(query_parameters_to_set={"param1": "value1", "param2": "value2"}),
        Sent(0, query={"param1": ["value1"], "param2": ["value2"]}),
    ),
    "set parameters in lists": (
        yes(query_parameters_to_set={"param1": ["a", "b"], "param2": ["c", "d"]}),
        Sent(0, query={"param1": ["a", "b"], "param2": ["c", "d"]}),
    ),
    "set parameters of both kinds": (
        yes(query_parameters_to_set={"param1": "single", "param2": ["multi1", "multi2"]}),
        Sent(0, query={"param1": ["single"], "param2": ["multi1", "multi2"]}),
    ),
    # headers of the request that are removed
    "removed headers is a text": (yes(request_headers_to_remove="test"), ERROR),
    "removed headers": (
        yes(request_headers_to_remove=["foo", "bar", "fuz"]),
        Sent(0, remove={"foo", "bar", "fuz"}),
    ),
    "removed headers are numbers": (yes(request_headers_to_remove=[1]), ERROR),
    "removed headers is a number": (yes(request_headers_to_remove=1), ERROR),
    # headers of the answer
    "response headers is a text": (yes(response_headers_to_add="test"), ERROR),
    "response headers": (
        yes(response_headers_to_add={"foo": "bar"}),
        Sent(0, answer_headers={"foo": ["bar"]}),
    ),
    "a response header is a number": (yes(response_headers_to_add={"foo": "bar", "baz": 1}), ERROR),
    "response headers in objects": (
        yes(response_headers_to_add=[{"foo": "bar"}, {"foo": "baz"}]),
        Sent(0, answer_headers=TWICE),
    ),
    "response headers in lists": (
        yes(response_headers_to_add=TWICE),
        Sent(0, answer_headers=TWICE),
    ),
    # headers
    "headers is a text": (yes(headers="test"), ERROR),
    "headers": (yes(headers={"foo": "bar"}), Sent(0, headers={"foo": ["bar"]})),
    "a header is a number": (yes(headers={"foo": "bar", "baz": 1}), ERROR),
    "headers in objects": (
        yes(headers=[{"foo": "bar"}, {"foo": "baz"}]),
        Sent(0, headers=TWICE),
    ),
    "headers in lists": (yes(headers=TWICE), Sent(0, headers=TWICE)),
    "headers of a denial is a text": (no(headers="test"), ERROR),
    "headers of a denial": (no(headers={"foo": "bar"}), Sent(7, 403, {"foo": ["bar"]})),
    "a header of a denial is a number": (no(headers={"foo": 1}), ERROR),
    "headers of a denial in objects": (
        no(headers=[{"foo": "bar"}, {"foo": "baz"}]),
        Sent(7, 403, TWICE),
    ),
    "headers of a denial in lists": (no(headers=TWICE), Sent(7, 403, TWICE)),
    # body and status
    "no body": (no(), Sent(7, 403)),
    "a body": (no(body="hello"), Sent(7, 403, body="hello")),
    "a body is a number": (no(body=123), ERROR),
    "a status is true": (no(http_status=True), ERROR),
    "status 1": (no(http_status=1), ERROR),
    "status 9999": (no(http_status=9999), ERROR),
    "status 400": (no(http_status=400), Sent(7, 400)),
    "a status with a fraction": (no(http_status=Decimal("400.0")), ERROR),
    # dynamic metadata
    "metadata": (yes(dynamic_metadata={"foo": "bar"}), Sent(0, metadata={"foo": "bar"})),
    "metadata is a number": (yes(dynamic_metadata=123), ERROR),
    "false has no metadata": (False, Sent(7, 403)),
    "undefined": (UNDEFINED, ERROR),
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_answered_as_there(name: str) -> None:
    answer, must = RESULTS[name]

    outcome = outcome_of(answer, "rego", compat=True)

    if must is ERROR:
        assert type(outcome) is Failed
    else:
        assert not isinstance(outcome, Failed)
        assert sent(respond(outcome, "", "", "00000000-0000-8000-8000-000000000000")) == must


# --- whole checks ---

ROLES: Final = """
default allow := false

allow if {
	some role in user_roles[user]
	some permission in permissions[role]
	permission.method == input.attributes.request.http.method
	permission.path == input.attributes.request.http.path
}

allow if {
	input.parsed_path == ["my", "test", "path"]
	input.parsed_query.a == ["1", "2"]
	input.parsed_query.x == ["y"]
}

allow if {
	input.parsed_body.firstname == "foo"
	input.parsed_body.lastname == "bar"
	input.parsed_body.dept.it == "eng"
}

user := name if {
	[_, encoded] := split(input.attributes.request.http.headers.authorization, " ")
	[name, _] := split(base64url.decode(encoded), ":")
}

user_roles := {"alice": ["guest"], "bob": ["admin"]}

permissions := {
	"guest": [{"method": "GET", "path": "/productpage"}],
	"admin": [
		{"method": "GET", "path": "/productpage"},
		{"method": "GET", "path": "/api/v1/products"},
	],
}

result.allowed := allow

result.headers := {"foo": "bar", "baz": "qux"}

result.response_headers_to_add := {"foo": "bar", "baz": "qux"}

result.query_parameters_to_set := {"foo": "bar", "baz": ["qux", "quux"]}

result.query_parameters_to_remove := ["foo", "bar"]
"""
OBJECT: Final = """
default allow := {
	"allowed": false,
	"headers": {"foo": "bar", "baz": "taz"},
	"body": "Unauthorized Request",
	"http_status": 301,
	"dynamic_metadata": {"test": "foo", "bar": "baz"},
}

allow := {
	"allowed": true,
	"headers": {"x": "hello", "y": "world"},
	"dynamic_metadata": {"test": "foo", "bar": "baz"},
} if {
	input.parsed_path == ["my", "test", "path"]
}
"""
WHOLE_BODY: Final = """
default allow := false

allow if not input.truncated_body
"""


class Asked(NamedTuple):
    """A check: the policy's text and rule, the request, and what its configuration adds."""

    rego: str
    rule: str
    message: Any
    words: str = ""


class Plugin:
    """Our service with one policy for everything, as that plugin has it."""

    def __init__(self, rego: str, rule: str, words: str) -> None:
        policy = f"""
apiVersion: bundle/v1
kind: Policy
name: envoy
on: [{{host: "*"}}]
auth:
  compat: opa-envoy
  identity: [anonymous: {{}}]
  decide: {{rego: rego, entrypoint: envoy/authz/{rule}}}
  {words}
"""
        text = f"package envoy.authz\n{rego}"
        made = snapshot(Bundle({"envoy.yaml": policy.encode(), "rego/a.rego": text.encode()}))
        self._service = AuthorizationService(lambda: made, Recorder(), NoKeys())

    def check(self, message: Any, deadline: float | None = None) -> bytes:
        reply = self._service.check(message.SerializeToString(), Call((), deadline, "test"))
        assert isinstance(reply, bytes)
        return reply


def basic(user: str, body: str = "") -> Any:
    passwords = {"bob": "Basic Ym9iOnBhc3N3b3Jk", "alice": "Basic YWxpY2U6cGFzc3dvcmQ="}
    return request("/api/v1/products", body=body, authorization=passwords[user], content_length="0")


EMPLOYEE: Final = '{"firstname": "foo", "lastname": "bar", "dept": {"it": "eng"}}'
MY_PATH: Final = request("/my/test/path?a=1&a=2&x=y")
BROKEN: Final = request(body='["foo" : 42}', **JSON)
REFUSED: Final = Sent(7, 400, body="request_parse_error: body")
HELLO: Final = {"x": ["hello"], "y": ["world"]}
SAID: Final = {"test": "foo", "bar": "baz"}
CHANGES: Final = Sent(
    0,
    headers={"foo": ["bar"], "baz": ["qux"]},
    answer_headers={"foo": ["bar"], "baz": ["qux"]},
    query={"foo": ["bar"], "baz": ["qux", "quux"]},
    query_remove={"foo", "bar"},
)
DRY: Final = "mode: shadow"

CHECKS: Final[dict[str, tuple[Asked, Sent]]] = {
    "allowed by role": (Asked(ROLES, "allow", basic("bob", EMPLOYEE)), Sent(0)),
    "allowed by the path": (Asked(ROLES, "allow", MY_PATH), Sent(0)),
    "allowed by the body": (Asked(ROLES, "allow", request(body=EMPLOYEE, **JSON)), Sent(0)),
    "denied by role": (Asked(ROLES, "allow", basic("alice", "foo")), Sent(7, 403)),
    "denied by a body of no type": (Asked(ROLES, "allow", request(body="foo")), Sent(7, 403)),
    "allowed with all fields": (Asked(ROLES, "result", basic("bob")), CHANGES),
    "dry-run, allowed": (Asked(ROLES, "allow", basic("bob"), DRY), Sent(0)),
    "dry-run, denied": (Asked(ROLES, "allow", basic("alice"), DRY), Sent(0)),
    "dry-run, a request that cannot be read": (Asked(ROLES, "allow", BROKEN, DRY), REFUSED),
    "dry-run, no decision": (Asked("allow := 1", "allow", MY_PATH, DRY), ERROR),
    "a decision of another type": (Asked("default allow := 1", "allow", basic("bob")), ERROR),
    "two values": (
        Asked(
            'allow := false\n\nallow := input.attributes.request.http.method == "GET"',
            "allow",
            basic("bob"),
        ),
        ERROR,
    ),
    "undefined": (Asked("allow if input.nothing", "allow", basic("bob")), ERROR),
    "a request that cannot be read": (Asked(ROLES, "allow", BROKEN), REFUSED),
    "truncated": (
        Asked(WHOLE_BODY, "allow", request(body=EMPLOYEE, content_length="100000", **JSON)),
        Sent(7, 403),
    ),
    "not truncated": (
        Asked(WHOLE_BODY, "allow", request(body=EMPLOYEE, content_length="62", **JSON)),
        Sent(0),
    ),
    "skip-request-body-parse": (
        Asked(WHOLE_BODY, "allow", BROKEN, "body: {parse: false}"),
        Sent(0),
    ),
    "the version of the input": (
        Asked(
            'allow if input.version == {"ext_authz": "v3", "encoding": "protojson"}',
            "allow",
            basic("bob"),
        ),
        Sent(0),
    ),
    "object, allowed": (Asked(OBJECT, "allow", MY_PATH), Sent(0, headers=HELLO, metadata=SAID)),
    "object, denied": (
        Asked(OBJECT, "allow", basic("alice")),
        Sent(7, 301, {"foo": ["bar"], "baz": ["taz"]}, body="Unauthorized Request", metadata=SAID),
    ),
    "object, dry-run, allowed": (
        Asked(OBJECT, "allow", MY_PATH, DRY),
        Sent(0, headers=HELLO, metadata=SAID),
    ),
    "object, dry-run, denied": (
        Asked(OBJECT, "allow", basic("alice"), DRY),
        Sent(0, metadata=SAID),
    ),
    "bad headers to remove": (
        Asked('allow := {"allowed": true, "request_headers_to_remove": "foo"}', "allow", MY_PATH),
        ERROR,
    ),
}


def plugin(asked: Asked) -> Plugin:
    return Plugin(asked.rego, asked.rule, asked.words)


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.usefixtures("native_opa")
def test_a_check_is_answered_as_there(name: str) -> None:
    asked, must = CHECKS[name]

    assert sent(plugin(asked).check(asked.message)) == must


@pytest.mark.usefixtures("native_opa")
def test_a_check_whose_time_is_over_is_denied() -> None:
    """There a gRPC error: the caller has gone, or takes our denial."""
    reply = Plugin(ROLES, "allow", "").check(basic("bob"), deadline=0.0)

    assert sent(reply) == ERROR


@pytest.mark.usefixtures("native_opa")
@pytest.mark.parametrize("user", ["bob", "alice"])
def test_each_answer_has_a_decision_id_of_36_characters(user: str) -> None:
    made = Plugin(ROLES, "allow", "")
    found = set()
    for _ in range(3):
        message: Any = CheckRequest()
        message = external_auth_pb2.CheckResponse.FromString(made.check(basic(user)))
        found.add(message.dynamic_metadata.fields["decision_id"].string_value)

    assert len(found) == 3
    assert all(UUID.fullmatch(each) and len(each) == 36 for each in found)


def test_the_tables_have_all_their_rows() -> None:
    tables: Mapping[str, Any] = {
        "bodies": BODIES,
        "messages": MESSAGES,
        "paths": PATHS,
        "results": RESULTS,
        "checks": CHECKS,
    }
    counts = {name: len(table) for name, table in tables.items()}

    assert counts == {"bodies": 20, "messages": 10, "paths": 11, "results": 45, "checks": 23}

"""A policy for opa-envoy-plugin behind a real Envoy: what clients, upstreams and logs see of it."""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from callout.testing import tools
from callout.testing.envoy import Envoy
from callout.testing.upstream import EchoUpstream, Seen
from tests.end_to_end import opa_envoy
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import Serve

MOST_BODY = 64
"""Bytes of a body that Envoy sends along."""
FLUSHED_WITHIN = 30.0
"""Seconds; Envoy writes its access log every ten."""

POLICY = """package envoy.authz

import input.attributes.request.http

default allow := {
    "allowed": false,
    "http_status": 429,
    "body": "later\\n",
    "headers": [{"retry-after": "7"}, {"set-cookie": ["a=1", "b=2"]}, {"x-user": "of the client"}],
    "dynamic_metadata": {"rule": "default", "nested": {"list": [1, "two", null]}},
    "response_headers_to_add": {"x-of-allowed": "1"},
}

allow := {
    "allowed": true,
    "headers": {"x-user": "alice", "x-roles": ["a", "b"], "x-new": "set"},
    "request_headers_to_remove": ["authorization", "x-not-there"],
    "response_headers_to_add": {"x-via": ["one", "two"], "content-language": "de"},
    "dynamic_metadata": {"rule": "headers"},
    "http_status": 418,
    "body": "of denied",
} if input.parsed_path[0] == "headers"

allow := {
    "allowed": true,
    "query_parameters_to_set": {"set": "1%2C2", "new": ["first", "last"]},
    "query_parameters_to_remove": ["drop"],
} if input.parsed_path[0] == "query"

allow := {"allowed": true, "headers": {"x-body": json.marshal([
    input.parsed_body, input.truncated_body,
])}} if input.parsed_path[0] == "body"

allow := true if input.parsed_path == ["plain"]

allow := false if input.parsed_path == ["plain", "denied"]

allow := "yes" if input.parsed_path[0] == "wrong"

allow := {"allowed": true, "headers": {"x-user": 7}} if input.parsed_path[0] == "wrong-header"
"""


class Reply(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    """Names in lower case, lines as they came."""
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


class Gateway:
    """Envoy, ourselves with that plugin's configuration, and an upstream."""

    def __init__(self, serve: Serve, envoy: Envoy, upstream: EchoUpstream, log: Path) -> None:
        self.serve = serve
        self.envoy = envoy
        self._upstream = upstream
        self._log = log

    def ask(
        self,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterator[bytes] | None = None,
    ) -> tuple[Reply, Seen | None]:
        """The answer, and what the upstream saw of the request; an iterator is sent in chunks."""
        self._upstream.seen.clear()
        address = self.envoy.addresses["gateway"]
        with closing(http.client.HTTPConnection(address, timeout=20)) as connection:
            connection.request(
                method, path, body, headers or {}, encode_chunked=isinstance(body, Iterator)
            )
            answer = connection.getresponse()
            found = [(name.lower(), value) for name, value in answer.getheaders()]
            reply = Reply(answer.status, found, answer.read())
        seen = self._upstream.seen
        return reply, seen[-1] if seen else None

    def logged(self, path: str) -> dict[str, Any]:
        """What Envoy's access log has of the last request for this path."""
        found: list[dict[str, Any]] = []

        def written() -> bool:
            lines = self._log.read_text().splitlines() if self._log.exists() else []
            found[:] = [each for each in map(json.loads, lines) if each["path"] == path]
            return bool(found)

        until(written, FLUSHED_WITHIN)
        return found[-1]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    tools.require("envoy")
    folder = tmp_path_factory.mktemp("gateway")
    log = folder / "access.log"
    with ExitStack() as held:
        upstream = held.enter_context(closing(EchoUpstream()))
        config = opa_envoy.config(folder, POLICY, {"path": "envoy/authz/allow"})
        serve = held.enter_context(
            closing(Serve(folder, None, "--opa-envoy-config", str(config), "--workers", "1"))
        )
        body = {"max_request_bytes": MOST_BODY, "allow_partial_message": True}
        bootstrap = opa_envoy.gateway(
            serve.grpc,
            upstream.address,
            log,
            {"with_request_body": {**body, "pack_as_bytes": True}},
        )
        envoy = held.enter_context(closing(Envoy(tmp_path_factory.mktemp("envoy"), bootstrap)))
        yield Gateway(serve, envoy, upstream, log)


def test_headers_of_a_request_are_set_replaced_and_removed(gateway: Gateway) -> None:
    sent = {"x-user": "root", "authorization": "Bearer secret", "x-kept": "yes"}
    reply, seen = gateway.ask("/headers", headers=sent)

    assert reply.status == 200
    assert seen is not None
    assert seen.header("x-user") == "alice"
    assert seen.header("x-new") == "set"
    assert seen.header("x-kept") == "yes"
    assert seen.header("authorization") is None
    # Two entries of a name: Envoy keeps the last.
    assert seen.header("x-roles") == "b"


def test_headers_of_an_answer_are_added_a_line_for_each_value(gateway: Gateway) -> None:
    reply, _ = gateway.ask("/headers")

    assert reply.status == 200
    assert reply.all("x-via") == ["one", "two"]
    assert reply.all("content-language") == ["de"]
    assert json.loads(reply.body)["path"] == "/headers"


def test_query_parameters_are_set_as_they_are_written_and_removed(gateway: Gateway) -> None:
    _, seen = gateway.ask("/query?keep=1&drop=2&set=old&drop=3")

    assert seen is not None
    path, _, query = seen.path.partition("?")
    assert path == "/query"
    assert sorted(query.split("&")) == ["keep=1", "new=last", "set=1%2C2"]


def test_a_denial_has_the_policys_status_headers_and_body(gateway: Gateway) -> None:
    reply, seen = gateway.ask("/elsewhere")

    assert seen is None
    assert (reply.status, reply.body) == (429, b"later\n")
    assert reply.all("retry-after") == ["7"]
    assert reply.all("set-cookie") == ["a=1", "b=2"]
    assert reply.all("x-user") == ["of the client"]
    assert reply.all("x-of-allowed") == []


def test_true_and_false_are_enough(gateway: Gateway) -> None:
    assert gateway.ask("/plain")[0].status == 200
    denied, seen = gateway.ask("/plain/denied")
    assert (denied.status, denied.body, seen) == (403, b"", None)


@pytest.mark.parametrize("path", ["/wrong", "/wrong-header"])
def test_what_is_no_result_is_a_denial_and_no_error_that_envoy_may_let_pass(
    gateway: Gateway, path: str
) -> None:
    before = gateway.serve.metric("gatewright_decisions_total", verdict="error")

    reply, seen = gateway.ask(path)

    assert (reply.status, seen) == (403, None)
    errors = [name for name in gateway.envoy.stats() if name.endswith("ext_authz.error")]
    assert errors
    assert [gateway.envoy.stat(name) for name in errors] == [0] * len(errors)
    until(lambda: gateway.serve.metric("gatewright_decisions_total", verdict="error") > before)


JSON = {"content-type": "application/json"}
SMALL = b'{"a": [1, 2]}'
LARGE = b'{"a": "' + b"x" * MOST_BODY + b'"}'


@pytest.mark.parametrize(
    ("headers", "body", "seen_by_policy"),
    [
        pytest.param(JSON, SMALL, [{"a": [1, 2]}, False], id="whole"),
        pytest.param(JSON, LARGE, [None, True], id="longer than Envoy sends"),
        pytest.param({}, SMALL, [None, False], id="of no known type"),
        pytest.param(
            {"content-type": "application/x-www-form-urlencoded"},
            b"a=1&a=2",
            [{"a": ["1", "2"]}, False],
            id="a form",
        ),
        pytest.param(
            {**JSON, "x-envoy-auth-partial-body": "true"},
            SMALL,
            [{"a": [1, 2]}, False],
            id="a client that says it is partial",
        ),
    ],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
def test_a_policy_sees_a_body_or_that_it_is_not_all_there(
    gateway: Gateway, headers: Mapping[str, str], body: bytes, seen_by_policy: Any, chunked: bool
) -> None:
    sent: bytes | Iterator[bytes] = iter([body[:5], body[5:]]) if chunked else body
    more = {**headers, "transfer-encoding": "chunked"} if chunked else headers
    reply, seen = gateway.ask("/body", "POST", more, sent)

    assert reply.status == 200
    assert seen is not None
    assert json.loads(seen.header("x-body") or "") == seen_by_policy
    assert seen.body == body


def test_a_body_that_is_not_what_it_says_is_a_400(gateway: Gateway) -> None:
    reply, seen = gateway.ask("/body", "POST", JSON, b"{")

    assert (reply.status, seen) == (400, None)


def test_the_access_log_has_what_the_policy_said_of_either_verdict(gateway: Gateway) -> None:
    gateway.ask("/headers?log")
    gateway.ask("/elsewhere?log")

    allowed, denied = gateway.logged("/headers?log"), gateway.logged("/elsewhere?log")

    assert (allowed["status"], denied["status"]) == (200, 429)
    assert len({allowed["said"].pop("decision_id"), denied["said"].pop("decision_id")}) == 2
    # Envoy's own, beside ours.
    assert min(each["said"].pop("ext_authz_duration", 0) for each in (allowed, denied)) >= 0
    assert allowed["said"] == {"rule": "headers"}
    assert denied["said"] == {"rule": "default", "nested": {"list": [1, "two", None]}}

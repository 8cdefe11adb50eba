"""Checks of Envoy's TCP filter: no request, so only the connection decides (extauthz.md 5.20)."""

import textwrap
from typing import Any

import pytest
from envoy.service.auth.v3 import external_auth_pb2

from callout.config.bundle import Bundle
from callout.config.policies import PolicyIndex
from callout.config.snapshot import Snapshot, build
from extauthz.check import NetworkCheck
from extauthz.config import AuthSection
from extauthz.decide import Chosen, Refused, choose_for_connection
from extauthz.envoy import read
from extauthz.input import InputBuilder, InputRules
from tests.extauthz.policy.rego import engine
from tests.extauthz.world import AUTHENTICATED, HOST, ScriptedEngine, World, auth, jwt_entry

SOURCE = {
    "address": {"socketAddress": {"address": "192.0.2.7", "portValue": 40000}},
    "principal": "spiffe://mesh/ns/shop/sa/web",
    "certificate": "-----BEGIN%20CERTIFICATE-----",
}


def connection(sni: str = HOST, **context: str) -> Any:
    """As Envoy's TCP filter sends it: no request, an empty metadata context."""
    message = external_auth_pb2.CheckRequest()
    attributes = message.attributes
    attributes.source.address.socket_address.address = "192.0.2.7"
    attributes.source.address.socket_address.port_value = 40000
    attributes.source.principal = SOURCE["principal"]
    attributes.source.certificate = SOURCE["certificate"]
    attributes.destination.address.socket_address.port_value = 5432
    attributes.metadata_context.SetInParent()
    if sni:
        attributes.tls_session.sni = sni
    attributes.context_extensions.update(context)
    return message


def checked(message: Any) -> NetworkCheck:
    found = read(message.SerializeToString())
    assert isinstance(found, NetworkCheck)
    return found


def test_its_document_is_source_destination_and_tls_session() -> None:
    document = InputBuilder().build_of_connection(checked(connection()), None)

    assert document == {
        "attributes": {
            "source": SOURCE,
            "destination": {"address": {"socketAddress": {"portValue": 5432}}},
            "metadataContext": {},
            "tlsSession": {"sni": HOST},
        },
        "identity": None,
        "source_principal": SOURCE["principal"],
        "version": {"ext_authz": "v3", "encoding": "protojson"},
    }


def test_compat_shows_what_opa_envoy_plugin_makes_of_no_request() -> None:
    rules = InputRules(compat=True)
    document = InputBuilder(rules=rules).build_of_connection(checked(connection()), None)

    assert isinstance(document, dict)
    assert document.pop("attributes").keys() == {
        "source",
        "destination",
        "metadataContext",
        "tlsSession",
    }
    assert document == {
        "parsed_body": None,
        "parsed_path": [""],
        "parsed_query": {},
        "truncated_body": False,
        "source_principal": SOURCE["principal"],
        "version": {"ext_authz": "v3", "encoding": "protojson"},
    }


POLICY = """package test
default p := false
p if {
    input.attributes.tlsSession.sni == "shop.example"
    input.source_principal == "spiffe://mesh/ns/shop/sa/web"
    not input.attributes.request.http.method
}"""


@pytest.mark.parametrize("whole", [True, False])
def test_a_policy_decides_the_same_by_the_parts_that_it_reads(whole: bool) -> None:
    made = engine(POLICY)
    builder = InputBuilder(None if whole else made.reads)
    for sni, allowed in ((HOST, True), ("other.example", False), ("", False)):
        document = builder.build_of_connection(checked(connection(sni)), None)
        assert isinstance(document, dict)
        assert made.decide(document, None) is allowed


def test_a_connection_that_may_gets_nothing_of_http() -> None:
    result = {
        "allowed": True,
        "headers": {"x-a": "1"},
        "response_headers_to_add": {"x-b": "2"},
        "request_headers_to_remove": ["x-c"],
        "query_parameters_to_set": {"d": "4"},
        "query_parameters_to_remove": ["e"],
        "dynamic_metadata": {"f": "6"},
    }
    world = World(auth(engine=ScriptedEngine(result)))

    reply = world.check(connection())

    assert isinstance(reply, bytes)
    message = external_auth_pb2.CheckResponse.FromString(reply)
    assert message.status.code == 0
    assert message.WhichOneof("http_response") == "ok_response"
    assert message.ok_response.ByteSize() == 0
    assert message.dynamic_metadata.fields["f"].string_value == "6"
    assert message.dynamic_metadata.fields["policy"].string_value == "shop"
    (decision,) = world.observer.decisions
    assert (decision.verdict, decision.what) == ("allow", f"connection {HOST}")


def test_a_connection_that_may_not_is_denied_without_a_body() -> None:
    result = {"allowed": False, "http_status": 402, "headers": {"x-a": "1"}, "body": "no"}
    answer, decision = World(auth(engine=ScriptedEngine(result))).ask(connection())

    assert (answer.allowed, answer.headers, answer.body) == (False, {}, "")
    assert (decision.verdict, decision.reason) == ("deny", "rego")


def test_a_token_cannot_come_with_a_connection() -> None:
    answer, decision = World(auth(jwt_entry(), decider=AUTHENTICATED)).ask(connection())

    assert (answer.allowed, decision.reason) == (False, "no_credential")


def test_emitted_headers_are_neither_set_nor_removed() -> None:
    for mode in ("enforce", "shadow", "off"):
        world = World(auth(engine=ScriptedEngine(False)), mode=mode)
        answer, _ = world.ask(connection())
        assert answer.allowed == (mode != "enforce")
        assert answer.removed == []


BUNDLE = {
    "all.yaml": """
        apiVersion: bundle/v1
        kind: Policy
        name: all
        on: [{host: "*"}]
        auth: {identity: [anonymous: {}], decide: {opa: test/all}}
        """,
    "db.yaml": """
        apiVersion: bundle/v1
        kind: Policy
        name: db
        on: [{host: db.example}]
        auth: {decide: {opa: test/db}}
        """,
    "web.yaml": """
        apiVersion: bundle/v1
        kind: Policy
        name: web
        on: [{host: db.example, path: /admin}, {host: db.example, path: {exact: /}}]
        auth: {decide: {opa: test/web}}
        """,
    "get.yaml": """
        apiVersion: bundle/v1
        kind: Policy
        name: get
        on: [{host: db.example, method: GET}]
        auth: {decide: {opa: test/get}}
        """,
    "route.yaml": """
        apiVersion: bundle/v1
        kind: Policy
        name: route
        auth: {decide: {opa: test/route}}
        """,
}

CHOICES = {
    "by server name": (connection("db.example"), "db"),
    "by server name in capitals": (connection("DB.example"), "db"),
    "another server name": (connection("x.example"), "all"),
    "no server name": (connection(""), "all"),
    "by the route": (connection("db.example", policy="route"), "route"),
    "by a route that names none": (connection(policy="gone"), "unknown_policy"),
    "by a route that names nothing": (connection(policy=""), "unknown_policy"),
}


@pytest.fixture(scope="module")
def policies() -> PolicyIndex:
    files = {name: textwrap.dedent(text).encode() for name, text in BUNDLE.items()}
    snapshot = build(Bundle(files), [AuthSection()])
    assert isinstance(snapshot, Snapshot), snapshot
    return snapshot.policies


@pytest.mark.parametrize("name", CHOICES)
def test_its_policy_is_found_without_path_and_method(name: str, policies: PolicyIndex) -> None:
    message, expected = CHOICES[name]

    found = choose_for_connection(checked(message), policies)

    if isinstance(found, Chosen):
        assert (found.policy, found.path) == (expected, None)
    else:
        assert isinstance(found, Refused)
        assert found.sent.reason == expected


def test_the_table_has_all_its_rows() -> None:
    assert len(CHOICES) == 7

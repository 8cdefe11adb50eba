"""The quick start of opa-envoy-plugin, with Gatewright in the plugin's place.

As there: a ConfigMap with the policy, the plugin's file, an Envoy whose filter asks with Google's
gRPC client and sends bodies along, and decisions on standard output.
"""

import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import jwt
import pytest

from callout.config.settings import Settings
from callout.testing import tools
from callout.testing.envoy import Envoy
from callout.testing.ports import free_port
from callout.testing.upstream import EchoUpstream
from gatewright.run.opa_envoy import OpaEnvoy, read_opa_envoy
from tests.contract.certificates import Mounted
from tests.end_to_end import opa_envoy
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import Serve

SECRET = "secret"
POLICY = f"""package envoy.authz

import input.attributes.request.http as http_request

default allow := false

allow if {{
    token.valid
    now := time.now_ns() / 1000000000
    token.payload.nbf <= now
    now < token.payload.exp
    permitted
}}

permitted if {{
    http_request.method == "GET"
    token.payload.role in {{"guest", "admin"}}
    glob.match("/people*", [], http_request.path)
}}

# Nobody makes a record of themselves.
permitted if {{
    http_request.method == "POST"
    token.payload.role == "admin"
    glob.match("/people", [], http_request.path)
    lower(input.parsed_body.firstname) != base64url.decode(token.payload.sub)
}}

token := {{"valid": valid, "payload": payload}} if {{
    [_, encoded] := split(http_request.headers.authorization, " ")
    [valid, _, payload] := io.jwt.decode_verify(encoded, {{"secret": "{SECRET}"}})
}}
"""
OF_THE_FILE = "127.0.0.1:9000"
"""Our own default as a flag: then the file says where to listen."""


class QuickStart:
    def __init__(self, serve: Serve, envoy: Envoy) -> None:
        self.serve = serve
        self._envoy = envoy

    def status(
        self, method: str, path: str, token: str | None, body: Mapping[str, Any] | None = None
    ) -> int:
        headers = {"content-type": "application/json"} if body is not None else {}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        sent = json.dumps(body).encode() if body is not None else None
        address = self._envoy.addresses["gateway"]
        with closing(http.client.HTTPConnection(address, timeout=20)) as connection:
            connection.request(method, path, sent, headers)
            return connection.getresponse().status


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("path", "envoy/authz/allow", "tcp"), id="path, TCP"),
        pytest.param(("query", "data.envoy.authz.allow", "unix"), id="query, Unix socket"),
    ],
)
def quick_start(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[QuickStart]:
    tools.require("envoy")
    key, decision, kind = request.param
    folder = tmp_path_factory.mktemp("qs")
    where = f"127.0.0.1:{free_port()}" if kind == "tcp" else f"unix://{folder}/auth.sock"
    Mounted(folder / "mounted", {"policy.rego": POLICY.encode()})
    config = folder / "config.yaml"
    config.write_text(
        "plugins:\n"
        "  envoy_ext_authz_grpc:\n"
        f"    addr: {where}\n"
        f"    {key}: {decision}\n"
        "    enable-reflection: true\n"
        "decision_logs:\n"
        "  console: true\n"
        "bundles:\n"
        f"  policy: {{resource: 'file://{folder}/mounted'}}\n"
    )
    google = {"google_grpc": {"target_uri": where, "stat_prefix": "ext_authz"}, "timeout": "10s"}
    body = {"max_request_bytes": 8192, "allow_partial_message": True, "pack_as_bytes": True}
    with ExitStack() as held:
        flags = ["--opa-envoy-config", str(config), "--grpc", OF_THE_FILE, "--workers", "1"]
        serve = held.enter_context(closing(Serve(folder, None, *flags)))
        upstream = held.enter_context(closing(EchoUpstream()))
        bootstrap = opa_envoy.gateway(
            OF_THE_FILE,
            upstream.address,
            folder / "access.log",
            {"grpc_service": google, "with_request_body": body},
        )
        envoy = held.enter_context(closing(Envoy(tmp_path_factory.mktemp("envoy"), bootstrap)))
        yield QuickStart(serve, envoy)


def token(role: str, name: str, secret: str = SECRET, ends: int = 3600) -> str:
    now = int(time.time())
    claims = {"role": role, "sub": name, "nbf": now - 60, "exp": now + ends}
    return jwt.encode(claims, secret, algorithm="HS256")


ALICE = "YWxpY2U"  # "alice" as the policy decodes it
BOB = "Ym9i"


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_the_policy_of_the_quick_start_decides(quick_start: QuickStart) -> None:
    guest, admin = token("guest", ALICE), token("admin", BOB)

    assert quick_start.status("GET", "/people", guest) == 200
    assert quick_start.status("GET", "/people/1", admin) == 200
    assert quick_start.status("GET", "/machines", guest) == 403
    assert quick_start.status("POST", "/people", guest, {"firstname": "Charlie"}) == 403
    assert quick_start.status("POST", "/people", admin, {"firstname": "Charlie"}) == 200
    assert quick_start.status("POST", "/people", admin, {"firstname": "Bob"}) == 403
    assert quick_start.status("GET", "/people", None) == 403
    assert quick_start.status("GET", "/people", token("guest", ALICE, secret="other")) == 403
    assert quick_start.status("GET", "/people", token("guest", ALICE, ends=-30)) == 403


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_each_decision_is_a_line_without_the_token(quick_start: QuickStart) -> None:
    secret = token("guest", ALICE, ends=7200)
    assert quick_start.status("GET", "/people/of-the-line", secret) == 200

    def lines() -> list[str]:
        return [
            each for each in quick_start.serve.log.splitlines() if "/people/of-the-line" in each
        ]

    until(lambda: lines() != [], 20)
    event = json.loads(lines()[0])
    assert event["path"] == "envoy/authz/allow"
    assert event["result"] is True
    assert secret not in quick_start.serve.log


def test_probes_are_answered_at_the_admin_port(quick_start: QuickStart) -> None:
    assert quick_start.serve.admin("/readyz")[0] == 200
    assert quick_start.serve.admin("/healthz")[0] == 200
    with quick_start.serve.client() as client:
        assert client.health("") == "SERVING"


@pytest.mark.parametrize(
    ("plugin", "decision"),
    [
        ("{}", "envoy/authz/allow"),
        ("{addr: ':9191'}", "envoy/authz/allow"),
        ("{path: a/b/c}", "a/b/c"),
        ("{query: data.a.b.c}", "a/b/c"),
    ],
)
def test_without_an_address_it_is_port_9191_of_all_addresses(
    tmp_path: Path, plugin: str, decision: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"plugins: {{envoy_ext_authz_grpc: {plugin}}}\n")

    found = read_opa_envoy(path, {}, {})

    assert isinstance(found, OpaEnvoy)
    every = "[::]" if socket.has_dualstack_ipv6() else "0.0.0.0"
    assert found.settings(Settings.model_validate({})).listen.grpc == f"{every}:9191"
    assert found.config.decision == decision

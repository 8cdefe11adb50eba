"""Who we say that we are to services: OAuth2 tokens and signed requests, beside a real OPA."""

import base64
import hashlib
import hmac
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509

from extauthz.opa.oauth2 import TokenSource
from extauthz.opa.problems import RequestFailed
from extauthz.opa.settings import OAuth2, S3Signing
from extauthz.opa.signing import signed_headers
from tests.contract.certificates import Authority
from tests.extauthz.opa.pair import Pair, source
from tests.extauthz.opa.service import ManagementService
from tests.extauthz.opa.test_beside_opa import AUTHZ, POLICY, policy
from tests.extauthz.opa.test_client import served

ALONE = policy("r1", POLICY.replace("data.teams[input.attributes.request.http.path]", '"none"'))
ACCESS, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
"""Of the examples in AWS' own documentation."""
ENVIRON = {
    "AWS_ACCESS_KEY_ID": ACCESS,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_REGION": "us-east-1",
}
S3 = S3Signing.model_validate({"environment_credentials": {}})
TOKEN = "token-of-the-endpoint"


def test_a_request_is_signed_as_in_the_documentation_of_aws() -> None:
    # "Example: GET Bucket (List Objects)" of "Signature Calculations for the Authorization Header".
    url = "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J"

    headers = signed_headers(S3, ENVIRON, "GET", url, b"", 1_369_353_600)

    assert headers["x-amz-date"] == "20130524T000000Z"
    scope = f"Credential={ACCESS}/20130524/us-east-1/s3/aws4_request"
    signed = "SignedHeaders=host;x-amz-content-sha256;x-amz-date"
    signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    assert headers["Authorization"] == f"AWS4-HMAC-SHA256 {scope},{signed},Signature={signature}"


@pytest.mark.parametrize("lacking", sorted(ENVIRON))
def test_a_variable_that_is_lacking_is_named_and_nothing_is_sent(lacking: str) -> None:
    environ = {name: value for name, value in ENVIRON.items() if name != lacking}

    with pytest.raises(RequestFailed, match=f"no {lacking} set"):
        signed_headers(S3, environ, "GET", "https://a.example/b", b"", 0)


def is_signed(path: str, headers: dict[str, str]) -> bool:
    """Whether S3 would take a GET: computed from what came, by the rules of AWS."""
    said = headers["authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(",")
    parts = dict(each.strip().split("=", 1) for each in said)
    access, *scope = parts["Credential"].split("/")
    names = parts["SignedHeaders"].split(";")
    fields = "".join(f"{name}:{headers[name]}\n" for name in names)
    digest = hashlib.sha256(b"").hexdigest()
    canonical = f"GET\n/{path}\n\n{fields}\n{parts['SignedHeaders']}\n{digest}"
    summary = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{'/'.join(scope)}\n{summary}"
    key = f"AWS4{SECRET}".encode()
    for each in (*scope, text):
        key = hmac.digest(key, each.encode(), "sha256")
    assert {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names)
    return access == ACCESS and parts["Signature"] == key.hex()


def test_both_sign_their_requests(tmp_path: Path) -> None:
    service = ManagementService()
    service.publish(AUTHZ, ALONE, '"p1"')
    environ = {**ENVIRON, "AWS_SESSION_TOKEN": "of-a-session"}
    signing = {"s3_signing": {"environment_credentials": {}}}
    pair = Pair(tmp_path, service, {"authz": source("authz")}, credentials=signing, environ=environ)
    try:
        pair.until_active("authz", "r1")
    finally:
        pair.close()
        service.close()

    agents = {headers["user-agent"]: (path, headers) for path, headers, _, _ in service.asked}
    assert len(agents) == 2
    for path, headers in agents.values():
        assert is_signed(path, headers)
        assert headers["x-amz-security-token"] == "of-a-session"
    assert not any(secret in pair.serve.log for secret in (SECRET, "of-a-session"))


class TokenEndpoint:
    """Gives tokens that end after a few seconds; remembers what it was asked."""

    def __init__(self, authority: Authority) -> None:
        self.asked: list[tuple[str | None, str | None, dict[str, list[str]]]] = []
        """Of each request: who, an additional header, the form."""
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                assert self.headers["Content-Type"] == "application/x-www-form-urlencoded"
                who = self.headers["Authorization"]
                endpoint.asked.append((who, self.headers["x-tenant"], parse_qs(form)))
                body = json.dumps(
                    {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 12}
                ).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        pair = authority.issue("endpoint", loopback)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pair.cert, pair.key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}/token"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
def endpoint(authority: Authority) -> Iterator[TokenEndpoint]:
    made = TokenEndpoint(authority)
    yield made
    made.close()


def test_both_ask_for_a_token_and_again_before_it_ends(
    tmp_path: Path, authority: Authority, endpoint: TokenEndpoint
) -> None:
    service = ManagementService(token=TOKEN)
    service.publish(AUTHZ, ALONE, '"p1"')
    oauth2: dict[str, Any] = {
        "token_url": endpoint.url,
        "client_id": "shop",
        "client_secret": "s3cr3t-of-the-client",
        "scopes": ["bundles", "status"],
        "additional_headers": {"x-tenant": "acme"},
        "additional_parameters": {"audience": "opa"},
    }
    pair = Pair(
        tmp_path, service, {"authz": source("authz")}, credentials={"oauth2": oauth2},
        tls={"ca_cert": str(authority.cert)},
    )  # fmt: skip
    try:
        pair.until_active("authz", "r1")
        # A token of twelve seconds is good for two.
        pair.until(lambda: len(endpoint.asked) >= 4)
    finally:
        pair.close()
        service.close()

    basic = base64.b64encode(b"shop:s3cr3t-of-the-client").decode()
    form = {
        "grant_type": ["client_credentials"],
        "scope": ["bundles status"],
        "audience": ["opa"],
    }
    assert all(each == (f"Basic {basic}", "acme", form) for each in endpoint.asked)
    assert len({headers["user-agent"] for _, headers, _, _ in service.asked}) == 2
    assert {status for _, _, status, _ in service.asked} <= {200, 304}
    # Not at each request.
    assert len(service.asked) > len(endpoint.asked)
    assert not any(secret in pair.serve.log for secret in ("s3cr3t", TOKEN))


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (400, '{"error": "the secret s3cr3t is wrong"}', "answered 400"),
        (302, "", "answered 302"),
        (200, "s3cr3t", "gave no token"),
        (200, '{"access_token": 5, "token_type": "bearer"}', "gave no token"),
        (200, '{"access_token": "s3cr3t", "token_type": "mac"}', "gave no bearer token"),
        (200, json.dumps({"access_token": "s3cr3t" * 20_000}), "says too much"),
    ],
)
async def test_a_token_endpoint_that_fails_is_told_without_its_words(
    authority: Authority, status: int, body: str, why: str
) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, text=body, headers={"location": "/elsewhere"})

    pair = authority.issue("failing", x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    runner, url = await served(answer, context)
    settings = OAuth2(token_url=f"{url}/token", client_id="i", client_secret="s3cr3t")
    try:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(RequestFailed) as failed:
                await TokenSource(settings).token(
                    session, ssl.create_default_context(cafile=authority.cert)
                )
    finally:
        await runner.cleanup()

    assert why in failed.value.message
    assert "s3cr3t" not in failed.value.message
    assert asked == ["/token"]

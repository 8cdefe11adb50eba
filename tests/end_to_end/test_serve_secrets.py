"""Secrets are planted wherever a stranger or an operator can put one, and looked for in all that
leaves the process: logs at `debug`, decision lines, every admin page, a profile, answers."""

import base64
import itertools
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from envoy.service.auth.v3 import external_auth_pb2

from callout.testing.opa import OpaServer
from callout.testing.plugin import StartOpa
from callout.testing.redis import RedisServer
from callout.testing.requests import check_request, rate_limit_request
from tests.end_to_end.conftest import ROOT
from tests.end_to_end.serve import CHECK, LIMIT, Serve, policy, run, write_bundle
from tests.extauthz.tokens import ISSUER, claims, jwk, jwks, token

ROUNDS: Final = 120
"""Of some thirty requests each, over two services."""
REGO: Final = (
    "package shop\n\nimport rego.v1\n\ndefault allow := false\n\nallow if input.identity\n"
)
BUNDLE: Final = {
    "all.yaml": policy(
        "known",
        f"auth: {{identity: [{{jwt: {{issuer: '{ISSUER}', audience: [gatewright],"
        " jwks: {file: keys.json}}}], decide: {rego: rego, entrypoint: shop/allow},"
        " emit: {x-user: sub}}\nlimits: [{name: some, by: [identity.email], rate: 3/year}]",
    )
    + policy(
        "asked",
        "auth: {identity: [{anonymous: {}}], decide: {opa: shop/allow}}",
        '{host: "asked.example"}',
    ),
    "rego/shop.rego": REGO,
    "ratelimit/edge.yaml": (
        "domain: edge\ndescriptors:\n"
        "  - {key: api_key, rate_limit: {unit: year, requests_per_unit: 1}}\n"
        "  - {key: authorization, rate_limit: {unit: year, requests_per_unit: 1000}}\n"
    ),
}
BROKEN: Final = """
import extauthz.decide, ratelimit.service

def question(chosen, check, found, real=extauthz.decide.question):
    if "x-boom" in check.headers:
        raise RuntimeError("about " + check.headers["x-boom"])
    return real(chosen, check, found)

def parse(message, real=ratelimit.service.parse):
    if b"boom" in message:
        raise ValueError(message)
    return real(message)

extauthz.decide.question = question
ratelimit.service.parse = parse
"""
"""A mistake of ours whose text is the request's: at start-up of every process under test."""


class Planted:
    """Words that are found nowhere else."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}

    def __call__(self, where: str) -> str:
        if where not in self.words:
            self.words[where] = f"Pl4nt{os.urandom(9).hex()}"
        return self.words[where]

    def add(self, where: str, word: str) -> None:
        """A secret that is what it is."""
        self.words[where] = word

    def found_in(self, output: str) -> list[str]:
        """Where what was planted came out, plain or as base64."""
        return [
            where
            for where, word in self.words.items()
            if any(form in output for form in _forms(word))
        ]


def _forms(word: str) -> Iterator[str]:
    yield word
    yield word.encode().hex()
    for before in range(3):
        # As it looks in the middle of something longer; its ends depend on their neighbours.
        yield base64.b64encode(b"x" * before + word.encode()).decode()[4:-4]


def checks(plant: Planted, good: str) -> list[bytes]:
    """CheckRequests, the last of them none at all."""
    basic = base64.b64encode(f"user:{plant('basic password')}".encode()).decode()
    credentials = {
        "valid": f"Bearer {good}",
        "unknown": f"Bearer {plant('opaque token')}",
        "forged": f"Bearer {good[:-10]}{plant('signature')}",
        "none": f"Bearer eyJhbGciOiJub25lIn0.{plant('unsigned payload')}.",
        "basic": f"Basic {basic}",
        "two": f"Bearer {good}, Bearer {plant('second token')}",
        "strange": f"{plant('scheme')} {plant('rest')}",
    }
    common = {
        "cookie": f"session={plant('cookie')}; other={plant('other cookie')}",
        "x-api-key": plant("api key"),
        plant("header name").lower(): plant("header value"),
        "proxy-authorization": f"Bearer {plant('proxy token')}",
        "referer": f"https://shop.example/?code={plant('referer')}",
    }
    made = []
    for credential in credentials.values():
        headers = {**common, "authorization": credential, "content-type": "application/json"}
        for path, host, body in (
            (f"/a?access_token={plant('query token')}&q={plant('query')}", "shop.example", ""),
            (f"/a#{plant('fragment')}", "asked.example", f'{{"password": "{plant("body")}"}}'),
            (f"/a/../b?{plant('dots')}", "shop.example", f'{{"half": "{plant("half body")}'),
        ):
            made.append(check_request("POST", path, host, headers, body=body).SerializeToString())
    boom = {"authorization": f"Bearer {good}", "x-boom": plant("exception")}
    made.append(check_request(headers=boom).SerializeToString())
    many = {f"x-{number}": plant("many headers") for number in range(3000)}
    made.append(check_request(headers=many).SerializeToString())
    tcp = external_auth_pb2.CheckRequest()
    tcp.attributes.source.principal = plant("principal")
    made.append(tcp.SerializeToString())
    made.append(b"\xff\xfe" + plant("no protobuf").encode())
    return made


def limits(plant: Planted) -> list[bytes]:
    """RateLimitRequests, likewise."""
    shop = {"host": "shop.example", "path": f"/a?k={plant('limited query')}", "method": "GET"}
    return [
        rate_limit_request("edge", {"api_key": plant("descriptor")}).SerializeToString(),
        rate_limit_request(
            "edge", {"authorization": f"Bearer {plant('descriptor token')}"}
        ).SerializeToString(),
        rate_limit_request(
            "gatewright", {**shop, "remote_address": "192.0.2.1"}
        ).SerializeToString(),
        rate_limit_request("edge", {"boom": plant("limit exception")}).SerializeToString(),
        rate_limit_request("edge", {"other": plant("unknown descriptor")}).SerializeToString(),
        rate_limit_request("", {"k": plant("no domain")}).SerializeToString(),
        b"\x0a\xff" + plant("no limit").encode(),
    ]


def ask(serve: Serve, plant: Planted, rounds: int, good: str) -> str:
    """Asks all of it again and again; what a peer is told of errors and refusals."""
    told: list[str] = []
    metadata = (("authorization", f"Bearer {plant('metadata')}"), ("x-key", plant("own metadata")))
    with serve.client() as client:
        calls: list[tuple[str, bytes]] = [(CHECK, each) for each in checks(plant, good)]
        calls += [(LIMIT, each) for each in limits(plant)]
        calls.append((f"/{plant('service name')}/Call", plant("unknown method").encode()))
        for (method, message), _ in itertools.product(calls, range(rounds)):
            try:
                call: Any = client.channel.unary_unary(method)
                answer: bytes = call(message, timeout=5, metadata=metadata)
            except grpc.RpcError as error:
                told.append(f"{error.details()} {error.trailing_metadata()}")
            else:
                if method == CHECK:
                    denied = external_auth_pb2.CheckResponse.FromString(answer)
                    told.append(str(denied.denied_response))
                    told.append(str(denied.status))
                    told.append(str(denied.dynamic_metadata) if denied.status.code else "")
    return "".join(set(told))


def attack(address: str, plant: Planted) -> str:
    """Bytes that are no gRPC, and what comes back."""
    host, _, port = address.rpartition(":")
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
    word = plant("raw bytes").encode()
    header = b"\x00" + bytes([len(b"authorization")]) + b"authorization" + bytes([len(word)]) + word
    frames = [
        b"GET /" + word + b" HTTP/1.1\r\nauthorization: " + word + b"\r\n\r\n",
        preface + word * 20,
        preface + len(header).to_bytes(3, "big") + b"\x01\x05\0\0\0\x01" + header,
        preface + (8 + len(word)).to_bytes(3, "big") + b"\x07\0\0\0\0\0" + b"\0" * 8 + word,
    ]
    back = b""
    for each in frames:
        with (
            suppress(ConnectionError, TimeoutError),
            socket.create_connection((host, int(port)), timeout=5) as connection,
        ):
            connection.sendall(each)
            connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(65536):
                back += data
    return back.decode("latin-1")


@pytest.fixture
def parts(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, opa_server: StartOpa
) -> Iterator[tuple[Planted, RedisServer, OpaServer, Mapping[str, str]]]:
    plant = Planted()
    redis = RedisServer(tmp_path_factory.mktemp("r"), password=plant("redis password"))
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(BROKEN)
    with closing(redis):
        opa = opa_server({"shop.rego": "package shop\n\nallow := true\n"})
        yield plant, redis, opa, {"PYTHONPATH": f"{broken}{os.pathsep}{ROOT}"}


@pytest.mark.parametrize("transport", ["own", "grpcio"])
def test_nothing_planted_is_found_in_any_output(
    parts: tuple[Planted, RedisServer, OpaServer, Mapping[str, str]],
    tmp_path: Path,
    transport: str,
) -> None:
    plant, redis, opa, environ = parts
    good = token(claims(aud=["gatewright"], email=plant("claim"), iat=1, exp=4_000_000_000))
    for number, part in enumerate(good.split(".")):
        plant.add(f"token, part {number}", part)
    bundle = write_bundle(tmp_path / "bundle", BUNDLE)
    (bundle / "keys.json").write_bytes(jwks(jwk("ec")))
    (tmp_path / "token").write_text(plant("admin token"))
    settings = tmp_path / "gatewright.yaml"
    settings.write_text(f"admin: {{token_file: {tmp_path}/token}}")
    flags = ["--settings", str(settings), "--redis", redis.url, "--opa", opa.url]
    flags += ["--decisions", "all", "--level", "debug", "--workers", "2", "--transport", transport]
    outputs: dict[str, str] = {}
    with closing(Serve(tmp_path, bundle, *flags, environ=environ)) as serve:
        outputs["answers"] = ask(serve, plant, ROUNDS, good)
        outputs["answers to raw bytes"] = attack(serve.grpc, plant)
        admin(serve, "/debug/connections", plant("wrong admin token"))
        redis.kill()
        opa.close()
        outputs["answers without neighbours"] = ask(serve, plant, 10, good)
        for page in ("/metrics", "/config", "/version", "/readyz", "/healthz"):
            outputs[page] = admin(serve, page, "")
        for page in ("connections", "decisions/slowest", "limits/hottest", "profile?seconds=1"):
            outputs[page] = admin(serve, f"/debug/{page}", plant("admin token"))
        outputs["raw bytes to the admin port"] = attack(serve.admin_address, plant)
        assert serve.metric("gatewright_decisions_total") > 30 * ROUNDS
        for reason in ("internal", "store_unavailable", "no_credential", "malformed"):
            assert serve.metric("gatewright_decisions_total", reason=reason) > 0, reason
        serve.process.terminate()
        assert serve.wait(30) == 0
        outputs["logs and decision lines"] = serve.log
    assert outputs["logs and decision lines"].count('"kind":"decision"') > 30 * ROUNDS
    assert '"level": "debug"' in outputs["logs and decision lines"]
    assert "check_failed" in outputs["logs and decision lines"], "the exception was raised"
    assert len(plant.words) > 35
    found = {name: plant.found_in(output) for name, output in outputs.items()}
    assert {name: each for name, each in found.items() if each} == {}


def admin(serve: Serve, path: str, secret: str) -> str:
    """An admin page, asked for with a token; refusals are outputs too."""
    request = urllib.request.Request(f"http://{serve.admin_address}{path}")
    if secret:
        request.add_header("Authorization", f"Bearer {secret}")
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            text: str = answer.read().decode()
            return text
    except urllib.error.HTTPError as error:
        return error.read().decode()


@pytest.mark.parametrize(
    "flags",
    [
        ["--opa", "http://user:{secret}@127.0.0.1:8181"],
        ["--redis", "redis://user:{secret}@"],
        ["--redis", "redis://user:{secret}@127.0.0.1:port"],
        ["--redis", "{secret}"],
    ],
    ids=["opa", "no host", "no port", "no url"],
)
def test_settings_that_are_refused_do_not_show_their_secret(flags: list[str]) -> None:
    plant = Planted()
    secret = plant("password")
    done = run("serve", *(each.format(secret=secret) for each in flags))
    assert done.returncode == 1
    assert done.stderr
    assert plant.found_in(done.stdout + done.stderr) == []


def test_what_is_looked_for_would_be_found() -> None:
    plant = Planted()
    word = plant("word")
    for output in (
        f"a {word} b",
        base64.b64encode(f"user:{word}!".encode()).decode(),
        base64.b64encode(f"{word}".encode()).decode(),
        word.encode().hex(),
    ):
        assert plant.found_in(output) == ["word"]
    assert plant.found_in("nothing") == []

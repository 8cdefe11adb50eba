"""`gatewright authz eval` as an author of policies starts it."""

import base64
import contextlib
import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf import json_format

from callout.testing.requests import check_request
from extauthz.policy.compiler import program
from gatewright.cli.main import main
from tests.contract.certificates import Authority
from tests.end_to_end.conftest import ROOT
from tests.end_to_end.serve import Serve, environment, policy, write_bundle
from tests.extauthz.policy.rego import CACHE
from tests.extauthz.tokens import ISSUER, claims, jwk, jwks, token

# the first run on a machine builds OPA's code and translates it: minutes where others run
pytestmark = pytest.mark.timeout(900)
SECONDS: Final = 600.0

REGO: Final = """package shop

default allow := false

segments := split(trim_prefix(input.path, "/"), "/")

allow if {
	input.attributes.request.http.method == "GET"
	segments[0] in data.public
}

allow if segments[0] == input.identity.sub

allow if input.attributes.source.principal == "spiffe://shop/orders"

allow if input.parsed_body.gift == "yes"
"""
KEYS: Final = """
auth:
  identity:
    - jwt: {issuer: ISSUER, audience: [shop], jwks: {JWKS}}
    - anonymous: {}
  decide: {rego: rego/shop, entrypoint: shop/allow, data: rego/shop.json}
  emit: {x-user: sub}
""".replace("ISSUER", ISSUER)
SHOP: Final = {
    "shop.yaml": policy("base", "mode: enforce")
    + policy("shop", KEYS.replace("JWKS", "file: keys.json"), '{host: "*.shop.example", path: /}')
    + policy("staff", "auth: {decide: authenticated}", "{host: staff.shop.example}")
    + policy("quiet", "auth: {mode: off}", "{host: quiet.shop.example}")
    + policy("tried", "auth: {mode: shadow}", "{host: tried.shop.example}")
    + policy(
        "named",
        "auth: {identity: [{anonymous: {}}], decide: authenticated}",
        "{host: named.example}",
    ),
    "rego/shop/shop.rego": REGO,
    "rego/shop.json": '{"public": ["help", "news"]}',
}
Eval = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def ready() -> None:
    """OPA's code, built and translated once, so that no command has to."""
    asked = {
        "command": "compile",
        "sources": {"a.rego": "package a\nb := 1"},
        "entrypoints": ["a/b"],
    }
    program.find(CACHE, print)([asked])


@pytest.fixture
def bundle(tmp_path: Path, ready: None) -> Path:
    folder = write_bundle(tmp_path / "bundle", SHOP)
    (folder / "keys.json").write_bytes(jwks(jwk("ec")))
    return folder


def evaluate(*arguments: str | Path, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "gatewright", "authz", "eval", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        cwd=ROOT,
        env=environment(),
    )


def called(*arguments: str | Path, stdin: str = "") -> tuple[int, str, str]:
    """The same in this process, which is quicker: its status, and what it says."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", environment()["PATH"])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(["authz", "eval", *map(str, arguments)])
    return status, out.getvalue(), err.getvalue()


def report(*arguments: str | Path, stdin: str = "") -> dict[str, Any]:
    status, said, complained = called("--json", *arguments, stdin=stdin)
    assert status in (0, 1), complained
    told: dict[str, Any] = json.loads(said)
    assert status == (0 if told["allowed"] else 1)
    return told


def now_claims(**more: Any) -> dict[str, Any]:
    now = int(time.time())
    return claims(**{"iat": now - 60, "exp": now + 3600, **more})


HOST: Final = ("--host", "www.shop.example")


def test_an_allowed_request(bundle: Path) -> None:
    done = evaluate(bundle, *HOST, "--path", "/help/me")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "ALLOWED (allow: rego)\n"
        "  policy    shop\n"
        "            shop.yaml:10: host *.shop.example\n"
        "            base, shop.yaml:4: host *\n"
        "  identity  anonymous\n"
        "  decide    rego shop/allow of rego/shop, shop.yaml:16\n"
        "  answer    the request goes on\n"
        "            removes x-user, x_user\n"
        '            metadata {"policy": "shop"}\n'
    )


def test_a_denied_request_with_the_rules_that_were_tried(bundle: Path) -> None:
    done = evaluate(bundle, *HOST, "--path", "/secret/1", "--explain")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.partition("\n\n")[2] == (
        "Why: rules of Rego decided\n"
        "  - shop.allow (rego/shop/shop.rego:7) failed\n"
        "      rego/shop/shop.rego:9:2: segments[0] in data.public\n"
        '        segments[0] = "secret"\n'
        '        data.public = ["help","news"]\n'
        '    + shop.segments (rego/shop/shop.rego:5) gave ["secret","1"]\n'
        "  - shop.allow (rego/shop/shop.rego:12) failed\n"
        "      rego/shop/shop.rego:12:10: segments[0] == input.identity.sub\n"
        '        segments[0] = "secret"\n'
        "        input.identity.sub = undefined\n"
        "  - shop.allow (rego/shop/shop.rego:14) failed\n"
        "      rego/shop/shop.rego:14:10:"
        ' input.attributes.source.principal == "spiffe://shop/orders"\n'
        "        input.attributes.source.principal = undefined\n"
        "  - shop.allow (rego/shop/shop.rego:16) failed\n"
        '      rego/shop/shop.rego:16:10: input.parsed_body.gift == "yes"\n'
        "        input.parsed_body.gift = undefined\n"
        "  + default shop.allow (rego/shop/shop.rego:3) gave false\n"
    )


def test_the_rule_that_allowed_is_told(bundle: Path) -> None:
    told = report(bundle, *HOST, "--path", "/news", "--explain")
    explanation = told["explanation"]
    assert explanation["gave"] == [{"rule": "shop.allow", "file": "rego/shop/shop.rego", "line": 7}]
    assert explanation["same"] is True
    assert (explanation["cut"], explanation["errors"], explanation["not_asked"]) == (False, [], [])


# --- who is calling ---


def test_a_token_with_keys_of_the_bundle(bundle: Path) -> None:
    told = report(bundle, *HOST, "--path", "/alice/1", "--token", token(now_claims()))
    assert told["allowed"]
    assert told["identity"] == {"kind": "jwt", "subject": "alice", "issuer": ISSUER}
    assert told["answer"]["headers"] == [["x-user", "alice"]]


@pytest.fixture
def keys_url() -> Iterator[str]:
    body = jwks(jwk("ec"))

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Keys) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}/keys"
        server.shutdown()
        serving.join()


def test_a_token_with_keys_that_are_fetched(bundle: Path, keys_url: str) -> None:
    text = SHOP["shop.yaml"].replace("file: keys.json", f'url: "{keys_url}"')
    (bundle / "shop.yaml").write_text(text)
    file = bundle.parent / "token"
    file.write_text(token(now_claims()) + "\n")
    assert report(bundle, *HOST, "--path", "/alice/1", "--token", f"@{file}")["allowed"]


REFUSED: Final = {
    "expired": {"iat": 1_000_000_000, "exp": 1_000_000_100},
    "audience": {"aud": "elsewhere"},
    "unknown_issuer": {"iss": "https://other.example/"},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_of_a_token_that_is_refused_is_told_what_it_says(bundle: Path, reason: str) -> None:
    made = now_claims(**REFUSED[reason])
    text = token(made)
    told = report(bundle, *HOST, "--path", "/help", "--token", text, "--explain")
    assert (told["allowed"], told["stage"], told["reason"]) == (False, "identity", reason)
    assert told["answer"]["status"] == 401
    assert told["identity"] == {"kind": "refused", "reason": reason}
    explanation = told["explanation"]
    assert {name: explanation["saw"][name] for name in ("alg", "kid", "iss", "aud", "exp")} == {
        "alg": "ES256",
        "kid": "ec",
        "iss": made["iss"],
        "aud": made["aud"],
        "exp": made["exp"],
    }
    assert [each["kind"] for each in explanation["takes"]] == ["jwt", "anonymous"]
    assert "sub" not in explanation["saw"]
    assert text.rpartition(".")[2] not in json.dumps(told)


def test_a_client_certificate_gives_the_principal(bundle: Path, tmp_path: Path) -> None:
    uri = x509.UniformResourceIdentifier("spiffe://shop/orders")
    pair = Authority(tmp_path / "ca").issue("orders", uri)
    assert report(bundle, *HOST, "--path", "/x", "--client-cert", pair.cert)["allowed"]
    assert not report(bundle, *HOST, "--path", "/x")["allowed"]


# --- where it was decided ---

STAGES: Final = {
    "path": (("--host", "www.shop.example", "--path", "/a/../b"), 400, "dot_segments"),
    "policy": (("--host", "www.shop.example", "--policy", "nobody"), 403, "unknown_policy"),
    "identity": (
        ("--host", "www.shop.example", "--header", "authorization: Bearer x"),
        401,
        "token_malformed",
    ),
    "mode": (("--host", "quiet.shop.example"), 200, "off"),
    "authenticated": (("--host", "staff.shop.example"), 401, "not_authenticated"),
    "input": (("--host", "www.shop.example", "--path", "/a?b;c"), 400, "query"),
    "rego": (("--host", "www.shop.example", "--path", "/a"), 403, "rego"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_the_stage_is_told(bundle: Path, stage: str) -> None:
    arguments, status, reason = STAGES[stage]
    told = report(bundle, *arguments, "--explain")
    assert (told["stage"], told["answer"]["status"], told["reason"]) == (stage, status, reason)
    assert told["explanation"]["stage"]
    assert ("rules" in told["explanation"]) == (stage == "rego")


def test_in_shadow_the_request_passes_and_the_rules_are_told(bundle: Path) -> None:
    told = report(bundle, "--host", "tried.shop.example", "--path", "/a", "--explain")
    assert (told["allowed"], told["verdict"], told["shadow"]) == (True, "deny", True)
    assert told["explanation"]["same"]


def test_the_policies_that_match_are_told_from_the_least_specific(bundle: Path) -> None:
    told = report(bundle, "--host", "staff.shop.example")
    assert told["policy"]["name"] == "staff"
    assert [(each["policy"], each["line"], each["by"]) for each in told["policy"]["matched"]] == [
        ("base", 4, "host *"),
        ("shop", 10, "host *.shop.example"),
        ("staff", 23, "host staff.shop.example"),
    ]
    named = report(bundle, "--host", "elsewhere.example", "--policy", "named")
    assert named["policy"]["matched"][-1]["by"] == "the route names it"


def test_an_opa_server_is_asked_as_serve_asks_it(
    bundle: Path, tmp_path: Path, opa_server: Any
) -> None:
    opa = opa_server({"far.rego": 'package far\n\nallow := input.path == "/yes"\n'})
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"opa: {opa.url}\nbundle: {bundle}\n")
    far = "auth: {identity: [{anonymous: {}}], decide: {opa: far/allow}}"
    (bundle / "far.yaml").write_text(policy("far", far, "{host: far.example}"))
    with_settings = ("--settings", settings, "--host", "far.example")
    assert report(*with_settings, "--path", "/yes")["allowed"]
    told = report(*with_settings, "--path", "/no", "--explain")
    assert (told["stage"], told["allowed"]) == ("opa", False)
    assert "decide: {rego: ...}" in told["explanation"]["why_not"]


def test_what_would_ask_others_is_not_asked_again(bundle: Path, keys_url: str) -> None:
    host = keys_url.split("/")[2]
    outside = (
        "auth: {identity: [{anonymous: {}}], decide: {rego: rego/out, entrypoint: out/allow,"
        f' allow: {{http: {{hosts: ["{host}"], private: true}}}}}}}}'
    )
    (bundle / "out.yaml").write_text(policy("out", outside, "{host: out.example}"))
    (bundle / "rego/out").mkdir()
    (bundle / "rego/out/out.rego").write_text(
        "package out\n\ndefault allow := false\n\n"
        f'allow if http.send({{"method": "GET", "url": "{keys_url}"}}).status_code == 200\n'
    )
    done = evaluate(bundle, "--host", "out.example", "--explain")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "http.send was not asked again: here it has no value\n" in done.stdout
    assert "came to another result than the decision above" in done.stdout


# --- the same as served ---

REQUESTS: Final = (
    ("GET", "/help", {}),
    ("POST", "/help", {}),
    ("GET", "/alice/1", {"authorization": "Bearer TOKEN"}),
    ("GET", "/bob/1", {"authorization": "Bearer TOKEN"}),
    ("GET", "/help", {"authorization": "Bearer x.y.z"}),
    ("GET", "/a/../b", {}),
    ("GET", "/help?a;b", {}),
)


def test_it_is_what_serve_answers(bundle: Path, tmp_path: Path) -> None:
    text = token(now_claims())
    with closing(Serve(tmp_path, bundle)) as serve, serve.client() as client:
        for method, path, headers in REQUESTS:
            sent = {name: value.replace("TOKEN", text) for name, value in headers.items()}
            request = check_request(method, path, "www.shop.example", sent)
            served = client.check(request)
            file = tmp_path / "request.json"
            file.write_text(json_format.MessageToJson(request))
            told = report(bundle, "--input", file)["answer"]
            if served.status.code == 0:
                assert told["status"] == 200
                options = served.ok_response.headers
                assert told["remove"] == list(served.ok_response.headers_to_remove)
            else:
                options = served.denied_response.headers
                assert told["status"] == served.denied_response.status.code
                assert told["body"] == served.denied_response.body
            assert told["headers"] == [[one.header.key, one.header.value] for one in options]
            metadata = json_format.MessageToDict(served.dynamic_metadata)
            metadata.pop("decision_id")
            assert told["metadata"] == metadata


# --- how a request is written ---


def test_flags_and_json_mean_the_same(bundle: Path, tmp_path: Path) -> None:
    body = '{"gift": "yes"}'
    small = {
        "method": "POST",
        "path": "/x",
        "host": "www.shop.example",
        "headers": {"content-type": "application/json", "x-a": ["1", "2"]},
        "body": body,
    }
    file = tmp_path / "body"
    file.write_text(body)
    flags = (
        *HOST,
        "--method",
        "POST",
        "--path",
        "/x",
        "--header",
        "Content-Type: application/json",
    )
    found = [
        report(bundle, *flags, "--body", body),
        report(bundle, *flags, "--body-file", file),
        report(bundle, "--input", "-", stdin=json.dumps(small)),
    ]
    assert found[0]["allowed"]
    assert found[0] == found[1] == found[2]
    assert not report(bundle, *flags)["allowed"]


def test_an_input_document_is_asked_of_a_policy(bundle: Path) -> None:
    document = {"path": "/carol/1", "identity": {"sub": "carol"}, "attributes": {}}
    asked = (bundle, "--document", "--input", "-", "--policy", "shop", "--explain")
    told = report(*asked, stdin=json.dumps(document))
    assert told["allowed"]
    assert told["identity"] == {"kind": "given", "subject": "carol"}
    assert told["answer"]["headers"] == [["x-user", "carol"]]
    assert told["explanation"]["same"]
    denied = report(*asked, stdin=json.dumps({**document, "path": "/dave/1"}))
    assert (denied["stage"], denied["answer"]["status"]) == ("rego", 403)


BAD: Final = {
    "two ways": (("--input", "-", "--method", "GET"), "{}", "expected --input or --method"),
    "two bodies": (("--body", "a", "--body-file", "b"), "", "expected --body or --body-file"),
    "no JSON": (("--input", "-"), "{", "expected JSON"),
    "no object": (("--input", "-"), "[]", "expected a JSON object"),
    "unknown key": (("--input", "-"), '{"metod": "GET"}', "found 'metod'"),
    "no text": (("--input", "-"), '{"path": 1}', "expected texts"),
    "no CheckRequest": (("--input", "-"), '{"attributes": {"sauce": 1}}', "CheckRequest"),
    "two policies": (
        ("--input", "-", "--policy", "shop"),
        '{"attributes": {}}',
        "found --policy",
    ),
    "no UTF-8": (("--path", "/\udcff"), "", "expected texts in UTF-8"),
    "nor in JSON": (("--input", "-"), '{"path": "\\ud800"}', "expected texts in UTF-8"),
    "no file": (("--input", "/nowhere"), "", "No such file"),
    "no header": (("--header", "x"), "", "expected --header 'name: value'"),
    "no certificate": (("--client-cert", "/dev/null"), "", "expected a certificate as PEM"),
    "no document": (("--document",), "", "expected --input with --document"),
    "which policy": (("--document", "--input", "-"), "{}", "expected --policy, one of"),
    "no such policy": (
        ("--document", "--input", "-", "--policy", "x"),
        "{}",
        "expected a policy that decides, found x",
    ),
    "off": (("--document", "--input", "-", "--policy", "quiet"), "{}", "policy quiet asks nobody"),
    "asks nobody": (
        ("--document", "--input", "-", "--policy", "named"),
        "{}",
        "policy named",
    ),
}


@pytest.mark.parametrize("mistake", BAD)
def test_what_cannot_be_asked_ends_with_2(bundle: Path, mistake: str) -> None:
    arguments, stdin, said = BAD[mistake]
    status, told, complained = called(bundle, *arguments, stdin=stdin)
    assert (status, told) == (2, "")
    assert said in complained


def test_a_bad_bundle_ends_with_2_and_its_problems(bundle: Path) -> None:
    (bundle / "rego/shop/shop.rego").write_text("package shop\n\nallow if nonsense(1)\n")
    done = evaluate(bundle, *HOST)
    assert (done.returncode, done.stdout) == (2, "")
    assert "rego/shop/shop.rego:3:10" in done.stderr


def test_help_says_how_it_ends() -> None:
    done = evaluate("--help")
    assert done.returncode == 0
    assert "exit 0 it passes, 1 denied, 2 cannot be asked" in " ".join(done.stdout.split())


# --- secrets ---

SECRETS: Final = {
    "token": "Tokengeheimnis",
    "cookie": "Kekskruemel",
    "key": "Apischluessel-99-Q",
    "body": "Koerpergeheimnis",
    "query": "Fragegeheimnis",
    "pin": "730157",
    "client": "Datengeheimnis",
}
LEAKY: Final = """package leaky

http := input.attributes.request.http

key := http.headers["x-api-key"]

cookies := {name: value |
	some pair in split(http.headers.cookie, "; ")
	[name, value] := split(pair, "=")
}

seen(text) := text if { contains(text, "-nothing-") }

allow := {
	"allowed": false,
	"body": concat(" ", ["no", key, cookies.session]),
	"headers": {"x-echo": key, "x-words": upper(input.parsed_body.word)},
	"dynamic_metadata": {"leak": base64.encode(key), cookies.session: input.parsed_body.pin},
} if {
	input.path == "/answer"
}

else := false if {
	lower(key) == "x"
}

else := false if {
	x := base64.encode(http.headers.cookie)
	x == http.path
}

else := false if {
	parts := split(http.headers.authorization, " ")
	hex.encode(parts[1]) == parts[0]
}

else := false if {
	every part in split(key, "-") { part == "z" }
}

else := false if seen(input.parsed_body.word)

else := false if {
	y := input.parsed_body.pin + 1
	y == to_number(sprintf("%v", [input.parsed_body.pin]))
}

else := false if {
	some name, client in data.clients
	client.client_secret == strings.reverse(key)
}

else := false if {
	data.clients[key].name == "x"
}

else := false if {
	http.headers["accept"][input.parsed_body.word] == "x"
}

else := false if {
	some name, _ in cookies
	input.attributes[cookies[name]].x == data.clients[input.parsed_body.word]
}

else := false if {
	query := input.parsed_query.token[_]
	query in cookies
}

else := false if {
	[_, claims, _] := io.jwt.decode(trim_prefix(http.headers.authorization, "Bearer "))
	claims.private == input.path
}

else := false
"""


def planted(bundle: Path) -> tuple[str | Path, ...]:
    """A request that is full of secrets, and a policy that turns them over."""
    leaky = (
        "auth: {identity: [{anonymous: {}}],"
        " decide: {rego: rego/leaky, entrypoint: leaky/allow, data: rego/leaky.json}}"
    )
    files = {
        "leaky.yaml": policy("leaky", leaky, "{host: leaky.example}"),
        "rego/leaky/leaky.rego": LEAKY,
        "rego/leaky.json": json.dumps({"clients": {"a": {"client_secret": SECRETS["client"]}}}),
    }
    write_bundle(bundle, files)
    secret_claims = {"sub": "x", "private": SECRETS["token"]}
    parts = [
        base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=")
        for each in ({"alg": "none"}, secret_claims)
    ]
    jwt = ".".join((*parts, "c2ln" + SECRETS["token"]))
    body = json.dumps({"word": SECRETS["body"], "pin": int(SECRETS["pin"])})
    # fmt: off
    return (
        bundle, "--host", "leaky.example", "--method", "POST", "--body", body,
        "--header", "content-type: application/json",
        "--header", f"authorization: Bearer {jwt}",
        "--header", f"cookie: session={SECRETS['cookie']}; theme=dark",
        "--header", f"x-api-key: {SECRETS['key']}",
        "--explain",
    )
    # fmt: on


def disguises(secret: str) -> set[str]:
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    plain = {secret, secret[::-1], secret.encode().hex(), encoded, encoded[4:-4]}
    return {each.lower() for each in plain if len(each) > 3}


@pytest.mark.parametrize("path", ["/answer", "/rules"])
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_no_secret_of_a_request_is_told(bundle: Path, path: str, form: tuple[str, ...]) -> None:
    query = f"{path}?token={SECRETS['query']}"
    done = evaluate(*planted(bundle), "--path", query, *form)
    assert done.returncode == 1, done.stderr
    assert "leaky.allow" in done.stdout
    said = (done.stdout + done.stderr).lower()
    for name, secret in SECRETS.items():
        for each in disguises(secret):
            assert each not in said, (name, each)
    assert str(int(SECRETS["pin"]) + 1) not in said
    assert "***" in said


def test_the_secrets_are_there_to_be_found(bundle: Path) -> None:
    """Without this the test above could not fail."""
    arguments = [str(each) for each in planted(bundle)]
    arguments += ["--path", f"/rules?token={SECRETS['query']}"]
    told = json.dumps(arguments) + (bundle / "rego/leaky.json").read_text()
    hidden = base64.urlsafe_b64encode(json.dumps({"private": SECRETS["token"]}).encode()).decode()
    assert SECRETS["token"] in told or hidden[12:20] in told
    assert all(secret in told for name, secret in SECRETS.items() if name != "token")
    explained = report(*arguments)["explanation"]
    failed = [each["failed"]["text"] for each in explained["rules"] if each["failed"]]
    assert explained["same"]
    assert len(failed) >= 8


def test_a_check_request_of_a_connection_is_decided(bundle: Path) -> None:
    request = external_auth_pb2.CheckRequest()
    request.attributes.source.principal = "spiffe://shop/orders"
    request.attributes.tls_session.sni = "www.shop.example"
    told = report(bundle, "--input", "-", "--explain", stdin=json_format.MessageToJson(request))
    assert told["allowed"]
    assert told["explanation"]["same"]

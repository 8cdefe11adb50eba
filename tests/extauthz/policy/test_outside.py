"""`http.send`, `net.lookup_ip_addr`, `opa.runtime`: what a permit lets a policy do, no more."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from callout.config.bundle import Bundle
from callout.config.snapshot import Snapshot, build
from callout.grpc.call import Call
from callout.testing.opa import OpaServer
from callout.testing.requests import check_request
from extauthz.config import AuthSection
from extauthz.policy.compiler.plans import compiled_path, plan_key
from extauthz.policy.engine import UNDEFINED, PolicyFailed
from extauthz.policy.outside import http_client, waiting
from extauthz.policy.outside.http_cache import HttpCache
from extauthz.policy.outside.http_messages import Answer
from extauthz.policy.outside.permits import HttpPermit, Permits, address_allowed
from extauthz.policy.outside.waiting import WaitingEngine
from extauthz.policy.problems import PlanRejected
from extauthz.policy.rego import RegoEngine, load_plan
from extauthz.policy.values.text import to_json
from extauthz.service import AuthorizationService
from tests.extauthz.policy.rego import plan, refusal
from tests.extauthz.world import Answered, NoKeys, Recorder

SEND = "package test\np := http.send(input)"


class Server:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                size = int(self.headers.get("content-length", 0))
                body = self.rfile.read(size)
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.asked.append((self.command, self.path, headers, body))
                status, extra, content = server.answer(self.path, headers)
                self.send_response(status)
                for name, value in extra:
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 - as the library calls it

            def log_message(self, *_: Any) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def answer(
        self, path: str, headers: dict[str, str]
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        found = b'{"a": [1, 1.50, "x"]}'
        as_json = [("content-type", "application/json; charset=utf-8")]
        match path.split("?")[0]:
            case "/json":
                return 200, as_json, found
            case "/plain":
                return 200, [("content-type", "text/plain"), ("x-a", "1"), ("x-a", "2")], found
            case "/yaml":
                return 200, [("content-type", "application/yaml")], b"a: [1, b]"
            case "/broken":
                return 200, as_json, b"{"
            case "/slow":
                time.sleep(1)
                return 200, as_json, found
            case "/large":
                return 200, as_json, b'"' + b"x" * 5000 + b'"'
            case "/kept":
                return 200, [*as_json, ("cache-control", "max-age=60")], found
            case "/stale":
                if headers.get("if-none-match") == "one":
                    return 304, [("etag", "one"), ("cache-control", "max-age=0")], b""
                return 200, [*as_json, ("etag", "one"), ("cache-control", "max-age=0")], found
            case "/no-store":
                return 200, [*as_json, ("cache-control", "no-store, max-age=60")], found
            case "/to-json":
                return 302, [("location", "/json")], b""
            case "/to-localhost":
                return 302, [("location", f"http://localhost:{self.port}/json")], b""
            case "/to-other":
                return 302, [("location", "http://other.example/json")], b""
            case "/round":
                return 302, [("location", "/round")], b""
            case _:
                return 404, as_json, b'{"code": "none"}'

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def permits(server: Server, **more: Any) -> Permits:
    hosts = frozenset({f"127.0.0.1:{server.port}", f"localhost:{server.port}"})
    http = {"methods": frozenset({"GET", "POST"}), "private": True, **more}
    return Permits(HttpPermit(hosts, **http), frozenset({"localhost"}), {"config": {}})


def engine(text: str, permitted: Permits) -> WaitingEngine:
    made = load_plan(plan(text), "test/p", None, permitted=permitted.allowed())
    assert isinstance(made, RegoEngine), made
    return WaitingEngine(made, permitted)


async def decide(made: WaitingEngine, document: Any, seconds: float = 5) -> Any:
    answering = made.decide(document, time.monotonic() + seconds)
    assert not isinstance(answering, PolicyFailed)
    return await answering


async def sent(server: Server, path: str, made: WaitingEngine | None = None, **more: Any) -> Any:
    made = made or engine(SEND, permits(server))
    request = {"method": "GET", "url": f"http://127.0.0.1:{server.port}{path}", **more}
    return await decide(made, request)


@pytest.fixture(autouse=True)
async def closed() -> Any:
    yield
    await http_client.close()


@pytest.mark.parametrize("name", ["http.send", "net.lookup_ip_addr", "opa.runtime"])
def test_without_a_permit_the_policy_is_refused_when_it_is_loaded(name: str) -> None:
    operand = {"http.send": '{"method": "GET", "url": "x"}', "opa.runtime": ""}.get(name, '"x"')
    text = f"package test\np := {name}({operand})"
    key = {"http.send": "http", "opa.runtime": "runtime"}.get(name, "lookup")
    problems = refusal(plan(text))
    assert problems == (
        f"0.rego:2:6: the builtin {name} needs `allow.{key}` in the policy's `decide`",
    )


@pytest.mark.parametrize("path", ["/json", "/plain", "/yaml", "/broken", "/none", "/to-json"])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"method": "post", "body": {"x": [1, "ö"]}},
        {"method": "POST", "raw_body": "x", "headers": {"content-type": "a/b", "X-Y": "z"}},
        {"enable_redirect": True},
        {"force_json_decode": True},
        {"force_yaml_decode": True},
    ],
)
async def test_answers_are_what_a_real_opa_gives(
    server: Server, opa: OpaServer, path: str, more: dict[str, Any]
) -> None:
    ours = await sent(server, path, **more)
    request = {"method": "GET", "url": f"http://127.0.0.1:{server.port}{path}", **more}
    theirs = (await asyncio.to_thread(opa.query, "test/p", request))["result"]
    for each in (ours, theirs):
        each["headers"].pop("date")
        each["headers"].pop("server")
    assert json.loads(to_json(ours)) == json.loads(json.dumps(theirs))
    (mine, its) = server.asked[: len(server.asked) // 2], server.asked[len(server.asked) // 2 :]
    assert [(m, p, b) for m, p, _, b in mine] == [(m, p, b) for m, p, _, b in its]


@pytest.fixture(scope="module")
def opa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpaServer]:
    made = OpaServer(tmp_path_factory.mktemp("opa"), {"test.rego": SEND})
    yield made
    made.close()


@pytest.mark.parametrize(
    "request_",
    [
        {"url": "http://other.example/"},
        {"url": "http://127.0.0.1/"},
        {"url": "https://127.0.0.1/"},
        {"url": "http://127.0.0.1.other.example/"},
        {"url": "http://user@other.example/"},
        {"url": "ftp://127.0.0.1/"},
        {"url": "unix://localhost/?socket=%2Ftmp%2Fx"},
        {"url": "file:///etc/passwd"},
        {"url": "http://127.0.0.1:{port}@other.example/"},
        {"url": "http://127.0.0.1:{port}\\@other.example/"},
        {"url": "http://127.1:{port}/json"},
        {"url": "http://127.0.0.1:{port}/ x"},
        {"method": "DELETE"},
        {"headers": {"a": "b\r\nc: d"}},
        {"headers": {"a\n": "b"}},
        {"url": 1},
        {"other": 1},
    ],
)
async def test_what_is_not_permitted_or_broken_is_not_sent(
    server: Server, request_: dict[str, Any]
) -> None:
    url = request_.get("url")
    if isinstance(url, str):
        request_ = {**request_, "url": url.replace("{port}", str(server.port))}
    assert await sent(server, "/json", **request_) is UNDEFINED
    assert server.asked == []


@pytest.mark.parametrize(
    "field", ["tls_ca_cert_file", "tls_client_key_env_variable", "tls_client_key"]
)
async def test_files_and_environment_are_out_of_reach(server: Server, field: str) -> None:
    more: dict[str, Any] = {field: "/etc/passwd"}
    answer = await sent(server, "/json", **more)
    assert answer == PolicyFailed("rego_builtin", f"http.send: {field} is not supported")
    assert server.asked == []


async def test_verification_cannot_be_turned_off(server: Server) -> None:
    answer = await sent(server, "/json", tls_insecure_skip_verify=True)
    assert isinstance(answer, PolicyFailed)


async def test_a_private_address_needs_a_word_of_its_own(server: Server) -> None:
    made = engine(SEND, permits(server, private=False))
    for host in ("127.0.0.1", "localhost"):
        url = f"http://{host}:{server.port}/json"
        assert await decide(made, {"method": "GET", "url": url}) is UNDEFINED
    assert server.asked == []


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("93.184.216.34", True, True), ("10.0.0.1", False, True), ("127.0.0.1", False, True),
        ("169.254.169.254", False, False), ("::ffff:169.254.169.254", False, False),
        ("::ffff:10.0.0.1", False, True), ("::1", False, True), ("fe80::1", False, False),
        ("fd00::1", False, True), ("0.0.0.0", False, False), ("224.0.0.1", False, False),
        ("100.64.0.1", False, True), ("2606:2800:220:1::1", True, True),
    ],
)  # fmt: skip
def test_addresses_are_of_a_kind(address: str, public: bool, private: bool) -> None:
    assert address_allowed(address, False) is public
    assert address_allowed(address, True) is private


async def test_a_redirection_goes_only_where_a_request_may_go(server: Server) -> None:
    assert (await sent(server, "/to-other"))["status_code"] == 302
    assert await sent(server, "/to-other", enable_redirect=True) is UNDEFINED
    assert await sent(server, "/round", enable_redirect=True) is UNDEFINED


async def test_credentials_do_not_go_along_to_another_host(server: Server) -> None:
    headers = {"authorization": "secret", "x-other": "kept"}
    found = await sent(server, "/to-localhost", enable_redirect=True, headers=headers)
    assert found["status_code"] == 200
    first, second = (headers for _, _, headers, _ in server.asked)
    assert first["authorization"] == "secret"
    assert "authorization" not in second
    assert second["x-other"] == "kept"


async def test_an_answer_too_large_or_too_late_is_none(server: Server) -> None:
    made = engine(SEND, permits(server, max_body=1000, timeout=0.2))
    assert await sent(server, "/large", made) is UNDEFINED
    began = time.monotonic()
    found = await sent(server, "/slow", made, raise_error=False, timeout="10s")
    assert time.monotonic() - began < 0.9
    assert found["status_code"] == 0
    assert found["error"]["code"] == "eval_http_send_network_error"
    assert found["error"]["message"].endswith("request timed out")


async def test_the_decisions_deadline_ends_it(server: Server) -> None:
    made = engine(SEND, permits(server))
    request = {"method": "GET", "url": f"http://127.0.0.1:{server.port}/slow"}
    began = time.monotonic()
    answer = await decide(made, request, seconds=0.2)
    assert time.monotonic() - began < 0.9
    assert isinstance(answer, PolicyFailed)
    assert answer.reason == "deadline"
    assert answer.unanswered


async def test_others_go_on_while_one_waits(server: Server) -> None:
    made = engine(SEND, permits(server, timeout=5))
    slow = [asyncio.ensure_future(sent(server, f"/slow?{i}", made)) for i in range(4)]
    await asyncio.sleep(0.05)
    began = time.monotonic()
    assert (await sent(server, "/json", made))["status_code"] == 200
    assert time.monotonic() - began < 0.7
    assert [answer["status_code"] for answer in await asyncio.gather(*slow)] == [200] * 4


async def test_more_than_may_wait_fail_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAITING", 2)
    made = engine(SEND, permits(server, timeout=5))
    document = {"method": "GET", "url": f"http://127.0.0.1:{server.port}/slow"}
    first = [made.decide(document, None) for _ in range(2)]
    refused = made.decide(document, None)
    assert isinstance(refused, PolicyFailed)
    assert refused.reason == "rego_overloaded"
    await asyncio.gather(*first)  # type: ignore[arg-type]
    assert not isinstance(made.decide({}, None), PolicyFailed)


TWICE = """package test
p := [a, b] if {
	a := http.send(input).status_code
	b := http.send(object.union(input, {"headers": {"x-id": "1"}})).status_code
	http.send(input).status_code == a
}"""


async def test_equal_requests_of_one_decision_are_sent_once(server: Server) -> None:
    made = engine(TWICE, permits(server))
    assert await sent(server, "/json", made) == [200, 200]
    assert len(server.asked) == 2
    more = {"cache_ignored_headers": ["x-id"], "headers": {"x-a": "1"}}
    assert await sent(server, "/json", made, **more) == [200, 200]
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("path", "more", "asked"),
    [
        ("/kept", {}, 3),
        ("/kept", {"cache": True}, 1),
        ("/no-store", {"cache": True}, 3),
        ("/json", {"cache": True}, 3),
        ("/stale", {"cache": True}, 3),
        ("/no-store", {"force_cache": True, "force_cache_duration_seconds": 60}, 1),
        ("/none", {"force_cache": True, "force_cache_duration_seconds": 60}, 1),
    ],
)
async def test_answers_serve_other_decisions_as_long_as_they_say(
    server: Server, path: str, more: dict[str, Any], asked: int
) -> None:
    made = engine(SEND, permits(server))
    found = [await sent(server, path, made, **more) for _ in range(3)]
    assert found[0]["body"] == found[2]["body"] is not None
    assert len(server.asked) == asked
    conditions = [headers.get("if-none-match") for _, _, headers, _ in server.asked]
    assert conditions == ([None, "one", "one"] if path == "/stale" else [None] * asked)


async def test_no_other_policy_gets_a_kept_answer(server: Server) -> None:
    for _ in range(2):
        await sent(server, "/kept", cache=True)
    assert len(server.asked) == 2


def test_kept_answers_take_bounded_room() -> None:
    cache = HttpCache(10_000)
    for number in range(100):
        cache.put(number, Answer(200, "OK", {}, b"x" * 500), 1.0)
    kept = [number for number in range(100) if cache.get(number)]
    assert kept == list(range(90, 100))
    cache.put("large", Answer(200, "OK", {}, b"x" * 5000), 1.0)
    assert cache.get("large") is None


async def test_names_are_looked_up_if_permitted(server: Server) -> None:
    made = engine("package test\np := net.lookup_ip_addr(input)", permits(server))
    assert "127.0.0.1" in await decide(made, "localhost")
    assert await decide(made, "other.example") is UNDEFINED


async def test_the_runtime_is_what_was_written(server: Server) -> None:
    made = engine("package test\np := opa.runtime()", permits(server))
    assert await decide(made, {}) == {"config": {}}


def test_a_plan_with_other_builtins_missing_names_both() -> None:
    made = load_plan(plan(SEND), "test/p", None)
    assert isinstance(made, PlanRejected)


POLICY = """
apiVersion: bundle/v1
kind: Policy
name: shop
on: [{host: "*"}]
auth:
  identity: [anonymous: {}]
  cache: {ttl: 60}
  decide:
    rego: rego
    entrypoint: test/p
    allow: {http: {hosts: ["127.0.0.1:PORT"], private: true}}
"""
RIGHTS = """package test
default p := false
p if http.send({
	"method": "GET",
	"url": sprintf("http://127.0.0.1:%v%v", [input.parsed_query.port[0], input.path]),
}).body.a[0] == 1
"""


async def test_a_check_waits_for_the_answer_and_is_not_remembered(server: Server) -> None:
    sources = {"rego/shop.rego": RIGHTS.encode()}
    name = compiled_path(plan_key(sources, "test/p"))
    text = POLICY.replace("PORT", str(server.port)).encode()
    bundle = Bundle({"shop.yaml": text, **sources, name: plan(RIGHTS)})
    snapshot = build(bundle, [AuthSection()])
    assert isinstance(snapshot, Snapshot), snapshot
    service = AuthorizationService(lambda: snapshot, Recorder(), NoKeys())
    for path, allowed in (("/json", True), ("/json", True), ("/none", False)):
        message = check_request("GET", f"{path}?port={server.port}")
        reply = service.check(message.SerializeToString(), Call((), None, "test"))
        assert not isinstance(reply, bytes)
        assert Answered(await reply).allowed is allowed
    assert len(server.asked) == 3

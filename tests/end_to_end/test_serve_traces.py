"""Traces and exemplars of a running `gatewright serve`, at a real collector."""

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from callout.observe.traces.otlp import STATUS_ERROR, ExportTraceServiceRequest
from callout.observe.traces.span import CLIENT, SERVER
from callout.testing.plugin import StartEnvoy
from callout.testing.redis import RedisServer
from callout.testing.requests import check_request, rate_limit_request
from callout.testing.upstream import EchoUpstream
from tests.callout.observe.collector import Collector, attributes
from tests.end_to_end.conftest import ROOT, until
from tests.end_to_end.serve import (
    CHECK,
    EVERYBODY,
    LIMIT,
    OPEN,
    Edge,
    Serve,
    gateway,
    policy,
    write_bundle,
)
from tests.extauthz.tokens import jwk, jwks, private_key

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
OTHER, OTHER_SPAN = "f" * 32, "e" * 16
ASKED = f"00-{TRACE}-{SPAN}-01"
CALL = ("traceparent", f"00-{OTHER}-{OTHER_SPAN}-01")
LIMITS = (
    "limits: [{name: all, by: [host], rate: 1000/year}, {name: each, by: [path], rate: 1000/year}]"
)
SHOP = {"shop.yaml": policy("shop", f"{OPEN}\n{LIMITS}"), **EVERYBODY}
OURS = {"host": "shop.example", "path": "/orders", "method": "GET", "remote_address": "192.0.2.7"}
ISSUER = "https://idp.shop.example/"


class Started:
    """What a test runs."""

    def __init__(self, folder: Path, running: ExitStack) -> None:
        self._folder = folder
        self._running = running

    def serve(
        self,
        collector: str | None,
        *flags: str,
        files: dict[str, str] | None = None,
        **telemetry: str,
    ) -> Serve:
        environ = {f"GATEWRIGHT_TELEMETRY__{key}": value for key, value in telemetry.items()}
        if collector is not None:
            environ["GATEWRIGHT_TELEMETRY__OTLP"] = collector
        bundle = write_bundle(self._folder / "bundle", files or SHOP)
        return self._running.enter_context(
            closing(Serve(self._folder, bundle, *flags, environ=environ))
        )

    def collector(self, **how: Any) -> Collector:
        return self._running.enter_context(Collector(**how))

    def neighbour(self) -> "Neighbour":
        return self._running.enter_context(closing(Neighbour()))


class Neighbour:
    """An OPA server that allows all, and a key server; keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: dict[str, dict[str, str]] = {}
        """Headers by path."""
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(jwks(jwk("ec")))

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.answer(b'{"result": true}')

            def answer(self, body: bytes) -> None:
                asked[self.path] = {name.lower(): value for name, value in self.headers.items()}
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Started]:
    with ExitStack() as running:
        yield Started(tmp_path, running)


def call(serve: Serve, path: str, message: Any, *metadata: tuple[str, str]) -> bytes:
    with serve.client() as client:
        method = client.channel.unary_unary(path)
        answer: bytes = method(message.SerializeToString(), metadata=metadata, timeout=10)
        return answer


def tree(spans: list[Any]) -> dict[str, str]:
    """Each span's name, and the name of its parent; of a strange parent its id."""
    names = {each.span_id: each.name for each in spans}
    return {each.name: names.get(each.parent_span_id, each.parent_span_id.hex()) for each in spans}


def named(spans: list[Any], name: str) -> Any:
    (found,) = (each for each in spans if each.name == name)
    return found


def duration(span: Any) -> int:
    return span.end_time_unix_nano - span.start_time_unix_nano


# --- the tree ---


@pytest.mark.parametrize("transport", ["own", "grpcio"])
def test_a_check_is_a_tree_of_spans_under_the_request_s_own(start: Started, transport: str) -> None:
    collector = start.collector()
    serve = start.serve(collector.url, "--transport", transport)
    before = time.time_ns()
    headers = {"traceparent": ASKED, "tracestate": "congo=t61"}
    call(serve, CHECK, check_request(headers=headers))
    spans = collector.wait_for(3)
    assert tree(spans) == {
        CHECK[1:]: SPAN,
        "authz decision": CHECK[1:],
        "policy evaluation": "authz decision",
    }
    assert {each.trace_id.hex() for each in spans} == {TRACE}
    assert {each.trace_state for each in spans} == {"congo=t61"}
    server = named(spans, CHECK[1:])
    assert server.kind == SERVER
    assert not server.links
    assert attributes(server) == {
        "rpc.system": "grpc",
        "rpc.service": "envoy.service.auth.v3.Authorization",
        "rpc.method": "Check",
        "rpc.grpc.status_code": 0,
    }
    assert attributes(named(spans, "authz decision")) == {
        "gatewright.face": "authz",
        "gatewright.policy": "shop",
        "gatewright.verdict": "allow",
        "gatewright.reason": "rego",
        "gatewright.shadow": False,
        "gatewright.bundle.digest": serve.config()["digest"],
    }
    assert attributes(named(spans, "policy evaluation")) == {
        "gatewright.engine": "rego",
        "gatewright.entrypoint": "shop/allow",
    }
    assert before <= server.start_time_unix_nano <= server.end_time_unix_nano <= time.time_ns()
    assert duration(server) >= duration(named(spans, "authz decision")) > 0
    (resource,) = collector.resources()
    assert len(resource.pop("service.instance.id")) == 32
    assert resource == {
        "service.name": "gatewright",
        "service.version": json.loads(serve.admin("/version")[1])["version"],
        "gatewright.worker": 0,
    }


def test_the_call_s_own_context_is_the_nearer_parent_and_the_request_s_is_linked(
    start: Started,
) -> None:
    collector = start.collector()
    serve = start.serve(collector.url)
    call(serve, CHECK, check_request(headers={"traceparent": ASKED}), CALL)
    server = named(collector.wait_for(3), CHECK[1:])
    assert (server.trace_id.hex(), server.parent_span_id.hex()) == (OTHER, OTHER_SPAN)
    (link,) = server.links
    assert (link.trace_id.hex(), link.span_id.hex()) == (TRACE, SPAN)

    collector.received.clear()
    same = f"00-{OTHER}-{SPAN}-01"
    call(serve, CHECK, check_request(headers={"traceparent": same}), CALL)
    server = named(collector.wait_for(3), CHECK[1:])
    assert server.parent_span_id.hex() == OTHER_SPAN
    assert not server.links


def test_who_does_not_sample_is_followed_and_a_bad_context_is_none(start: Started) -> None:
    collector = start.collector()
    serve = start.serve(collector.url, TRACES__SAMPLE="1")
    call(serve, CHECK, check_request(headers={"traceparent": f"{ASKED[:-1]}0"}))
    call(serve, CHECK, check_request(), ("traceparent", f"00-{OTHER}-{OTHER_SPAN}-00"))
    call(serve, CHECK, check_request(headers={"traceparent": f"00-{'0' * 32}-{SPAN}-01"}))
    call(serve, CHECK, check_request(headers={"traceparent": f"{ASKED},{ASKED}"}))
    collector.wait_for(6)
    time.sleep(1.5)  # longer than a batch waits: nothing else comes
    roots = [each for each in collector.spans if not each.parent_span_id]
    assert [each.name for each in roots] == [CHECK[1:]] * 2
    assert len(collector.spans) == 6
    assert not {each.trace_id.hex() for each in roots} & {TRACE, OTHER, "0" * 32}


def test_a_limit_asks_redis_within_its_decision(start: Started, private_redis: RedisServer) -> None:
    collector = start.collector()
    serve = start.serve(collector.url, "--redis", private_redis.url, "--workers", "1")
    call(serve, LIMIT, rate_limit_request("gatewright", OURS), CALL)
    # Two limits are one script, whose source is sent to a Redis that does not know the digest:
    # this one has seen no other test.
    first = collector.wait_for(4)
    asked = [attributes(each)["db.operation.name"] for each in first if each.name == "redis"]
    assert asked == ["EVALSHA", "EVAL"]

    collector.received.clear()
    call(serve, LIMIT, rate_limit_request("gatewright", OURS), CALL)
    spans = collector.wait_for(3)
    assert tree(spans) == {
        LIMIT[1:]: OTHER_SPAN,
        "limit decision": LIMIT[1:],
        "redis": "limit decision",
    }
    store = named(spans, "redis")
    assert store.kind == CLIENT
    assert attributes(store) == {
        "db.system.name": "redis",
        "db.operation.name": "EVALSHA",
        "db.operation.batch.size": 1,
    }
    decided = attributes(named(spans, "limit decision"))
    assert decided["gatewright.policy"] == "shop"
    assert decided["gatewright.reason"] == "within_limit"


def test_a_limit_without_redis_says_so_in_its_spans(start: Started, tmp_path: Path) -> None:
    collector = start.collector()
    serve = start.serve(collector.url, "--redis", f"unix://{tmp_path}/none", "--workers", "1")
    with pytest.raises(grpc.RpcError):
        call(serve, LIMIT, rate_limit_request("gatewright", OURS), CALL)
    spans = collector.wait_for(3)
    wrong = {each.name: attributes(each)["error.type"] for each in spans}
    assert wrong == {
        LIMIT[1:]: "UNAVAILABLE",
        "limit decision": "store_unavailable",
        "redis": "disconnected",
    }
    assert {each.status.code for each in spans} == {STATUS_ERROR}


def test_opa_and_keys_are_asked_within_the_trace_and_only_opa_is_told_of_it(
    start: Started,
) -> None:
    collector, neighbour = start.collector(), start.neighbour()
    identity = (
        f"{{jwt: {{issuer: '{ISSUER}', audience: [shop], jwks: {{url: '{neighbour.url}/keys'}}}}}}"
    )
    body = f"auth: {{identity: [{identity}], decide: {{opa: shop/allow}}}}"
    serve = start.serve(
        collector.url, "--opa", neighbour.url, files={"shop.yaml": policy("shop", body)}
    )
    headers = {
        "traceparent": ASKED,
        "tracestate": "congo=t61",
        "authorization": f"Bearer {token()}",
    }
    call(serve, CHECK, check_request(headers=headers))
    spans = collector.wait_for(6)
    assert tree(spans) == {
        CHECK[1:]: SPAN,
        "authz decision": CHECK[1:],
        "jwks": "authz decision",
        "identity verification": "authz decision",
        "policy evaluation": "authz decision",
        "opa": "policy evaluation",
    }
    opa = named(spans, "opa")
    assert attributes(opa) == {
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "server.port": int(neighbour.url.rpartition(":")[2]),
        "http.response.status_code": 200,
    }
    assert attributes(named(spans, "policy evaluation"))["gatewright.engine"] == "opa"
    told = neighbour.asked["/v1/data/shop/allow"]
    assert told["traceparent"] == f"00-{TRACE}-{opa.span_id.hex()}-01"
    assert told["tracestate"] == "congo=t61"
    assert not {"traceparent", "tracestate"} & neighbour.asked["/keys"].keys()


def token() -> str:
    claims = {"iss": ISSUER, "aud": "shop", "sub": "planted-subject", "exp": time.time() + 600}
    return jwt.encode(claims, private_key("ec"), "ES256", headers={"kid": "ec"})


def test_envoy_s_span_for_the_callout_is_our_parent(
    start: Started, envoy: StartEnvoy, echo_upstream: EchoUpstream
) -> None:
    collector, edges = start.collector(), start.collector()
    serve = start.serve(collector.url)
    edge = Edge(envoy, traced(gateway(serve, echo_upstream.url), edges.url))
    assert edge.status("/orders", headers={"traceparent": ASKED}) == 200
    spans = collector.wait_for(5)
    assert {each.trace_id.hex() for each in spans} == {TRACE}
    check, limit = named(spans, CHECK[1:]), named(spans, LIMIT[1:])
    # Envoy's own spans of the two callouts, as it tells its collector.
    until(lambda: len(edges.spans) >= 3, 20)
    theirs = {each.span_id: each for each in edges.spans}
    assert {check.parent_span_id, limit.parent_span_id} <= theirs.keys()
    assert not check.links


def traced(bootstrap: dict[str, Any], collector: str) -> dict[str, Any]:
    resources = bootstrap["staticResources"]
    (filter_,) = resources["listeners"][0]["filterChains"][0]["filters"]
    kind = "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig"
    service = {"envoy_grpc": {"cluster_name": "collector"}, "timeout": "1s"}
    typed = {"@type": kind, "grpc_service": service, "service_name": "edge"}
    provider = {"name": "envoy.tracers.opentelemetry", "typed_config": typed}
    filter_["typedConfig"]["tracing"] = {"provider": provider}
    host, _, port = collector.removeprefix("http://").rpartition(":")
    ours = next(each for each in resources["clusters"] if each["name"] == "gatewright")
    endpoint = {"address": {"socket_address": {"address": host, "port_value": int(port)}}}
    resources["clusters"].append(
        {
            "name": "collector",
            "type": "STATIC",
            "typed_extension_protocol_options": ours["typedExtensionProtocolOptions"],
            "load_assignment": {
                "cluster_name": "collector",
                "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}],
            },
        }
    )
    return bootstrap


# --- no secrets ---

PLANTED = "planted-4f1c"


def test_nothing_that_a_client_wrote_is_in_any_span(
    start: Started, redis_server: RedisServer
) -> None:
    collector = start.collector()
    serve = start.serve(collector.url, "--redis", redis_server.url, TRACES__SAMPLE="1")
    for headers in (
        {"authorization": f"Bearer {PLANTED}", "cookie": PLANTED, "x-api-key": PLANTED},
        {"authorization": f"Bearer {token()}", "traceparent": f"00-{PLANTED}-{SPAN}-01"},
        {f"x-{PLANTED}": PLANTED, "tracestate": f"a={PLANTED}"},
    ):
        request = check_request(
            "POST",
            f"/orders/{PLANTED}?access_token={PLANTED}",
            headers=headers,
            body=json.dumps({"password": PLANTED}),
        )
        call(serve, CHECK, request, ("x-planted", PLANTED))
    call(serve, CHECK, check_request(path=f"/../{PLANTED}", host=f"{PLANTED}.example"))
    named_by_route = check_request(context_extensions={"policy": PLANTED})
    call(serve, CHECK, named_by_route)
    call(serve, LIMIT, rate_limit_request("gatewright", {**OURS, "path": f"/{PLANTED}"}))
    call(serve, LIMIT, rate_limit_request(PLANTED, {PLANTED: PLANTED}), CALL)
    until(lambda: sum(not each.parent_span_id for each in collector.spans) == 6, 20)
    # Not by name: the spans of two workers come in any order.
    until(lambda: any(each.parent_span_id.hex() == OTHER_SPAN for each in collector.spans), 20)
    for each in collector.received:
        sent = each.SerializeToString()
        assert PLANTED.encode() not in sent
        assert b"planted-subject" not in sent
    assert not any(PLANTED in str(each) for each in collector.metadata)
    assert PLANTED not in serve.log


# --- the collector and the bounds ---


def test_a_trace_can_be_asked_for_only_so_often(start: Started) -> None:
    collector = start.collector()
    serve = start.serve(collector.url, TRACES__SAMPLE="0", TRACES__ASKED="5")
    request = check_request(headers={"traceparent": ASKED})
    with serve.client() as client:
        started = time.monotonic()
        for _ in range(200):
            client.check(request)
        seconds = time.monotonic() - started
    asked = "gatewright_trace_spans_dropped_total"
    until(lambda: serve.metric(asked, reason="asked") > 0, 10)
    until(lambda: serve.metric("gatewright_decisions_total") == 200, 10)
    refused = serve.metric(asked, reason="asked")
    assert 200 - refused <= 5 + 5 * seconds + 1
    assert len(collector.wait_for(int(200 - refused) * 3)) == (200 - refused) * 3


@pytest.mark.parametrize("kind", ["absent", "stalls"])
def test_requests_never_wait_for_a_collector_that_is_absent_or_stalls(
    start: Started, kind: str
) -> None:
    url = start.collector(stalls=True).url if kind == "stalls" else "http://127.0.0.1:1"
    serve = start.serve(url, TRACES__SAMPLE="1", TRACES__QUEUE="256")
    request, seconds = check_request(), []
    with serve.client() as client:
        for _ in range(500):
            started = time.monotonic()
            client.check(request)
            seconds.append(time.monotonic() - started)
    # A try is given 5 s: a request that waited for one would take as long.
    assert max(seconds) < 2.0
    dropped = "gatewright_trace_spans_dropped_total"
    until(lambda: serve.metric(dropped, reason="queue") >= 1500 - 2 * 256, 10)
    assert serve.log.count("spans cannot be sent") <= 1
    serve.signal(signal.SIGTERM)
    assert serve.wait(10) == 0
    assert "Traceback" not in serve.log
    for line in serve.log.splitlines():
        json.loads(line)  # no library wrote lines of its own


def test_the_last_spans_are_sent_when_the_service_drains(start: Started) -> None:
    collector = start.collector()
    serve = start.serve(collector.url, TRACES__SAMPLE="1")
    with serve.client() as client:
        for _ in range(100):
            client.check(check_request())
    serve.signal(signal.SIGTERM)
    assert serve.wait(20) == 0
    assert len(collector.wait_for(300)) == 300


def test_each_worker_sends_its_own_spans(start: Started, redis_server: RedisServer) -> None:
    collector = start.collector()
    serve = start.serve(
        collector.url, "--redis", redis_server.url, "--workers", "2", TRACES__SAMPLE="1"
    )
    for _ in range(24):  # connections are spread by the kernel
        call(serve, CHECK, check_request())
    assert len(collector.wait_for(72)) == 72
    workers = {
        each["gatewright.worker"]: each["service.instance.id"] for each in collector.resources()
    }
    assert workers.keys() == {0, 1}
    assert len(set(workers.values())) == 2


def test_over_http_the_same_spans_arrive(start: Started) -> None:
    received: list[tuple[str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append((self.path, self.headers["content-type"], body))
            # The first time it is busy: the batch is tried again.
            self.send_response(503 if len(received) == 1 else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        serve = start.serve(f"http://127.0.0.1:{server.server_port}/v1/traces")
        call(serve, CHECK, check_request(headers={"traceparent": ASKED}))
        until(lambda: len(received) == 2, 20)
    finally:
        server.shutdown()
        server.server_close()
    (first, second) = received
    assert first == second
    assert first[:2] == ("/v1/traces", "application/x-protobuf")
    request = ExportTraceServiceRequest.FromString(first[2])
    spans = request.resource_spans[0].scope_spans[0].spans
    assert {each.trace_id.hex() for each in spans} == {TRACE}
    assert len(spans) == 3


# --- exemplars ---

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


def scrape(serve: Serve, accept: str) -> tuple[str, str]:
    request = urllib.request.Request(
        f"http://{serve.admin_address}/metrics", headers={"accept": accept}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode(), answer.headers["content-type"]


def test_buckets_of_all_workers_name_a_trace_for_who_reads_openmetrics(
    start: Started, redis_server: RedisServer
) -> None:
    collector = start.collector()
    serve = start.serve(
        collector.url, "--redis", redis_server.url, "--workers", "2", TRACES__SAMPLE="1"
    )
    for _ in range(16):
        call(serve, CHECK, check_request())
    call(serve, LIMIT, rate_limit_request("gatewright", OURS), CALL)
    until(lambda: serve.metric("gatewright_decisions_total") == 17, 10)
    until(lambda: "# {" in scrape(serve, OPENMETRICS)[0], 10)
    text, kind = scrape(serve, OPENMETRICS)
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    families = {each.name: each for each in text_string_to_metric_families(text)}
    found = [
        sample
        for sample in families["gatewright_decision_seconds"].samples
        if sample.exemplar is not None
    ]
    assert {sample.labels["face"] for sample in found} == {"authz", "limit"}
    traces = {each.trace_id.hex() for each in collector.wait_for(16 * 3 + 3)}
    for sample in found:
        assert sample.exemplar.labels["trace_id"] in traces
        assert sample.exemplar.value <= float(sample.labels["le"])
        assert abs(float(sample.exemplar.timestamp) - time.time()) < 60
    assert {"gatewright_decisions", "gatewright_snapshot_info"} <= families.keys()

    plain, kind = scrape(serve, "text/plain")
    assert kind.startswith("text/plain")
    assert "# {" not in plain
    assert "# EOF" not in plain


# --- off ---


def test_without_traces_no_worker_loads_them_and_scrapes_stay_as_they_are(
    start: Started, redis_server: RedisServer
) -> None:
    serve = start.serve(None)
    call(serve, CHECK, check_request(headers={"traceparent": ASKED}), CALL)
    assert scrape(serve, OPENMETRICS)[1].startswith("text/plain")
    program = (
        "import sys, asyncio, pathlib, tempfile\n"
        "from callout.config.settings import Settings\n"
        "from gatewright.run.faces import Faces\n"
        "from gatewright.run.telemetry import Telemetry\n"
        "import gatewright.run.worker\n"
        "settings = Settings(redis='redis://127.0.0.1:1', opa='http://127.0.0.1:1')\n"
        "telemetry = Telemetry(settings.telemetry, pathlib.Path(tempfile.mkdtemp()))\n"
        "async def make(): return Faces(settings, lambda: None, telemetry)\n"
        "faces = asyncio.run(make())\n"
        "print([each.handler.__qualname__ for face in faces.table for each in face.methods])\n"
        # (redis-py looks for the package `opentelemetry` by itself)
        "ours = ('opentelemetry.', 'callout.observe.traces')\n"
        "print([each for each in sys.modules if each.startswith(ours)])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
    )
    handlers, loaded = done.stdout.splitlines()
    assert handlers == ("['AuthorizationService.check', 'RateLimitService.should_rate_limit']")
    # how a `traceparent` is read is the decision log's, too
    assert loaded == "['callout.observe.traces', 'callout.observe.traces.context']"

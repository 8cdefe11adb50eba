"""Spans go to a collector over TLS if this machine's authorities vouch for it, and only then."""

import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from callout.observe.traces.otlp import ExportTraceServiceRequest
from callout.testing.requests import check_request
from tests.callout.observe.collector import Collector
from tests.contract.certificates import Authority, Pair
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, policy, write_bundle

TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
BUNDLE = {"all.yaml": policy("all", OPEN), **EVERYBODY}
LOCAL = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


@contextmanager
def over_grpc(pair: Pair) -> Iterator[tuple[str, Callable[[], list[Any]]]]:
    with Collector(tls=pair) as collector:
        yield collector.url, lambda: collector.spans


@contextmanager
def over_http(pair: Pair) -> Iterator[tuple[str, Callable[[], list[Any]]]]:
    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                spans.extend(group.scope_spans[0].spans)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://127.0.0.1:{server.server_port}/v1/traces", lambda: list(spans)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "unknown"])
@pytest.mark.parametrize("collector", [over_grpc, over_http])
def test_the_authorities_of_this_machine_decide(
    tmp_path: Path, collector: Any, trusted: bool
) -> None:
    authority = Authority(tmp_path / "ca")
    other = Authority(tmp_path / "other")
    with ExitStack() as running:
        url, received = running.enter_context(collector(authority.issue("collector", LOCAL)))
        environ = {
            "GATEWRIGHT_TELEMETRY__OTLP": url,
            # As ssl(3) finds them; an operator's file is usually one of the system's store.
            "SSL_CERT_FILE": str((authority if trusted else other).cert),
        }
        bundle = write_bundle(tmp_path / "bundle", BUNDLE)
        serve = running.enter_context(closing(Serve(tmp_path, bundle, environ=environ)))
        with serve.client() as client:
            client.check(check_request(headers=HEADERS))
        if trusted:
            until(lambda: len(received()) == 3, 30)
            assert {each.trace_id.hex() for each in received()} == {TRACE}
        else:
            until(lambda: len(serve.said("spans cannot be sent")) == 1, 60)
            assert received() == []

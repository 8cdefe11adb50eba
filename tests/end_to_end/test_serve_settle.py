"""A real Envoy tells afterwards what a request used, as docs/rate-limiting.md has it."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from callout.testing.envoy import Envoy
from callout.testing.plugin import StartEnvoy
from tests.docs import pages
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import Serve, policy, write_bundle
from tests.end_to_end.test_serve_refunds import bootstrap

TOKENS = 40
LIMITS = """limits:
  - {name: tokens, by: [address], rate: 100/year, strict: true}
  - {name: bucket, rate: 100000/year, algorithm: token-bucket}
"""


class Model(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("x-tokens", str(TOKENS))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def configured(limits: str, upstream: str) -> dict[str, Any]:
    """With what the page shows."""
    (block,) = [
        each
        for each in pages.blocks("docs/rate-limiting.md")
        if "descriptor_value: settle" in each.text
    ]
    document = bootstrap(limits, upstream)
    (listener,) = document["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    (route,) = manager["route_config"]["virtual_hosts"][0]["routes"]
    per_route = route["typed_per_filter_config"]["envoy.filters.http.ratelimit"]
    per_route["rate_limits"] = yaml.safe_load(block.text)["rate_limits"]
    manager["http_filters"][0]["typed_config"]["domain"] = "gatewright"
    return document


def status(envoy: Envoy) -> int:
    connection = http.client.HTTPConnection(envoy.url.removeprefix("http://"), timeout=20)
    connection.request("GET", "/v1/chat")
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def test_what_envoy_reports_afterwards_counts_although_it_does_not_fit(
    tmp_path: Path, upstream: str, envoy: StartEnvoy
) -> None:
    bundle = write_bundle(tmp_path / "bundle", {"all.yaml": policy("all", LIMITS)})
    with closing(Serve(tmp_path, bundle, "--workers", "1")) as serve:
        gateway = envoy(configured(serve.grpc, upstream))
        for answers in (2, 4, 6):
            # 40, 80, 120 of 100: the last one does not fit, and counts.
            assert status(gateway) == 200
            until(lambda: serve.metric("gatewright_decisions_total") == answers, 20)  # noqa: B023
        assert status(gateway) == 429

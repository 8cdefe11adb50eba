"""`gatewright serve --opa-envoy-config FILE`, as an operator starts it."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from callout.testing.requests import check_request
from tests.end_to_end.conftest import ROOT, until
from tests.end_to_end.serve import Serve
from tests.extauthz.opa.pair import source
from tests.extauthz.opa.service import ManagementService, manifest, tarball

WITHIN = 60.0
POLICY = """package envoy.authz

default allow := false

allow if input.attributes.request.http.method == "GET"
"""
AUTHZ = "bundles/authz.tar.gz"
Start = Callable[..., Serve]


def bundle(revision: str, text: str = POLICY) -> bytes:
    return tarball({".manifest": manifest(revision, "envoy"), "policy.rego": text})


@pytest.fixture
def service() -> Iterator[ManagementService]:
    made = ManagementService()
    made.publish(AUTHZ, bundle("r1"), '"p1"')
    yield made
    made.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as held:

        def started(document: dict[str, Any], **plugin: Any) -> Serve:
            plugins = {"envoy_ext_authz_grpc": {"addr": "127.0.0.1:0", **plugin}}
            path = tmp_path / "opa.json"
            kept = {"persistence_directory": str(tmp_path / "kept")}
            path.write_text(json.dumps({"plugins": plugins, **kept, **document}))
            flags = ["--opa-envoy-config", str(path), "--workers", "1"]
            serve = Serve(tmp_path, None, *flags)
            held.callback(serve.close)
            return serve

        yield started


def document(service: ManagementService, **more: Any) -> dict[str, Any]:
    return {
        "services": {"acme": {"url": service.url}},
        "bundles": {"authz": source("authz", **more)},
    }


def status(serve: Serve, method: str = "GET") -> int:
    with serve.client() as client:
        return int(client.check(check_request(method=method)).status.code)


def test_dry_run_lets_pass_what_is_denied_and_the_event_tells_the_decision(
    start: Start, service: ManagementService
) -> None:
    reporting = {"min_delay_seconds": 1, "max_delay_seconds": 1}
    logs = {"decision_logs": {"reporting": reporting}, "labels": {"app": "shop"}}
    serve = start({**document(service), **logs}, **{"dry-run": True})

    assert status(serve) == 0
    assert status(serve, "DELETE") == 0

    until(lambda: len(service.events) >= 2, WITHIN)
    first, second = service.events[:2]
    assert (first["result"], second["result"]) == (True, False)
    assert first["bundles"] == {"authz": {"revision": "r1"}}
    assert first["path"] == "envoy/authz/allow"
    assert first["labels"]["app"] == "shop"


def test_a_folder_is_read_again_at_sighup(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "policy.rego").write_text(POLICY)
    serve = start({"bundles": {"here": {"resource": f"file://{folder}"}}})
    assert (status(serve), status(serve, "PUT") != 0) == (0, True)

    (folder / "policy.rego").write_text(POLICY.replace("GET", "PUT"))
    serve.signal(signal.SIGHUP)

    until(lambda: status(serve, "PUT") == 0, WITHIN)
    assert status(serve) != 0


def test_sighup_asks_services_at_once(start: Start, service: ManagementService) -> None:
    rarely = {"min_delay_seconds": 600, "max_delay_seconds": 600}
    serve = start(document(service, polling=rarely))
    service.publish(AUTHZ, bundle("r2", POLICY.replace("GET", "PUT")), '"p2"')

    serve.signal(signal.SIGHUP)

    until(lambda: status(serve, "PUT") == 0, WITHIN)


def test_a_restart_takes_over_although_the_service_is_away(
    start: Start, service: ManagementService
) -> None:
    serve = start(document(service, persist=True))
    service.close()

    serve.restart()

    assert status(serve) == 0
    assert status(serve, "DELETE") != 0


@pytest.mark.parametrize(
    ("flags", "text", "why"),
    [
        ([], "discovery: {}\nplugins: {envoy_ext_authz_grpc: {}}\n", "opa.yaml:1:1: discovery: "),
        ([], "plugins: {envoy_ext_authz_grpc: {addr: here}}\n", "envoy_ext_authz_grpc.addr: "),
        (
            [],
            "plugins: {envoy_ext_authz_grpc: {proto-descriptor: /nowhere}}\n",
            "/nowhere: expected a file",
        ),
        (["--bundle", "x"], "plugins: {envoy_ext_authz_grpc: {}}\n", "--bundle: expected nothing"),
    ],
)
def test_a_wrong_file_is_told_with_its_line_and_nothing_starts(
    tmp_path: Path, flags: list[str], text: str, why: str
) -> None:
    path = tmp_path / "opa.yaml"
    path.write_text(text)
    command = [sys.executable, "-m", "gatewright", "serve", "--opa-envoy-config", str(path), *flags]

    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 1
    assert why in done.stderr

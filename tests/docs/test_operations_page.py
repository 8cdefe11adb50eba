"""docs/operations.md against a running service: its metrics, its admin port, its health."""

import argparse
import ipaddress
import json
import os
import queue
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import grpc
import pytest
from cryptography import x509
from prometheus_client.parser import text_string_to_metric_families

from callout.config.settings import FLAGS
from callout.testing.grpc_client import Client
from callout.testing.requests import check_request
from gatewright.cli.command import Command
from gatewright.cli.main import COMMANDS
from tests.contract.certificates import Authority
from tests.docs import pages
from tests.docs.pages import ROOT

PAGE = "docs/operations.md"


class Service(NamedTuple):
    grpc: str
    admin: str
    trust: bytes
    """Who signed its certificate."""

    def client(self) -> Client:
        return Client(self.grpc, grpc.ssl_channel_credentials(self.trust))

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://{self.admin}{path}", timeout=10) as answer:
            text: str = answer.read().decode()
            return text


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Every series is there: Redis and a collector are away, decision lines and TLS are on."""
    away = tmp_path_factory.mktemp("redis") / "none"
    authority = Authority(tmp_path_factory.mktemp("tls"))
    pair = authority.issue("server", x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    command = [sys.executable, "-m", "gatewright", "serve", "--bundle", "gateway-config/shop"]
    command += ["--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", "1"]
    command += ["--redis", f"unix://{away}", "--decisions", "all"]
    command += ["--opa", "http://127.0.0.1:1"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "GATEWRIGHT_TELEMETRY__OTLP": "http://127.0.0.1:1",
            "GATEWRIGHT_REDIS_PER_SECOND": f"unix://{away}",
            "GATEWRIGHT_TLS__CERT": str(pair.cert),
            "GATEWRIGHT_TLS__KEY": str(pair.key),
            "GATEWRIGHT_DECISION_LOGS__URL": "http://127.0.0.1:1/logs",
        },
    )
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_pump, args=(process.stderr, lines), daemon=True).start()
    try:
        listening = json.loads(lines.get(timeout=30))
        assert listening["event"] == "listening", listening
        running = Service(listening["grpc"], listening["admin"], authority.cert_bytes)
        _until_ready(running)
        _provoke(running)
        yield running
    finally:
        process.terminate()
        assert process.wait(30) == 0


def _pump(stream, lines) -> None:
    for line in stream:
        lines.put(line)


def _until_ready(service: Service) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            service.get("/readyz")
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("not ready")


def _provoke(service: Service) -> None:
    """A decision, a refused call and a connection that is ended: series with labels need one."""
    with service.client() as client:
        client.check(check_request(), timeout=10)
        with pytest.raises(grpc.RpcError):
            client.channel.unary_unary("/no.Service/Method")(b"", timeout=10)
    host, _, port = service.grpc.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as wrong:
        wrong.sendall(b"GET / HTTP/1.1\r\nhost: gatewright\r\n\r\n" * 2)
        while wrong.recv(4096):
            pass


def _families(service: Service) -> dict[str, tuple[str, set[str]]]:
    """Type and labels of each series, by the name that is alerted on."""
    found = {}
    for family in text_string_to_metric_families(service.get("/metrics")):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        found[name] = (family.type, labels)
    return found


def test_the_table_of_metrics_is_the_exposition(service: Service) -> None:
    written = {
        pages.code(name)[0]: (type_, set(pages.code(labels)))
        for name, type_, labels, _ in pages.table(PAGE, "metrics")
    }
    end = time.monotonic() + 10
    # workers write down what they counted twice a second
    while len(_families(service)) < len(written) and time.monotonic() < end:
        time.sleep(0.1)
    assert _families(service) == written
    assert len(written) == 35


def test_every_series_that_some_page_names_is_in_the_table() -> None:
    tables = (
        *("metrics", "bundle-metrics", "memory-metrics", "xds-metrics", "waf-metrics"),
        "process-metrics",
    )
    written = {pages.code(row[0])[0] for name in tables for row in pages.table(PAGE, name)}
    for page in (*pages.PAGES, "ARCHITECTURE.md", "RATIONALE.md", "THREAT_MODEL.md"):
        named = set(re.findall(r"`(gatewright_\w+)", pages.read(page)))
        assert named <= written, page


def test_the_table_of_the_admin_port_is_the_admin_port(service: Service) -> None:
    written = [pages.code(path)[0] for path, _ in pages.table(PAGE, "admin")]
    source = (ROOT / "callout/observe/admin.py").read_text()
    pages_of_debug = (ROOT / "callout/observe/debug/pages.py").read_text()
    served = re.findall(r'\("(/\w+)", \w+\)', source)
    served += re.findall(r'get\("(/debug/[\w/]+)"', pages_of_debug)
    assert set(written) == set(served)
    assert len(written) == 9
    for path in written:
        # a profile takes its time, and may find a worker that does nothing
        assert (
            service.get(path)
            if path != "/debug/profile"
            else service.get(f"{path}?seconds=1") is not None
        )
    assert json.loads(service.get("/config")).keys() == {
        "settings",
        "digest",
        "policies",
        "problems",
        "workers",
        "certificates",
    }
    assert json.loads(service.get("/version")).keys() == {"version", "python"}


def test_health_knows_the_names_that_are_given(service: Service) -> None:
    assert '`""`, a full service name, or `authz` and `limit`' in pages.read(PAGE)
    with service.client() as client:
        for name in ("", "authz", "limit", "ratelimit", "envoy.service.auth.v3.Authorization"):
            assert client.health(name) == "SERVING", name


def _every(commands: Mapping[str, Command], above: str = "") -> dict[str, Command]:
    """All commands, those of the groups too: `authz eval`."""
    found: dict[str, Command] = {}
    for name, command in commands.items():
        inner = getattr(command, "COMMANDS", None)
        found |= {above + name: command} if inner is None else _every(inner, f"{above}{name} ")
    return found


EVERY = _every(COMMANDS)


def _flags(command: str) -> set[str]:
    parser = argparse.ArgumentParser(add_help=False)
    EVERY[command].add_arguments(parser)
    return {flag for action in parser._actions for flag in action.option_strings}


def _words(shown: str) -> str:
    """`gatewright authz eval DIR`: `authz eval`."""
    return " ".join(word for word in shown.split()[1:] if word.islower() and "-" not in word)


def test_the_table_of_commands_is_the_command_line() -> None:
    rows = {_words(pages.code(row[0])[0]): row[2] for row in pages.table(PAGE, "commands")}
    assert list(rows) == list(EVERY)
    for command, cell in rows.items():
        flags = set(" ".join(pages.code(cell)).split())
        if command == "serve":
            flags |= {f"--{name}" for name in FLAGS}
        assert flags == _flags(command), command


OF_OTHERS = {
    "--server": "opa run --server",
    "--help": "",
    "--include": "protoc --include_imports",
    "--descriptor": "protoc --include_imports --descriptor_set_out",
    "--config-file": "opa run --server --config-file=/config/config.yaml",
    "--ignore": "`--ignore=.*`",
    "--addr": "`--addr=localhost:8181`",
    "--diagnostic-addr": "`--diagnostic-addr=0.0.0.0:8282`",
    "--authentication": "--authentication=token --authorization=basic",
    "--authorization": "--authentication=token --authorization=basic",
}
"""Flags of other programs, with the words that they stand in."""


@pytest.mark.parametrize("page", [page for page in pages.PAGES if "performance" not in page])
def test_every_flag_of_ours_that_a_page_names_exists(page: str) -> None:
    known = {flag for command in EVERY for flag in _flags(command)}
    text = pages.read(page)
    for flag in set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text)) - known:
        assert flag in OF_OTHERS, flag
        assert OF_OTHERS[flag] in text


def test_every_flag_of_the_benchmark_that_its_page_names_exists() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "tests/load").glob("*.py"))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", pages.read("docs/performance.md")))
    assert len(named) >= 3
    assert {flag for flag in named - {"--server"} if f'"{flag}"' not in sources} == {"--help"}

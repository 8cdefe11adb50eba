"""Mutual TLS between a real Envoy and `gatewright serve`, while certificates are replaced."""

import contextlib
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from callout.testing.plugin import StartEnvoy
from callout.testing.redis import RedisServer
from callout.testing.upstream import EchoUpstream
from tests.contract.certificates import DAY, Authority, Mounted, Pair, replace
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import (
    EVERYBODY,
    OPEN,
    Edge,
    Serve,
    gateway,
    kill,
    patient,
    policy,
    run,
    write_bundle,
)

GATEWAY = x509.UniformResourceIdentifier("spiffe://mesh/ns/edge/sa/gateway")
NAME = x509.DNSName("gatewright.example")


class World:
    """Authorities, the files that `serve` reads, and how to start it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder / "ca")
        self.clients = Authority(folder / "clients")
        self.gateway = self.clients.issue("gateway", GATEWAY)
        self.cert, self.key, self.ca = (folder / each for each in ("crt", "key", "ca.crt"))
        self.put(self.server("first"))
        self.ca.write_bytes(self.clients.cert_bytes)
        self.bundle = write_bundle(
            folder / "bundle", {"all.yaml": policy("all", OPEN), **EVERYBODY}
        )
        self.environ = {
            "GATEWRIGHT_TLS__CERT": str(self.cert),
            "GATEWRIGHT_TLS__KEY": str(self.key),
            "GATEWRIGHT_TLS__CLIENT_CA": str(self.ca),
            "GATEWRIGHT_TLS__CLIENT_SAN": "spiffe://mesh/ns/*/sa/gateway",
            # What is refused because others keep the machine busy is no failure of certificates.
            "GATEWRIGHT_OVERLOAD__TARGET": "0",
        }

    def server(self, name: str, **how: Any) -> Pair:
        return self.authority.issue(name, NAME, **how)

    def put(self, pair: Pair) -> None:
        """Overwrites the files in place, one after the other."""
        self.cert.write_bytes(pair.cert_bytes)
        self.key.write_bytes(pair.key_bytes)

    def serve(self, *flags: str, **environ: str) -> Serve:
        return Serve(self.folder, self.bundle, *flags, environ={**self.environ, **environ})

    def shown(self, serve: Serve, client: Pair | None = None) -> str:
        """SHA-256 of the certificate that a new connection is shown; empty: it was refused."""
        context = ssl.create_default_context(cafile=str(self.authority.cert))
        pair = client or self.gateway
        context.load_cert_chain(pair.cert, pair.key)
        context.set_alpn_protocols(["h2"])
        host, _, port = serve.grpc.rpartition(":")
        with (
            contextlib.suppress(OSError),
            socket.create_connection((host, int(port)), 10) as plain,
            context.wrap_socket(plain, server_hostname=str(NAME.value)) as wrapped,
        ):
            wrapped.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
            if wrapped.recv(9):
                der = wrapped.getpeercert(binary_form=True) or b""
                return x509.load_der_x509_certificate(der).fingerprint(hashes.SHA256()).hex()
        return ""


def fingerprint(pair: Pair) -> str:
    return x509.load_pem_x509_certificate(pair.cert_bytes).fingerprint(hashes.SHA256()).hex()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def edge(
    envoy: StartEnvoy,
    serve: Serve,
    upstream: str,
    world: World,
    client: Pair,
    version: str = "TLSv1_2",
) -> Edge:
    """Envoy before `serve`, over TLS, with a new connection for each call."""
    # Each call has a handshake to wait for, and a busy machine is no failure of certificates.
    rendered = patient(gateway(serve, upstream))
    (cluster,) = (
        each for each in rendered["staticResources"]["clusters"] if each["name"] == "gatewright"
    )
    cluster["transportSocket"] = {
        "name": "envoy.transport_sockets.tls",
        "typedConfig": {
            "@type": "type.googleapis.com/"
            "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": NAME.value,
            "common_tls_context": {
                "alpn_protocols": ["h2"],
                "tls_params": {"tls_maximum_protocol_version": version},
                "validation_context": {"trusted_ca": {"filename": str(world.authority.cert)}},
                "tls_certificates": [
                    {
                        "certificate_chain": {"filename": str(client.cert)},
                        "private_key": {"filename": str(client.key)},
                    }
                ],
            },
        },
    }
    options = cluster["typedExtensionProtocolOptions"][
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    ]
    options.setdefault("commonHttpProtocolOptions", {})["maxRequestsPerConnection"] = 1
    return Edge(envoy, rendered)


class Stream:
    """Requests all the time from some threads, and their answers."""

    def __init__(self, ask: Callable[[], object], threads: int = 3) -> None:
        self.answers: list[object] = []
        self._ask = ask
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self.answers.append(self._ask())
            except OSError as error:
                self.answers.append(error)

    def __enter__(self) -> "Stream":
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for each in self._threads:
            each.join(20)


@pytest.fixture(params=["own", "grpcio"])
def transport(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_envoy_loses_no_request_while_certificates_are_replaced_in_every_way(
    world: World,
    envoy: StartEnvoy,
    echo_upstream: EchoUpstream,
    redis_server: RedisServer,
    transport: str,
    version: str,
) -> None:
    """Overwritten, renamed over, swapped as a kubelet does; two workers, both with the same."""
    first, last = world.server("mounted"), world.server("swapped")
    mounted = Mounted(world.folder / "mount", {"c": first.cert_bytes, "k": first.key_bytes})
    world.cert.unlink()
    world.key.unlink()
    world.cert.symlink_to(world.folder / "mount/c")
    world.key.symlink_to(world.folder / "mount/k")
    replaced = 0

    def taken(pair: Pair) -> None:
        nonlocal replaced
        replaced += 1
        until(
            lambda: serve.metric("gatewright_certificate_reload_total", result="loaded") == replaced
        )
        # One worker or the other is asked; a message to each is all that lies between.
        wanted = fingerprint(pair)
        until(lambda: all(world.shown(serve) == wanted for _ in range(12)))
        assert serve.config()["certificates"]["sha256"] == wanted

    two = ("--workers", "2", "--redis", redis_server.url)
    with closing(world.serve("--transport", transport, *two)) as serve:
        at = edge(envoy, serve, echo_upstream.url, world, world.gateway, version)
        until(lambda: at.status("/x") == 200)
        with Stream(lambda: at.status("/x")) as stream:
            mounted.swap({"c": last.cert_bytes, "k": last.key_bytes})
            taken(last)
            for path in (world.cert, world.key):
                path.unlink()
            overwritten = world.server("overwritten")
            world.put(overwritten)
            taken(overwritten)
            renamed = world.server("renamed")
            replace(world.cert, renamed.cert_bytes)
            replace(world.key, renamed.key_bytes)
            taken(renamed)
        assert set(stream.answers) == {200}
        assert len(stream.answers) > 50
        assert at.errors() == 0
        connections = at.envoy.stats("cluster.gatewright.upstream_cx_total")
        assert sum(connections.values()) > 50
        spoken = at.envoy.stats("cluster.gatewright.ssl.versions")
        assert set(spoken) == {f"cluster.gatewright.ssl.versions.{version.replace('_', '.')}"}
        assert serve.metric("gatewright_transport_handler_errors_total") == 0


def test_half_a_replacement_keeps_the_former_also_for_a_worker_that_is_new(
    world: World, redis_server: RedisServer, transport: str
) -> None:
    former, new = fingerprint(Pair(world.cert, world.key)), world.server("new")
    two = ("--workers", "2", "--redis", redis_server.url)
    with closing(world.serve("--transport", transport, *two)) as serve:
        world.cert.write_bytes(new.cert_bytes)
        until(lambda: serve.metric("gatewright_certificate_reload_total", result="rejected") == 1)
        assert "does not fit" in serve.config()["certificates"]["problem"]
        until(lambda: len(serve.said("certificates rejected; the former stay in use")) == 1)
        pid = serve.workers()[0]
        kill(pid, signal.SIGKILL)
        until(lambda: len(serve.workers()) == 2 and pid not in serve.workers())
        until(lambda: None not in serve.config()["workers"].values())
        assert {world.shown(serve) for _ in range(12)} == {former}

        world.key.write_bytes(new.key_bytes)
        serve.signal(signal.SIGHUP)
        until(lambda: {world.shown(serve) for _ in range(12)} == {fingerprint(new)})
        assert serve.config()["certificates"]["problem"] == ""
        assert serve.metric("gatewright_certificate_reload_total", result="rejected") == 1
        assert new.key_bytes.decode().splitlines()[1] not in serve.log


def test_a_removed_authority_lets_envoy_in_no_more_and_a_new_one_does(
    world: World, envoy: StartEnvoy, echo_upstream: EchoUpstream, transport: str
) -> None:
    newer = Authority(world.folder / "newer")
    renewed = newer.issue("gateway", GATEWAY)
    with closing(world.serve("--transport", transport)) as serve:
        before = edge(envoy, serve, echo_upstream.url, world, world.gateway)
        after = edge(envoy, serve, echo_upstream.url, world, renewed)
        assert (before.status("/x"), after.status("/x")) == (200, 503)

        with Stream(lambda: before.status("/x")) as stream:
            replace(world.ca, world.clients.cert_bytes + newer.cert_bytes)
            until(lambda: after.status("/x") == 200)
        assert set(stream.answers) == {200}

        with Stream(lambda: after.status("/x")) as stream:
            replace(world.ca, newer.cert_bytes)
            until(lambda: before.status("/x") == 503)
        assert set(stream.answers) == {200}
        assert {before.status("/x") for _ in range(10)} == {503}
        assert serve.metric("gatewright_certificate_reload_total", result="loaded") == 2


def test_the_end_of_certificates_is_a_metric_and_weakness_is_warned_of(world: World) -> None:
    world.put(world.server("short", ends=DAY / 24))
    world.key.chmod(0o644)
    with closing(world.serve()) as serve:
        now = time.time()
        ends = serve.metric("gatewright_certificate_expiry_seconds", which="server")
        assert ends == pytest.approx(now + 3600, abs=120)
        ends = serve.metric("gatewright_certificate_expiry_seconds", which="client_ca")
        assert ends == pytest.approx(now + 86_400, abs=120)
        until(lambda: serve.said("certificates"))
        (warned,) = serve.said("certificates")
        assert warned["problem"] == f"tls.key: {world.key}: everybody may read it"


def test_envoy_speaks_tls_1_3_where_nothing_older_is_let_in(
    world: World, envoy: StartEnvoy, echo_upstream: EchoUpstream
) -> None:
    with closing(world.serve(GATEWRIGHT_TLS__MIN_VERSION="1.3")) as serve:
        newest = edge(envoy, serve, echo_upstream.url, world, world.gateway, "TLSv1_3")
        older = edge(envoy, serve, echo_upstream.url, world, world.gateway, "TLSv1_2")
        assert (newest.status("/x"), older.status("/x")) == (200, 503)
        until(
            lambda: serve.metric("gatewright_transport_terminated_total", reason="tls_version") > 0
        )


def test_weak_settings_start_nothing_and_name_the_file_and_the_field(world: World) -> None:
    weak = world.server("weak", key=rsa.generate_private_key(65537, 1024), ends=-DAY / 2)
    world.put(weak)
    world.ca.write_bytes(b"")
    flags = ["serve", "--bundle", str(world.bundle), "--grpc", "127.0.0.1:0"]
    done = run(*flags, "--admin", "127.0.0.1:0", environ=world.environ)
    assert done.returncode == 1
    for said in (
        f"tls.client_ca: {world.ca}: there is no PEM certificate in it",
        f"tls.cert: {world.cert}: CN=weak: expected an RSA key of 2048 bits or more, found 1024",
        f"tls.cert: {world.cert}: CN=weak: expired at",
    ):
        assert said in done.stderr
    assert weak.key_bytes.decode().splitlines()[1] not in done.stderr


@pytest.mark.parametrize(
    ("setting", "value"),
    [("GATEWRIGHT_TLS__CLIENT", "optional"), ("GATEWRIGHT_TLS__MIN_VERSION", "1.3")],
)
def test_what_grpcio_has_no_way_to_do_starts_nothing(
    world: World, setting: str, value: str
) -> None:
    environ = {**world.environ, setting: value}
    done = run("serve", "--transport", "grpcio", "--bundle", str(world.bundle), environ=environ)
    assert done.returncode == 1
    assert "expected transport `own`" in done.stderr

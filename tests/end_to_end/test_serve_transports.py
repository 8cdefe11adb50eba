"""The same requests through a real Envoy over both transports, every kind of socket, and TLS."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from cryptography import x509

from callout.testing.plugin import StartEnvoy
from callout.testing.requests import check_request
from callout.testing.upstream import EchoUpstream
from tests.contract.certificates import Authority
from tests.end_to_end.conftest import SAMPLE
from tests.end_to_end.serve import EVERYBODY, OPEN, Edge, Serve, gateway, policy, run, write_bundle

TOKENS = {
    name: (SAMPLE / "tokens" / f"{name}.jwt").read_text().strip() for name in ("alice", "sam")
}


class Row(NamedTuple):
    path: str
    status: int
    token: str = ""
    method: str = "GET"
    headers: Mapping[str, str] = {}


ROWS = {
    "visitor": Row("/products", 200),
    "visitor-writes": Row("/products", 403, method="DELETE"),
    "visitor-orders": Row("/orders", 403),
    "customer": Row("/orders/alice/1", 200, "alice"),
    "another-customer": Row("/orders/bob/1", 403, "alice"),
    "no-credential": Row("/admin/prices", 401),
    "staff": Row("/admin/prices", 200, "sam"),
    "bad-token": Row("/products", 401, headers={"authorization": "Bearer x.y.z"}),
    "two-tokens": Row("/products", 401, headers={"authorization": "Bearer a, Bearer b"}),
    "written-otherwise": Row("//%61dmin/prices", 401),
    "dots": Row("/products/%2e%2e/admin", 400),
    "slash": Row("/products%2fadmin", 400),
    "large-headers": Row("/products", 200, headers={f"x-{name}": name * 8000 for name in "abcd"}),
}


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Path]:
    """Pytest's own folders are too long for the path of a Unix socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.parametrize("transport", ["own", "grpcio"])
@pytest.mark.parametrize("listen", ["tcp", "unix"])
def test_the_shop_answers_alike(
    tmp_path: Path,
    short: Path,
    envoy: StartEnvoy,
    echo_upstream: EchoUpstream,
    transport: str,
    listen: str,
) -> None:
    address = f"unix:{short}/grpc.sock" if listen == "unix" else "127.0.0.1:0"
    flags = ["--transport", transport, "--grpc", address]
    with closing(Serve(tmp_path, SAMPLE / "shop", *flags)) as serve:
        edge = Edge(envoy, gateway(serve, echo_upstream.url))
        for name, row in ROWS.items():
            headers = dict(row.headers)
            if row.token:
                headers["authorization"] = f"Bearer {TOKENS[row.token]}"
            assert edge.status(row.path, method=row.method, headers=headers) == row.status, name
        named = edge.request(
            "/orders",
            headers={"authorization": f"Bearer {TOKENS['alice']}", "x-shop-user": "root"},
        )
        assert dict(named.seen["headers"])["x-shop-user"] == "alice"
        limited = [edge.status("/search") for _ in range(12)]
        assert limited.count(200) in range(5, 11)
        assert limited.count(429) == 12 - limited.count(200)
        assert edge.errors() == 0
        allowed = edge.envoy.stats("http.gateway.ext_authz") or edge.envoy.stats("cluster.upstream")
        assert any(name.endswith("ext_authz.ok") and value for name, value in allowed.items())
        serve.process.terminate()
        assert serve.wait(10) == 0
        if listen == "unix":
            assert not (short / "grpc.sock").exists()
        assert edge.status("/products") == 503


# --- TLS ---


class Files(NamedTuple):
    authority: Authority
    environ: dict[str, str]


GATEWAY = x509.UniformResourceIdentifier("spiffe://mesh/ns/edge/sa/gateway")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    folder = tmp_path / "tls"
    folder.mkdir()
    authority = Authority(folder)
    server = authority.issue("server", x509.DNSName("gatewright.example"))
    return Files(
        authority,
        {
            "GATEWRIGHT_TLS__CERT": str(server.cert),
            "GATEWRIGHT_TLS__KEY": str(server.key),
            "GATEWRIGHT_TLS__CLIENT_CA": str(authority.cert),
            "GATEWRIGHT_TLS__CLIENT_SAN": str(GATEWAY.value),
        },
    )


def over_tls(bootstrap: dict[str, Any], files: Files, client: str | None) -> dict[str, Any]:
    """The rendered configuration, and in it TLS towards us with this client certificate."""
    common: dict[str, Any] = {
        "alpn_protocols": ["h2"],
        "validation_context": {"trusted_ca": {"filename": str(files.authority.cert)}},
    }
    if client is not None:
        folder = files.authority.cert.parent
        common["tls_certificates"] = [
            {
                "certificate_chain": {"filename": f"{folder}/{client}.crt"},
                "private_key": {"filename": f"{folder}/{client}.key"},
            }
        ]
    (cluster,) = (
        each for each in bootstrap["staticResources"]["clusters"] if each["name"] == "gatewright"
    )
    cluster["transportSocket"] = {
        "name": "envoy.transport_sockets.tls",
        "typedConfig": {
            "@type": "type.googleapis.com/"
            "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": "gatewright.example",
            "common_tls_context": common,
        },
    }
    return bootstrap


@pytest.mark.parametrize("transport", ["own", "grpcio"])
def test_envoy_comes_in_by_its_certificate_and_nobody_without(
    tmp_path: Path,
    envoy: StartEnvoy,
    echo_upstream: EchoUpstream,
    files: Files,
    transport: str,
) -> None:
    files.authority.issue("gateway", GATEWAY)
    files.authority.issue("other", x509.UniformResourceIdentifier("spiffe://mesh/ns/x/sa/y"))
    bundle = write_bundle(tmp_path / "bundle", {"all.yaml": policy("all", OPEN), **EVERYBODY})
    flags = ["--transport", transport]
    with ExitStack() as stack:
        serve = stack.enter_context(closing(Serve(tmp_path, bundle, *flags, environ=files.environ)))

        def edge(client: str | None) -> Edge:
            rendered = gateway(serve, echo_upstream.url)
            return Edge(envoy, over_tls(json.loads(json.dumps(rendered)), files, client))

        assert edge("gateway").status("/x") == 200
        assert edge("other").status("/x") == 503
        assert edge(None).status("/x") == 503

        def refused(credentials: grpc.ChannelCredentials | None) -> bool:
            with serve.client(credentials) as client:
                try:
                    client.check(check_request(), timeout=5)
                except grpc.RpcError as error:
                    return error.code() in (
                        grpc.StatusCode.UNAVAILABLE,
                        grpc.StatusCode.UNAUTHENTICATED,
                    )
            return False

        trust = files.authority.cert.read_bytes()
        assert refused(None)
        assert refused(grpc.ssl_channel_credentials(trust))
        stranger = tmp_path / "stranger"
        stranger.mkdir()
        forged = Authority(stranger).issue("gateway", GATEWAY)
        assert refused(grpc.ssl_channel_credentials(trust, forged.key_bytes, forged.cert_bytes))


def test_a_certificate_that_cannot_be_read_is_told_and_nothing_starts(
    tmp_path: Path, files: Files
) -> None:
    done = run(
        "serve",
        "--bundle",
        str(SAMPLE / "shop"),
        "--grpc",
        "127.0.0.1:0",
        environ={**files.environ, "GATEWRIGHT_TLS__CERT": str(tmp_path / "none.crt")},
    )
    assert done.returncode == 1
    assert "none.crt" in done.stderr

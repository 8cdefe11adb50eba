"""Envoy's TCP filter before a policy for opa-envoy-plugin: connections that pass, and others."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from cryptography import x509

from callout.testing import tools
from callout.testing.envoy import Envoy
from callout.testing.upstream import EchoUpstream
from tests.contract.certificates import Authority, Pair
from tests.end_to_end import opa_envoy
from tests.end_to_end.serve import Serve

BILLING = "spiffe://mesh/ns/shop/sa/billing"
OTHER = "spiffe://mesh/ns/shop/sa/other"
LEDGER = "ledger.example"
_TYPE = "type.googleapis.com/envoy.extensions"

POLICY = f"""package envoy.authz

default allow := false

# A connection has no request.
allow if {{
    not input.attributes.request
    input.source_principal == "{BILLING}"
    input.attributes.source.principal == input.source_principal
    input.attributes.tlsSession.sni == "{LEDGER}"
    input.attributes.destination.address.socketAddress.address == "127.0.0.1"
}}

# Without TLS, by the address, and by nothing else.
allow if {{
    not input.source_principal
    not input.attributes.tlsSession.sni
    input.attributes.source.address.socketAddress.address == "127.0.0.2"
}}
"""


class Ledger:
    """An Envoy with two listeners, one of them with TLS, before an HTTP server."""

    def __init__(self, envoy: Envoy, authority: Authority, upstream: EchoUpstream) -> None:
        self.envoy = envoy
        self.authority = authority
        self.upstream = upstream

    def answers(self, client: Pair | None, name: str = LEDGER, source: str = "127.0.0.1") -> bool:
        """Whether a request on a connection of its own is answered; otherwise it is closed."""
        host, _, port = self.envoy.addresses["tls" if client else "plain"].rpartition(":")
        self.upstream.seen.clear()
        with socket.create_connection((host, int(port)), 20, (source, 0)) as plain:
            connection = plain
            if client is not None:
                context = ssl.create_default_context(cafile=self.authority.cert)
                context.load_cert_chain(client.cert, client.key)
                connection = context.wrap_socket(plain, server_hostname=name)
            with closing(connection):
                try:
                    connection.sendall(b"GET /books HTTP/1.1\r\nhost: ledger\r\n\r\n")
                    answered = connection.recv(100)
                except (ConnectionError, ssl.SSLError):
                    answered = b""
        assert bool(answered) == bool(self.upstream.seen)
        assert answered.startswith(b"HTTP/1.1 200 ") or not answered
        return bool(answered)

    def counted(self, verdict: str) -> int:
        """How often Envoy has got this answer of us."""
        return self.envoy.stat(f"ext_authz.ledger.{verdict}")


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    tools.require("envoy")
    folder = tmp_path_factory.mktemp("ledger")
    authority = Authority(folder / "ca")
    with ExitStack() as held:
        upstream = held.enter_context(closing(EchoUpstream()))
        config = opa_envoy.config(folder, POLICY, {})
        serve = held.enter_context(
            closing(Serve(folder, None, "--opa-envoy-config", str(config), "--workers", "1"))
        )
        bootstrap = _bootstrap(serve.grpc, upstream.address, authority)
        envoy = held.enter_context(closing(Envoy(tmp_path_factory.mktemp("envoy"), bootstrap)))
        yield Ledger(envoy, authority, upstream)


def _bootstrap(callout: str, upstream: str, authority: Authority) -> dict[str, object]:
    authz = {
        "@type": f"{_TYPE}.filters.network.ext_authz.v3.ExtAuthz",
        "stat_prefix": "ledger",
        "transport_api_version": "V3",
        "failure_mode_allow": True,  # so that an answer that is an error would be seen to pass
        "include_tls_session": True,
        "grpc_service": {"envoy_grpc": {"cluster_name": "callout"}, "timeout": "10s"},
    }
    proxy = {
        "@type": f"{_TYPE}.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "tcp",
        "cluster": "upstream",
    }
    filters = [
        {"name": "envoy.filters.network.ext_authz", "typed_config": authz},
        {"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy},
    ]
    ours = authority.issue("gateway", x509.DNSName(LEDGER), x509.DNSName("other.example"))
    tls = {
        "@type": f"{_TYPE}.transport_sockets.tls.v3.DownstreamTlsContext",
        "require_client_certificate": True,
        "common_tls_context": {
            "tls_certificates": [
                {
                    "certificate_chain": {"filename": str(ours.cert)},
                    "private_key": {"filename": str(ours.key)},
                }
            ],
            "validation_context": {"trusted_ca": {"filename": str(authority.cert)}},
        },
    }
    transport = {"name": "envoy.transport_sockets.tls", "typed_config": tls}
    return opa_envoy.bootstrap(
        [
            opa_envoy.listener("tls", filters, transport_socket=transport),
            opa_envoy.listener("plain", filters),
        ],
        callout,
        upstream,
    )


def certificate(ledger: Ledger, name: str, authority: Authority | None = None) -> Pair:
    issuer = authority or ledger.authority
    return issuer.issue("client", x509.UniformResourceIdentifier(name))


def test_a_connection_passes_by_the_name_in_its_certificate(ledger: Ledger) -> None:
    allowed, denied = ledger.counted("ok"), ledger.counted("denied")

    assert ledger.answers(certificate(ledger, BILLING))
    assert not ledger.answers(certificate(ledger, OTHER))

    assert (ledger.counted("ok"), ledger.counted("denied")) == (allowed + 1, denied + 1)
    assert ledger.counted("error") == 0


def test_a_connection_passes_by_the_server_that_it_asks_for(ledger: Ledger) -> None:
    assert not ledger.answers(certificate(ledger, BILLING), name="other.example")
    assert ledger.answers(certificate(ledger, BILLING))


def test_a_connection_without_tls_has_no_name_and_passes_by_its_address(ledger: Ledger) -> None:
    assert ledger.answers(None, source="127.0.0.2")
    assert not ledger.answers(None, source="127.0.0.3")
    assert ledger.counted("error") == 0


def test_envoy_asks_nobody_about_a_certificate_that_it_cannot_verify(
    ledger: Ledger, tmp_path: Path
) -> None:
    before = ledger.counted("total")
    foreign = certificate(ledger, BILLING, Authority(tmp_path / "foreign"))

    assert not ledger.answers(foreign)
    assert ledger.counted("total") == before

"""TLS of the listener: which files, which versions, and which clients are let in."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from callout.serve import client_names

ALPN = "h2"
"""The only protocol. A client that does not offer it is closed."""
MinVersion: TypeAlias = Literal["1.2", "1.3"]
Client: TypeAlias = Literal["required", "optional"]


@dataclass(frozen=True, slots=True)
class ServerTls:
    """Files and rules; nothing is read here.

    Raises:
        ValueError: `client_san` without `client_ca`: names of unverified certificates say nothing.
    """

    cert: Path
    """Our certificate, with its chain, PEM."""
    key: Path
    """Its private key, PEM, not encrypted."""
    client_ca: Path | None = None
    """Authorities whose client certificates are accepted, PEM. None: no client certificate is
    asked for."""
    client_san: tuple[str, ...] = ()
    """Subject alternative names, of which a client's certificate must have one: SPIFFE ids
    (`spiffe://mesh/ns/edge/sa/gateway`; a segment `*` is any one) or DNS names, compared exactly.
    Empty: any."""
    client: Client = "required"
    """With `client_ca`: whether a client without a certificate is let in (`optional`). It has no
    name, so `client_san` keeps it out all the same. Own transport."""
    min_version: MinVersion = "1.2"
    """The oldest TLS. 1.2: what Envoy speaks to upstreams unless told otherwise. Own transport;
    grpcio's is 1.2."""

    def __post_init__(self) -> None:
        if self.client_san and self.client_ca is None:
            raise ValueError("client_san needs client_ca")

    def admits(self, names: Iterable[tuple[str, str]]) -> bool:
        """Whether a client whose verified certificate has these names may come in.

        Args:
            names: (kind, value) as in `ssl.SSLSocket.getpeercert`; none without a certificate.
        """
        return not self.client_san or client_names.admits(self.client_san, names)

"""Which management server is asked, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ratelimit.xds.backoff import Backoff


@dataclass(frozen=True, slots=True)
class XdsTls:
    """TLS towards the server; PEM files, read for each connection: they may be replaced."""

    ca: Path | None = None
    """Authorities of its certificate. None: those that grpc brings."""
    cert: Path | None = None
    """Our certificate; with `key`."""
    key: Path | None = None
    """Its private key."""
    server_name: str = ""
    """What its certificate must be for; empty: the host that is called."""


@dataclass(frozen=True, slots=True)
class XdsOptions:
    """All of it."""

    server: str
    """`host:port` or `unix:/path`."""
    node: str
    """Who we are to it: it may have other rules for others."""
    tls: XdsTls | None
    """None: plain HTTP/2."""
    max_message: int
    """Bytes of one response; all domains are in one."""
    backoff: Backoff
    """Between attempts."""
    hold: float = 3.0
    """Seconds before the answer to what is sent again although it was refused. go-control-plane
    sends it as soon as it reads a NACK, and the two would fill the wire with it; and as it sends
    nothing newer before it has its answer, the wait is short."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Of the node: what else we are to it."""
    headers: tuple[tuple[str, str], ...] = ()
    """Of each stream; names in lower case."""

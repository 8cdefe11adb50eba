"""The setting `xds`: the management server that rate limit domains come from."""

import re
from typing import Annotated, Final

import pydantic

from callout.config.validate import SECRET, Block
from callout.serve.address import parse

_HEADER: Final = re.compile(r"([0-9A-Za-z_.-]{1,200}): *([ -~]{0,8192})")
"""As gRPC takes it: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests."""
_METADATA: Final = re.compile(r"([^=]{1,200})=(.{0,8192})", re.DOTALL)


def _server(text: str) -> str:
    parse(text)
    return text


def _header(text: str) -> str:
    found = _HEADER.fullmatch(text)
    if found is None or found[1].lower().startswith("grpc-") or found[1].lower().endswith("-bin"):
        raise ValueError("expected `name:value`, a header that gRPC lets callers send")
    return text


def _metadata(text: str) -> str:
    if not _METADATA.fullmatch(text):
        raise ValueError("expected `key=value`")
    return text


class XdsServerTls(Block):
    """TLS towards the server; PEM files, read again for each connection."""

    ca: str | None = None
    """Authorities of its certificate. None: the public ones that gRPC brings."""
    cert: str | None = None
    """Our certificate, where it asks for one; with `key`."""
    key: str | None = None
    """Its private key, not encrypted."""
    server_name: str | None = None
    """The name that its certificate must have. None: that of `server`."""

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> "XdsServerTls":
        if (self.cert is None) != (self.key is None):
            raise ValueError("expected both cert and key, or neither")
        return self


class Xds(Block):
    """Domains of envoyproxy/ratelimit's configuration, from a management server (ADS)."""

    server: Annotated[str, pydantic.AfterValidator(_server)]
    """`host:port` or `unix:/path`."""
    node_id: str = "default"
    """The node id that we say: servers keep a configuration for each. The default is that of
    envoyproxy/ratelimit."""
    node_metadata: tuple[Annotated[str, pydantic.AfterValidator(_metadata)], ...] = ()
    """What else we say of ourselves, each `key=value`: texts of the node's metadata."""
    headers: tuple[Annotated[str, SECRET, pydantic.AfterValidator(_header)], ...] = pydantic.Field(
        (), repr=False
    )
    """Sent with each attempt, each `name:value`, such as a token that the server asks for."""
    tls: XdsServerTls | None = None
    """None: plain HTTP/2. `{}`: TLS by the defaults."""
    max_message: Annotated[int, pydantic.Field(ge=4096, le=256 << 20)] = 4 << 20
    """Bytes of one response, which has all domains: gRPC's own default."""
    initial_fetch_timeout: Annotated[float, pydantic.Field(ge=0, le=86_400)] = 0.0
    """Seconds after the start in which nothing is decided until the server has answered; then the
    bundle alone decides, and its domains are without limits. 0: for as long as it takes, as
    requests of a domain that nobody knows are allowed."""
    backoff_initial: Annotated[float, pydantic.Field(ge=0.1, le=3600)] = 1.0
    """Seconds before the second attempt to reach the server, give or take half; doubled for each
    that fails."""
    backoff_max: Annotated[float, pydantic.Field(ge=0.1, le=3600)] = 30.0
    """Seconds between two attempts at most, give or take half."""
    backoff_jitter: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.5
    """What is given or taken: this share of the seconds, at random. 0: nothing."""

    @property
    def header_values(self) -> tuple[tuple[str, str], ...]:
        """The headers, their names in lower case."""
        pairs = (each.partition(":") for each in self.headers)
        return tuple((name.lower(), value.strip()) for name, _, value in pairs)

    @property
    def metadata_values(self) -> dict[str, str]:
        """The node's metadata."""
        return {
            key: value for key, _, value in (each.partition("=") for each in self.node_metadata)
        }

    @pydantic.model_validator(mode="after")
    def _grows(self) -> "Xds":
        if self.backoff_initial > self.backoff_max:
            raise ValueError("expected backoff_max of at least backoff_initial")
        return self

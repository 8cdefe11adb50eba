"""The setting `opa`: the OPA servers of policies that ask one."""

from typing import Annotated, Final, TypeAlias
from urllib.parse import urlsplit

import pydantic

from callout.config.validate import SECRET, Block

MOST: Final = 16
"""Servers: those of one zone; a question is asked of three of them at most."""


def _server(text: str) -> str:
    """Without echoing it: there may be a password in it."""
    try:
        parts = urlsplit(text)
        good = bool(parts.hostname)
        _ = parts.port
    except ValueError:
        message = "expected a URL (/?#@ of a password escaped: %23), found a text that is none"
        raise ValueError(message) from None
    if parts.scheme not in ("http", "https") or not good:
        raise ValueError("expected a URL with a host that begins with one of http://, https://")
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise ValueError("expected scheme, host and port only: policies name the document")
    return text


def _each_once(servers: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(servers)) != len(servers):
        raise ValueError("expected each server once, found one again")
    return servers


OpaServer: TypeAlias = Annotated[str, SECRET, pydantic.AfterValidator(_server)]
OpaServers: TypeAlias = Annotated[
    tuple[OpaServer, ...],
    pydantic.Field(min_length=1, max_length=MOST),
    pydantic.AfterValidator(_each_once),
]


class Opa(Block):
    """Servers that all decide alike, and what they are shown; PEM files."""

    servers: OpaServers = pydantic.Field(repr=False)
    """Which is asked: the one that has the least to do, among those that answer."""
    token_file: str | None = None
    """A file with a bearer token for them; read again, so it may be replaced."""
    ca: str | None = None
    """Authorities of their certificates. None: those of the system."""
    cert: str | None = None
    """Our certificate, where they ask for one; with `key`."""
    key: str | None = None
    """Its private key, not encrypted."""

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> "Opa":
        if (self.cert is None) != (self.key is None):
            raise ValueError("expected both cert and key, or neither")
        plain = [each for each in self.servers if each.startswith("http:")]
        if plain and (self.ca is not None or self.cert is not None):
            raise ValueError("expected https:// servers beside ca and cert, found http://")
        return self


def opa_of(written: "str | tuple[str, ...] | Opa") -> Opa:
    """What is written as one URL, or as a list, in full."""
    if isinstance(written, Opa):
        return written
    return Opa(servers=(written,) if isinstance(written, str) else written)

"""What a policy was allowed in writing. Nothing is allowed without."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class HttpPermit:
    """For `http.send`."""

    hosts: frozenset[str]
    """`idp.example` (the scheme's own port) or `idp.example:8443`, in lower case."""
    methods: frozenset[str] = frozenset({"GET"})
    timeout: float = 1.0
    """Seconds for a request with all its redirections and retries, at most."""
    private: bool = False
    """Whether a host's address may be a private one or this machine's."""
    max_body: int = 1 << 20
    """Bytes of an answer."""

    def allows(self, scheme: str, host: str, port: int | None) -> bool:
        """Whether a request may go there."""
        host = host.lower()
        if port is None or port == DEFAULT_PORTS.get(scheme):
            return host in self.hosts or f"{host}:{DEFAULT_PORTS.get(scheme)}" in self.hosts
        return f"{host}:{port}" in self.hosts


@dataclass(frozen=True, slots=True)
class Permits:
    """All that one policy may do."""

    http: HttpPermit | None = None
    lookup: frozenset[str] = frozenset()
    """Names that `net.lookup_ip_addr` may ask for."""
    runtime: Mapping[str, Any] | None = field(default=None, hash=False)
    """What `opa.runtime` gives."""

    def allowed(self) -> frozenset[str]:
        """The builtins that need a permit and have one."""
        names = {
            "http.send": self.http is not None,
            "net.lookup_ip_addr": bool(self.lookup),
            "opa.runtime": self.runtime is not None,
        }
        return frozenset(name for name, given in names.items() if given)


NONE: Final = Permits()
GATED: Final[Mapping[str, str]] = {
    "http.send": "http",
    "net.lookup_ip_addr": "lookup",
    "opa.runtime": "runtime",
}
"""Builtins that need a permit, with the key under `decide.allow` that gives it."""


def address_allowed(address: str, private: bool) -> bool:
    """Whether a request may go to this address; the cloud's metadata service never."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if found.is_link_local or found.is_multicast or found.is_unspecified:
        return False
    return private or found.is_global

"""What the rendered gateway must know: where things are, and what the policies ask of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from callout.config.source import Source


@dataclass(frozen=True, slots=True)
class Upstream:
    """The service behind the gateway."""

    host: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True)
class FailureModes:
    """Envoy's own switches, for when it gets no answer from us at all.

    They are for a whole filter, so one policy that fails closed closes it for all.
    """

    auth_allows: bool
    """`failure_mode_allow` of ext_authz."""
    limits_allow: bool
    """The opposite of `failure_mode_deny` of the rate limit filter."""
    inspection_allows: bool = False
    """`failure_mode_allow` of ext_proc."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything that is rendered, in one value."""

    host: str
    port: int
    """0: any free port."""
    callout: str
    """Our gRPC listener: `host:port` or `unix:/path`; several of them, with a comma between two,
    when each worker has its own."""
    upstream: Upstream
    failure: FailureModes
    request_id: str = ""
    """The key of the descriptor entry with the request's id, where `limits.retries` asks for one;
    empty: it does not."""
    process: str = ""
    """Our listener of external processing, as `callout`; empty: no policy inspects anything."""


def parse_upstream(url: str) -> Upstream | str:
    """Reads `http://host[:port]` or `https://...`; a text is what is wrong with it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"expected an address such as http://127.0.0.1:8000: {error}"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "expected an address such as http://127.0.0.1:8000"
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        return "expected scheme, host and port only: Envoy forwards the client's own path"
    tls = parts.scheme == "https"
    return Upstream(parts.hostname, port or (443 if tls else 80), tls)


def failure_modes(policies: Sequence[Source]) -> FailureModes:
    """Lets a filter fail open only where every policy behind it says `onError: allow`."""
    auths = [auth for each in policies if isinstance(auth := each.value.get("auth"), dict)]
    looks = [look for each in policies if isinstance(look := each.value.get("inspect"), dict)]
    limits = [
        limit
        for each in policies
        if isinstance(listed := each.value.get("limits"), list)
        for limit in listed
        if isinstance(limit, dict) and not limit.get("off")
    ]
    return FailureModes(
        auth_allows=bool(auths) and all(each.get("onError") == "allow" for each in auths),
        limits_allow=bool(limits) and all(each.get("onError") == "allow" for each in limits),
        inspection_allows=bool(looks) and all(each.get("onError") == "allow" for each in looks),
    )


def inspects(policies: Sequence[Source]) -> bool:
    """Whether any policy inspects anything."""
    return any(isinstance(each.value.get("inspect"), dict) for each in policies)

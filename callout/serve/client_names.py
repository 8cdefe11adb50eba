"""Which names in a client's certificate are let in: an allow-list of SPIFFE ids and DNS names.

SPIFFE's X509-SVID standard, section 2: an SVID has exactly one URI among its subject alternative
names, and validators must reject one with more. Names are compared byte by byte: SPIFFE ids are
lower case where case could matter, and a certificate's `*.example` names no client.
"""

from collections.abc import Iterable, Sequence

SPIFFE = "spiffe://"
ANY = "*"
"""As a whole segment of a SPIFFE id's path: any one segment. (Ghostunnel's `--allow-uri` and
Istio's principals know it too.) Never a part of a segment, never the trust domain."""


def mistake(allowed: str) -> str:
    """What is wrong with an entry of the allow-list; empty: nothing."""
    if not allowed:
        return "an empty name"
    if not allowed.startswith(SPIFFE):
        return "`*` in a name that is no SPIFFE id" if ANY in allowed else ""
    domain, *path = allowed.removeprefix(SPIFFE).split("/")
    if not domain or ANY in domain:
        return "a SPIFFE id without a trust domain of its own"
    if any(ANY in segment and segment != ANY for segment in path):
        return "`*` beside other characters: it stands for a whole segment"
    if "" in path:
        return "an empty segment"
    return ""


def admits(allowed: Sequence[str], names: Iterable[tuple[str, str]]) -> bool:
    """Whether a verified certificate with these names may come in.

    Args:
        allowed: SPIFFE ids, other URIs and DNS names, of which one must fit.
        names: (kind, value) as in `ssl.SSLSocket.getpeercert`; kinds `URI` and `DNS` count.
    """
    offered = list(names)
    uris = [value for kind, value in offered if kind == "URI"]
    if len(uris) > 1 and any(each.startswith(SPIFFE) for each in uris):
        return False
    dns = [value for kind, value in offered if kind == "DNS"]
    return any(
        any(_fits(each, uri) for uri in uris) if "://" in each else each in dns for each in allowed
    )


def _fits(allowed: str, uri: str) -> bool:
    if ANY not in allowed:
        return allowed == uri
    wanted, found = allowed.split("/"), uri.split("/")
    return len(wanted) == len(found) and all(
        segment not in ("", ".", "..") if want == ANY else want == segment
        for want, segment in zip(wanted, found, strict=True)
    )

"""Builders for the messages that Envoy sends, as protobuf."""

from collections.abc import Mapping

from envoy.service.auth.v3 import external_auth_pb2
from envoy.service.ratelimit.v3 import rls_pb2

CheckRequest = external_auth_pb2.CheckRequest
RateLimitRequest = rls_pb2.RateLimitRequest

BROWSER_HEADERS: Mapping[str, str] = {
    "user-agent": (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/131.0.0.0 Safari/537.36"
    ),
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
    "accept-encoding": "gzip, deflate, br, zstd",
    "accept-language": "en-GB,en;q=0.9,de;q=0.8",
    "referer": "https://shop.example/account/orders",
    "cookie": (
        "session=8f3b0c5e7d9a4f21b6c8e0d2a4b6c8e05f1d7b3a9c2e4f60; theme=dark; lang=en-GB; "
        "consent=analytics%3D0%26ads%3D0; _ga=GA1.2.1190372451.1735600011; "
        "_ga_7QX2M1RT5K=GS1.1.1735689512.14.1.1735689577.60.0.0; cart=b64-eyJpdGVtcyI6W3siaWQiOiI0"
        "MTEyIiwicXR5IjoyfSx7ImlkIjoiOTAwMSIsInF0eSI6MX1dfQ; seen=4112.9001.2210.7733"
    ),
    "sec-fetch-site": "same-origin",
    "sec-fetch-mode": "navigate",
    "x-forwarded-for": "198.51.100.24",
    "x-forwarded-proto": "https",
    "x-request-id": "0b8c7f5e-3f0a-4d0e-9d53-6a1de1cfb3a4",
    "upgrade-insecure-requests": "1",
}
"""Twelve headers of a browser's navigation behind a proxy; sixteen with the pseudo-headers."""


def check_request(
    method: str = "GET",
    path: str = "/",
    host: str = "shop.example",
    headers: Mapping[str, str] | None = None,
    *,
    scheme: str = "https",
    source: str = "198.51.100.24",
    body: str = "",
    context_extensions: Mapping[str, str] | None = None,
) -> "external_auth_pb2.CheckRequest":
    """What Envoy's ext_authz filter sends for one HTTP request.

    Args:
        method: the HTTP method.
        path: raw, with the query, as on the request line.
        host: the authority, with a port if the client sent one.
        headers: beside the four pseudo-headers; names in lower case.
        scheme: `http` or `https`.
        source: the address of the peer.
        body: what Envoy buffered of it.
        context_extensions: trusted words of the route's configuration (`{"policy": "shop"}`).
    """
    request = CheckRequest()
    attributes = request.attributes
    attributes.source.address.socket_address.address = source
    attributes.source.address.socket_address.port_value = 51874
    attributes.destination.address.socket_address.address = "10.0.3.17"
    attributes.destination.address.socket_address.port_value = 8443
    attributes.request.time.FromSeconds(1_735_689_600)
    http = attributes.request.http
    http.id = "13359530607844510314"
    http.method = method
    http.path = path
    http.host = host
    http.scheme = scheme
    http.protocol = "HTTP/2"
    http.size = len(body.encode()) if body else -1
    http.body = body
    http.headers.update({":authority": host, ":method": method, ":path": path, ":scheme": scheme})
    http.headers.update(headers or {})
    attributes.context_extensions.update(context_extensions or {})
    return request


def browser_check_request(
    host: str = "shop.example", path: str = "/orders/2024-118823?expand=lines&currency=EUR"
) -> "external_auth_pb2.CheckRequest":
    """A browser's navigation: 16 headers, about 1.2 KB serialized."""
    return check_request("GET", path, host, BROWSER_HEADERS)


def rate_limit_request(
    domain: str,
    *descriptors: Mapping[str, str],
    hits_addend: int = 0,
) -> "rls_pb2.RateLimitRequest":
    """What Envoy's rate limit filter sends.

    Args:
        domain: the filter's domain.
        descriptors: each is its entries, key to value, in order.
        hits_addend: 0 is not sent, and counts as one.
    """
    request = RateLimitRequest(domain=domain, hits_addend=hits_addend)
    for descriptor in descriptors:
        entries = request.descriptors.add().entries
        for key, value in descriptor.items():
            entries.add(key=key, value=value)
    return request

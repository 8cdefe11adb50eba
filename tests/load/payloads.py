"""The requests that are measured, as bytes, and what each of them must be answered.

The Check is what Envoy sends for a browser's request: 16 headers, about 1.2 KB.
"""

import json
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from envoy.service.auth.v3 import external_auth_pb2
from envoy.service.ratelimit.v3 import rls_pb2
from google.protobuf import json_format

CHECK = "/envoy.service.auth.v3.Authorization/Check"
LIMIT = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"

ALLOWED_USER = "alice"
DENIED_USER = "guest"
HOST = "bench.example"
JWT_HOST = "jwt.bench.example"
ENVOY_HOST = "envoy.bench.example"
FULL_HOST = "full.bench.example"
PATH = "/orders/2024-118823?expand=lines&currency=EUR"

BROWSER = {
    "user-agent": (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/131.0.0.0 Safari/537.36"
    ),
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
    "accept-encoding": "gzip, deflate, br, zstd",
    "accept-language": "en-GB,en;q=0.9,de;q=0.8",
    "referer": "https://bench.example/account/orders",
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
}


@dataclass(frozen=True)
class Exchange:
    """A request that is measured, and a variant of it that must be refused."""

    path: str
    allowed: bytes
    denied: bytes


def headers(host: str, user: str, token: str | None = None) -> dict[str, str]:
    """All headers as Envoy passes them: four pseudo-headers, the browser's, the user's."""
    extra = {"authorization": f"Bearer {token}"} if token else {}
    return {
        ":authority": host,
        ":method": "GET",
        ":path": PATH,
        ":scheme": "https",
        **BROWSER,
        "x-user": user,
        **extra,
    }


def check_message(host: str, user: str, token: str | None = None) -> external_auth_pb2.CheckRequest:
    """What Envoy's ext_authz filter sends for one browser request."""
    request = external_auth_pb2.CheckRequest()
    attributes = request.attributes
    attributes.source.address.socket_address.address = "198.51.100.24"
    attributes.source.address.socket_address.port_value = 51874
    attributes.destination.address.socket_address.address = "10.0.3.17"
    attributes.destination.address.socket_address.port_value = 8443
    attributes.request.time.FromSeconds(1_735_689_600)
    http = attributes.request.http
    http.id = "13359530607844510314"
    http.method = "GET"
    http.path = PATH
    http.host = host
    http.scheme = "https"
    http.protocol = "HTTP/2"
    http.size = -1
    http.headers.update(headers(host, user, token))
    return request


def check() -> Exchange:
    """Anonymous identity, RBAC by a header."""
    return Exchange(
        CHECK,
        check_message(HOST, ALLOWED_USER).SerializeToString(),
        check_message(HOST, DENIED_USER).SerializeToString(),
    )


def check_with_jwt(key: ec.EllipticCurvePrivateKey) -> Exchange:
    """A good ES256 token, and one that another key has signed."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    return Exchange(
        CHECK,
        check_message(JWT_HOST, ALLOWED_USER, token(key)).SerializeToString(),
        check_message(JWT_HOST, DENIED_USER, token(stranger)).SerializeToString(),
    )


def token(key: ec.EllipticCurvePrivateKey) -> str:
    """A token as an identity provider would give, valid for a day."""
    now = int(time.time())
    claims = {
        "iss": "https://idp.bench.example/",
        "aud": "bench",
        "sub": "f3c1a5de-8a0c-4b57-9d0d-2f4be0b1c7aa",
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + 86_400,
        "scope": "orders:read orders:write reviews:read",
        "org": {"id": "acme"},
    }
    return jwt.encode(claims, key, algorithm="ES256", headers={"kid": "bench"})


def write_jwks(key: ec.EllipticCurvePrivateKey, file: Path) -> None:
    """The public half, where the bundle names it."""
    public: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"keys": [public | {"kid": "bench", "use": "sig", "alg": "ES256"}]}))


def limit(descriptors: int) -> Exchange:
    """One or two descriptors of domain `bench`; the refused variant has a limit of nothing."""
    return Exchange(LIMIT, _limit("198.51.100.24", descriptors), _limit("banned", descriptors))


def _limit(address: str, descriptors: int) -> bytes:
    request: Any = rls_pb2.RateLimitRequest(domain="bench")
    request.descriptors.add().entries.add(key="remote_address", value=address)
    if descriptors == 2:
        second = request.descriptors.add()
        second.entries.add(key="user", value=ALLOWED_USER)
        second.entries.add(key="path", value="/orders")
    message: bytes = request.SerializeToString()
    return message


def opa_input(user: str) -> bytes:
    """The document that opa-envoy-plugin makes of the same CheckRequest, for OPA's REST API."""
    document = json_format.MessageToDict(check_message(HOST, user))
    document["parsed_path"] = PATH.split("?")[0].lstrip("/").split("/")
    document["parsed_query"] = {"expand": ["lines"], "currency": ["EUR"]}
    document["parsed_body"] = None
    document["truncated_body"] = False
    document["version"] = {"ext_authz": "v3", "encoding": "protojson"}
    return json.dumps({"input": document}).encode()


def framed(message: bytes) -> bytes:
    """With gRPC's prefix of five bytes: not compressed, length."""
    return struct.pack(">BI", 0, len(message)) + message

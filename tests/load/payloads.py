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
from google.protobuf import json_format

from callout.testing.requests import (
    BROWSER_HEADERS,
    CheckRequest,
    check_request,
    rate_limit_request,
)
from tests.load import varied

CHECK = "/envoy.service.auth.v3.Authorization/Check"
LIMIT = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"

ALLOWED_USER = "alice"
DENIED_USER = "guest"
HOST = "bench.example"
JWT_HOST = "jwt.bench.example"
ENVOY_HOST = "envoy.bench.example"
FULL_HOST = "full.bench.example"
MANY = 20_000
"""More paths than a service keeps plans of requests."""
PATH = "/orders/2024-118823?expand=lines&currency=EUR"

BROWSER = {
    name: value for name, value in BROWSER_HEADERS.items() if name != "upgrade-insecure-requests"
}
"""Eleven: with the user and the four pseudo-headers, 16."""


@dataclass(frozen=True)
class Exchange:
    """A request that is measured, and a variant of it that must be refused."""

    path: str
    allowed: bytes
    denied: bytes


def check_message(host: str, user: str, token: str | None = None) -> CheckRequest:
    """What Envoy's ext_authz filter sends for one browser request."""
    bearer = {"authorization": f"Bearer {token}"} if token else {}
    headers = BROWSER | {"x-user": user} | bearer
    return check_request(path=PATH, host=host, headers=headers)


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


def unique(descriptors: int) -> Exchange:
    """The same with marks where varied.py puts other digits into each request."""
    mark = varied.MARK.decode()
    return Exchange(LIMIT, _limit(mark, descriptors, mark), _limit("banned", descriptors))


def _limit(address: str, descriptors: int, user: str = ALLOWED_USER) -> bytes:
    both = [{"remote_address": address}, {"user": user, "path": "/orders"}]
    message: bytes = rate_limit_request("bench", *both[:descriptors]).SerializeToString()
    return message


def paths() -> list[str]:
    """All different, all allowed, all in the same counter of the Envoy scenario."""
    return [f"/orders/2024-{100_000 + number}?expand=lines&currency=EUR" for number in range(MANY)]


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

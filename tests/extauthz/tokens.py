"""Keys, key sets and tokens for tests; the attacks are written by hand, not by a library."""

import base64
import hashlib
import hmac
import json
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER = "https://idp.example/"
NOW = 1_800_000_000.0


@cache
def private_key(name: str) -> Any:
    """A private key, made once: `rsa`, `rsa-small`, `ec`, `ec384`, `ed`, each also `other-...`."""
    kind = name.rpartition("-")[2] if not name.endswith("-small") else "small"
    match kind:
        case "rsa":
            return rsa.generate_private_key(65537, 2048)
        case "small":
            return rsa.generate_private_key(65537, 1024)
        case "ec":
            return ec.generate_private_key(ec.SECP256R1())
        case "ec384":
            return ec.generate_private_key(ec.SECP384R1())
        case "ed":
            return ed25519.Ed25519PrivateKey.generate()
    raise KeyError(name)


_MAKERS: dict[str, Any] = {
    "rsa": jwt.algorithms.RSAAlgorithm,
    "small": jwt.algorithms.RSAAlgorithm,
    "ec": jwt.algorithms.ECAlgorithm,
    "ec384": jwt.algorithms.ECAlgorithm,
    "ed": jwt.algorithms.OKPAlgorithm,
}


def jwk(name: str, **more: Any) -> dict[str, Any]:
    """The public half as a JWK."""
    made: dict[str, Any] = _MAKERS[name.rpartition("-")[2]].to_jwk(
        private_key(name).public_key(), as_dict=True
    )
    made.pop("key_ops", None)
    return {**made, "kid": name, **more}


def jwks(*keys: dict[str, Any]) -> bytes:
    """A JWK Set."""
    return json.dumps({"keys": list(keys)}).encode()


def pem(name: str) -> bytes:
    """The public half as an attacker would feed it to HMAC."""
    encoded: bytes = (
        private_key(name)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return encoded


def claims(**more: Any) -> dict[str, Any]:
    """The claims of a good token; a value of None leaves the claim out."""
    whole = {
        "iss": ISSUER,
        "aud": "shop",
        "sub": "alice",
        "iat": int(NOW) - 60,
        "exp": int(NOW) + 3600,
        **more,
    }
    return {name: value for name, value in whole.items() if value is not None}


_ALGORITHMS = {"rsa": "RS256", "ec": "ES256", "ec384": "ES384", "ed": "EdDSA", "small": "RS256"}


def token(
    payload: dict[str, Any] | None = None,
    *,
    key: str = "ec",
    kid: str | None = "",
    algorithm: str | None = None,
    header: dict[str, Any] | None = None,
) -> str:
    """A token signed by `key`; its `kid` is the key's name unless told otherwise."""
    name = key if kid == "" else kid
    extra = {**({"kid": name} if name is not None else {}), **(header or {})}
    return jwt.encode(
        claims() if payload is None else payload,
        private_key(key),
        algorithm=algorithm or _ALGORITHMS[key.rpartition("-")[2]],
        headers=extra,
    )


def part(value: Any) -> str:
    """One base64url segment of JSON, or of bytes as they are."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def by_hand(header: Any, payload: Any, sign: Any = b"") -> str:
    """A token of any header, its signature made by `sign(signing_input)` or given."""
    signing_input = f"{part(header)}.{part(payload)}"
    signature = sign(signing_input.encode()) if callable(sign) else sign
    return f"{signing_input}.{part(signature)}"


def hmac_with(secret: bytes) -> Any:
    """HS256 with any secret."""
    return lambda data: hmac.new(secret, data, hashlib.sha256).digest()


def es256(name: str) -> Any:
    """A raw ES256 signature, for headers that PyJWT refuses to write."""
    algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
    return lambda data: algorithm.sign(data, private_key(name))

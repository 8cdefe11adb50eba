"""Keys as JSON (RFC 7517): what a policy gives as `cert` or to sign with, and what is shown."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

Private: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Public: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
Material: TypeAlias = Private | Public | bytes | None
"""A key; `bytes` of a symmetric one; None: one that verifies and signs nothing."""


class Key(NamedTuple):
    """One key of a set."""

    alg: str
    """Empty: not said."""
    kid: str
    """Empty: not said."""
    material: Material


class BadKey(Exception):
    """No key, or none that we can use; with the reason."""


MOST_BITS: Final = 16_384
"""Of an RSA modulus. OpenSSL verifies with no larger one; building one costs with its square."""
MOST_KEYS: Final = 1_000
"""In a set."""

_NAMES: Final = (
    "EdDSA Ed25519 Ed448 ES256 ES256K ES384 ES512 HS256 HS384 HS512 PS256 PS384 PS512 RS256 RS384"
    " RS512 none A128KW A192KW A256KW A128GCMKW A192GCMKW A256GCMKW dir ECDH-ES ECDH-ES+A128KW"
    " ECDH-ES+A192KW ECDH-ES+A256KW PBES2-HS256+A128KW PBES2-HS384+A192KW PBES2-HS512+A256KW RSA1_5"
    " RSA-OAEP RSA-OAEP-256 RSA-OAEP-384 RSA-OAEP-512 A128GCM A192GCM A256GCM A128CBC-HS256"
    " A192CBC-HS384 A256CBC-HS512"
)
_REGISTERED: Final = frozenset(_NAMES.split())
"""Algorithms that a key may be for (RFC 7518); a set with any other is refused as a whole."""

_CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_CURVE_NAMES: Final = {curve.name: name for name, curve in _CURVES.items()}


def parse(text: str) -> list[Key]:
    """The keys of a JWK or a JWK set.

    Raises:
        BadKey: no JSON of that form, or a key with wrong fields.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadKey(f"invalid JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadKey("a key is a JSON object")
    if "keys" not in document:
        return [_key(document)]
    keys = document["keys"]
    if not isinstance(keys, list) or len(keys) > MOST_KEYS:
        raise BadKey(f"keys is a list of at most {MOST_KEYS}")
    return [_key(each) for each in keys]


def _key(fields: object) -> Key:
    if not isinstance(fields, dict):
        raise BadKey("a key is a JSON object")
    read = _KINDS.get(_text(fields, "kty"))
    if read is None:
        raise BadKey(f"invalid key type from JSON ({_text(fields, 'kty')[:40]})")
    try:
        material = read(fields)
    except (UnsupportedAlgorithm, ValueError, OverflowError) as error:
        raise BadKey(str(error)) from None
    alg = _text(fields, "alg", "")
    if "alg" in fields and alg not in _REGISTERED:
        raise BadKey(f"invalid algorithm {alg[:40]}")
    return Key(alg, _text(fields, "kid", ""), material)


def _text(fields: dict[str, Any], name: str, default: str | None = None) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str):
        raise BadKey(f"{name} must be a string")
    return value


def _bytes(fields: dict[str, Any], name: str) -> bytes:
    text = _text(fields, name).rstrip("=").replace("+", "-").replace("/", "_")
    if len(text) > MOST_BITS:
        raise BadKey(f"{name} is too long")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadKey(f"failed to decode {name}: illegal base64 data") from None


def _number(fields: dict[str, Any], name: str) -> int:
    return int.from_bytes(_bytes(fields, name), "big")


def _rsa(fields: dict[str, Any]) -> Material:
    public = rsa.RSAPublicNumbers(_number(fields, "e"), _number(fields, "n"))
    if public.n.bit_length() > MOST_BITS:
        raise BadKey("the modulus is too long")
    if "d" not in fields:
        try:
            return public.public_key()
        except ValueError:
            return None  # Go builds such a key, and verifies nothing with it
    d = _number(fields, "d")
    if "p" in fields and "q" in fields:
        p, q = _number(fields, "p"), _number(fields, "q")
    else:
        p, q = rsa.rsa_recover_prime_factors(public.n, public.e, d)
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), public
    )
    return numbers.private_key()


def _ec(fields: dict[str, Any]) -> Material:
    curve = _CURVES.get(_text(fields, "crv"))
    if curve is None:
        raise BadKey("unsupported curve")
    public = ec.EllipticCurvePublicNumbers(_number(fields, "x"), _number(fields, "y"), curve)
    if "d" not in fields:
        return public.public_key()
    return ec.EllipticCurvePrivateNumbers(_number(fields, "d"), public).private_key()


def _okp(fields: dict[str, Any]) -> Material:
    curve = _text(fields, "crv")
    if curve == "X25519":
        x25519.X25519PublicKey.from_public_bytes(_bytes(fields, "x"))
        return None  # for key agreement
    if curve != "Ed25519":
        raise BadKey("unsupported curve")
    if "d" in fields:
        return ed25519.Ed25519PrivateKey.from_private_bytes(_bytes(fields, "d"))
    return ed25519.Ed25519PublicKey.from_public_bytes(_bytes(fields, "x"))


_KINDS: Final[Mapping[str, Callable[[dict[str, Any]], Material]]] = {
    "RSA": _rsa,
    "EC": _ec,
    "OKP": _okp,
    "oct": lambda fields: _bytes(fields, "k"),
}


def shown(key: Private | x25519.X25519PrivateKey) -> dict[str, str]:
    """A private key as a JWK."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        fields = {
            "d": numbers.d, "dp": numbers.dmp1, "dq": numbers.dmq1, "p": numbers.p,
            "q": numbers.q, "qi": numbers.iqmp, "n": numbers.public_numbers.n,
            "e": numbers.public_numbers.e,
        }  # fmt: skip
        return {"kty": "RSA", **{name: _encoded(_minimal(n)) for name, n in fields.items()}}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        point, size = key.private_numbers(), (key.key_size + 7) // 8
        name = _CURVE_NAMES.get(key.curve.name)
        if name is None:
            raise BadKey("unsupported curve")
        public = point.public_numbers
        fields = {"d": point.private_value, "x": public.x, "y": public.y}
        encoded = {n: _encoded(value.to_bytes(size, "big")) for n, value in fields.items()}
        return {"kty": "EC", "crv": name, **encoded}
    curve = "Ed25519" if isinstance(key, ed25519.Ed25519PrivateKey) else "X25519"
    seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    point_bytes = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"kty": "OKP", "crv": curve, "d": _encoded(seed), "x": _encoded(point_bytes)}


def _minimal(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

"""An issuer's public keys: JWK Sets (RFC 7517), each key bound to what it may verify.

The token's header only *names* an algorithm. Which algorithms a key verifies follows from the key
itself (type, curve, `alg`), so an RSA key can never be used as an HMAC secret (CVE-2022-29217),
and a list of allowed names cannot be talked around (CVE-2026-48523).
"""

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from extauthz import exact_json

ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
"""All that we verify (RFC 7518, RFC 8037), and the default of an entry. No `none`, no HMAC."""

SIZE_MOST = 256 * 1024
"""Bytes of a JWK Set: hundreds of keys. More is not one."""
_KEYS_MOST = 256
_RSA_BITS_LEAST = 2048
"""RFC 7518 3.3."""

_RSA = frozenset(name for name in ALGORITHMS if name[:2] in ("RS", "PS"))
_CURVES = {
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
}
_PUBLIC_PARTS = ("kty", "crv", "x", "y", "n", "e")


class Key(NamedTuple):
    """One public key."""

    kid: str | None
    algorithms: frozenset[str]
    """What it may verify, and nothing else."""
    public: Any
    """As `cryptography` has it."""


@dataclass(frozen=True, slots=True, eq=False)
class KeySet:
    """The usable keys of one issuer."""

    keys: tuple[Key, ...]
    digest: str
    """Of the document they came from: equal digests are equal keys."""

    def knows(self, kid: str | None) -> bool:
        """Whether a key has that id; a token without one is never a reason to look further."""
        return kid is None or any(key.kid == kid for key in self.keys)

    def candidates(self, kid: str | None, algorithm: str) -> tuple[Key, ...]:
        """The keys that may have signed: of that id if one is named, and fit for `algorithm`."""
        return tuple(
            key
            for key in self.keys
            if algorithm in key.algorithms and (kid is None or key.kid == kid)
        )


def parse(data: bytes) -> KeySet | str:
    """Read a JWK Set.

    Keys that are not for verifying signatures (encryption keys, unknown types, HMAC secrets, RSA
    under 2,048 bits) are left out: real sets hold them.

    Returns:
        The keys, or why there are none, in words that hold nothing of the document.
    """
    if len(data) > SIZE_MOST:
        return f"larger than {SIZE_MOST} bytes"
    try:
        document = exact_json.loads(data)
    except ValueError as error:
        return str(error)
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        return "not a JWK Set: expected an object with a list `keys`"
    found = []
    for item in document["keys"][:_KEYS_MOST]:
        key = _key(item)
        if key is not None:
            found.append(key)
    if not found:
        return "no key in it can verify a signature (RSA of 2048 bits or more, EC, Ed25519)"
    return KeySet(tuple(found), hashlib.sha256(data).hexdigest())


def _key(item: object) -> Key | None:
    if not isinstance(item, dict) or item.get("use", "sig") != "sig":
        return None
    operations = item.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    kind, curve, kid = item.get("kty"), item.get("crv"), item.get("kid")
    if not isinstance(kind, str) or not (kid is None or isinstance(kid, str)):
        return None
    if kind == "RSA":
        algorithms = _RSA
    elif isinstance(curve, str) and (kind, curve) in _CURVES:
        algorithms = _CURVES[kind, curve]
    else:
        return None
    if "alg" in item:
        algorithms = algorithms & {item["alg"]} if isinstance(item["alg"], str) else frozenset()
    if not algorithms:
        return None
    # only the public parts: a set that wrongly holds private ones must not bring them into memory
    public = {name: item[name] for name in _PUBLIC_PARTS if name in item}
    try:
        key = jwt.PyJWK(public, algorithm=min(algorithms)).key
    except Exception:  # whatever a library makes of a broken key: it is not usable
        return None
    if isinstance(key, RSAPublicKey) and key.key_size < _RSA_BITS_LEAST:
        return None
    return Key(kid, algorithms, key)

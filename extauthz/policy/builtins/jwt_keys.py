"""The keys that tokens are verified with: a certificate, a public key, or a JWK set."""

from functools import lru_cache
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from extauthz.policy.builtins import jwk, pem
from extauthz.policy.builtins.jwk import Key, Material
from extauthz.policy.errors import BuiltinError
from extauthz.policy.values.text import go_bytes

ALGORITHMS: Final = frozenset(
    f"{family}{bits}" for family in ("RS", "PS", "ES", "HS") for bits in (256, 384, 512)
) | {"EdDSA"}

MOST_REMEMBERED: Final = 100
"""Texts whose keys are kept, as OPA does: parsing a set takes longer than verifying with it."""


@lru_cache(maxsize=MOST_REMEMBERED)
def verification_keys(text: str) -> tuple[Key, ...]:
    """The keys in `text`, in their order.

    Raises:
        BuiltinError: there are none.
    """
    block, rest = pem.first(go_bytes(text))
    if block is None:
        try:
            keys = jwk.parse(text)
        except jwk.BadKey as error:
            raise BuiltinError(f"failed to parse a JWK key (set): {error}") from None
        return tuple(key for key in keys if not key.alg or key.alg in ALGORITHMS)
    if rest:
        raise BuiltinError("extra data after a PEM certificate block")
    if block.kind == "CERTIFICATE":
        try:
            public: Any = x509.load_der_x509_certificate(block.data).public_key()
        except (ValueError, UnsupportedAlgorithm) as error:
            raise BuiltinError(f"failed to parse a PEM certificate: {error}") from None
    elif block.kind == "PUBLIC KEY":
        try:
            public = load_der_public_key(block.data)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise BuiltinError(f"failed to parse a PEM public key: {error}") from None
    else:
        raise BuiltinError("failed to extract a Key from the PEM certificate")
    return (Key("", "", _usable(public)),)


def _usable(public: Any) -> Material:
    if isinstance(public, rsa.RSAPublicKey):
        return public if public.key_size <= jwk.MOST_BITS else None
    if isinstance(public, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        return public
    return None

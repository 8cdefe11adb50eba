"""Signatures of tokens (RFC 7518), by algorithm and kind of key.

A key serves only its own family: an RSA key is never the secret of an HMAC.
"""

import hmac
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from extauthz.policy.builtins.jwk import BadKey, Material

_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_LEAST_BITS: Final = 1024
"""Of an RSA modulus, as Go's crypto/rsa."""


def verifies(
    material: Material, alg: str, message: bytes, signature: bytes, any_form: bool = False
) -> bool:
    """Whether `signature` is `material`'s for `message`.

    Args:
        material: the key.
        alg: `RS256`...; an unknown one verifies nothing.
        message: header and payload, with the point.
        signature: raw.
        any_form: as the builtins `io.jwt.verify_*` and unlike `decode_verify`, take a salt of
            any length (PS) and halves of any length (ES).
    """
    family, digest = alg[:2], _HASHES.get(alg[2:])
    try:
        if alg == "EdDSA":
            return _ed25519(material, message, signature)
        if digest is None:
            return False
        if family == "HS":
            return isinstance(material, bytes) and hmac.compare_digest(
                hmac.digest(material, message, digest.name), signature
            )
        if family in ("RS", "PS"):
            key = material.public_key() if isinstance(material, rsa.RSAPrivateKey) else material
            if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _LEAST_BITS:
                return False
            key.verify(signature, message, _padding(family, digest, any_form), digest)
            return True
        if family == "ES":
            return _ecdsa(material, digest, message, signature, any_form)
    except (InvalidSignature, ValueError):
        pass
    return False


def sign(material: Material, alg: str, message: bytes) -> bytes:
    """The signature of `message`.

    Raises:
        BadKey: the key is not of the algorithm's family.
    """
    family, digest = alg[:2], _HASHES.get(alg[2:])
    if alg == "EdDSA":
        if isinstance(material, ed25519.Ed25519PrivateKey):
            return material.sign(message)
    elif digest is not None:
        if family == "HS" and isinstance(material, bytes):
            return hmac.digest(material, message, digest.name)
        if family in ("RS", "PS") and isinstance(material, rsa.RSAPrivateKey):
            if material.key_size < _LEAST_BITS:
                raise BadKey(f"crypto/rsa: {material.key_size}-bit keys are insecure")
            try:
                return material.sign(message, _padding(family, digest, False), digest)
            except ValueError as error:
                raise BadKey(str(error)) from None
        if family == "ES" and isinstance(material, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(material.sign(message, ec.ECDSA(digest)))
            size = (material.key_size + 7) // 8
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    raise BadKey(f"the key is not one for {alg}")


def _padding(
    family: str, digest: hashes.HashAlgorithm, any_form: bool
) -> padding.PKCS1v15 | padding.PSS:
    if family == "RS":
        return padding.PKCS1v15()
    salt = padding.PSS.AUTO if any_form else digest.digest_size
    return padding.PSS(padding.MGF1(digest), salt)


def _ecdsa(
    material: Material,
    digest: hashes.HashAlgorithm,
    message: bytes,
    signature: bytes,
    any_form: bool,
) -> bool:
    key = material.public_key() if isinstance(material, ec.EllipticCurvePrivateKey) else material
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    size = (key.key_size + 7) // 8
    if any_form:
        if len(signature) > 4 * size:
            return False  # numbers that large are no signature, and are not worth a conversion
        size = len(signature) // 2
    elif len(signature) != 2 * size:
        return False
    r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
    key.verify(encode_dss_signature(r, s), message, ec.ECDSA(digest))
    return True


def _ed25519(material: Material, message: bytes, signature: bytes) -> bool:
    key = material.public_key() if isinstance(material, ed25519.Ed25519PrivateKey) else material
    if not isinstance(key, ed25519.Ed25519PublicKey):
        return False
    key.verify(signature, message)
    return True

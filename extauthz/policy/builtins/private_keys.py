"""Private keys in PEM, shown as Go's `encoding/json` shows them, or as a JWK."""

import base64
import binascii
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from extauthz.policy.builtins import jwk, operands, pem
from extauthz.policy.builtins.encoding import decode64
from extauthz.policy.builtins.x509_fields import CURVES
from extauthz.policy.builtins.x509_names import encoded
from extauthz.policy.errors import BuiltinError
from extauthz.policy.values.representation import Value
from extauthz.policy.values.text import go_bytes

_KINDS: Final = frozenset({"RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY"})
MOST_KEYS: Final = 100
"""In one text: checking that an RSA key is one takes a millisecond and more."""


def parse_private_keys(text: Value) -> Value:
    """`crypto.parse_private_keys(keys)`."""
    source = operands.string(text, 1)
    return [shown(key) for key in _keys(go_bytes(source))] if source else None


def parse_rsa_private_key(text: Value) -> Value:
    """`crypto.x509.parse_rsa_private_key(pem)`: the first key, of any kind, as a JWK."""
    source = operands.string(text, 1)
    if not source:
        raise BuiltinError("input PEM data was empty")
    data = go_bytes(source)
    if not source.startswith("-----BEGIN"):
        data = decode64(source)
    keys = _keys(data)
    if not keys:
        return None
    if not isinstance(keys[0], jwk.Private | x25519.X25519PrivateKey):
        raise BuiltinError("a key that no JWK can show")
    try:
        return jwk.shown(keys[0])
    except jwk.BadKey as error:
        raise BuiltinError(str(error)) from None


def _keys(data: bytes) -> list[Any]:
    try:
        rest = base64.b64decode(data.translate(None, b"\r\n"), validate=True)
    except binascii.Error:
        rest = data
    found = []
    while rest:
        block, after = pem.first(rest)
        if block is None:
            break
        rest = after
        if block.kind in _KINDS:
            found.append(load(block.data))
        if len(found) > MOST_KEYS:
            raise BuiltinError("too many keys")
    return found


def load(data: bytes) -> Any:
    """A private key from DER, in any of its forms.

    Raises:
        BuiltinError: it is none.
    """
    if len(data) > jwk.MOST_BITS:
        raise BuiltinError("x509: failed to parse private key: too long")
    try:
        return load_der_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BuiltinError(f"x509: failed to parse private key: {error}") from None


def shown(key: Any) -> Any:
    """Go's JSON of a private key."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        return {
            "N": numbers.public_numbers.n,
            "E": numbers.public_numbers.e,
            "D": numbers.d,
            "Primes": [numbers.p, numbers.q],
            "Precomputed": {
                "Dp": numbers.dmp1,
                "Dq": numbers.dmq1,
                "Qinv": numbers.iqmp,
                "CRTValues": [],
            },
        }
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if key.curve.name not in CURVES:
            raise BuiltinError("x509: unknown elliptic curve")
        secret = key.private_numbers()
        point = secret.public_numbers
        return {"Curve": {}, "X": point.x, "Y": point.y, "D": secret.private_value}
    if isinstance(key, ed25519.Ed25519PrivateKey):
        seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return encoded(seed + key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    if isinstance(key, x25519.X25519PrivateKey):
        return {}
    raise BuiltinError("x509: unknown kind of private key")

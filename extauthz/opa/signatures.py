"""Signed bundles as OPA signs them: `.signatures.json` holds a JWT with the hash of each file.

The key says which algorithm counts, never the token. The hash of a JSON or YAML file is over its
value, not its bytes: fields in order, no spaces.
"""

import base64
import binascii
import fnmatch
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import get_default_algorithms

from extauthz.opa.problems import BundleRefused
from extauthz.opa.settings import Key, Signing
from extauthz.opa.structured import is_structured, read_structured
from extauthz.policy.errors import BuiltinError
from extauthz.policy.values.numbers import number_text
from extauthz.policy.values.text import from_json

MOST_TOKEN: Final = 16 * 1024 * 1024
"""Bytes of a signature, which has some hundred for each file."""

_VERIFIER: Final = "_default"
"""The one verifier that OPA has by itself."""
_HASHES: Final[Mapping[str, Callable[[bytes], Any]]] = {
    # OPA's names. What the weak ones are worth is for whoever signs to judge.
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False),
    "SHA-1": lambda data: hashlib.sha1(data, usedforsecurity=False),
    "SHA-224": hashlib.sha224,
    "SHA-256": hashlib.sha256,
    "SHA-384": hashlib.sha384,
    "SHA-512": hashlib.sha512,
    "SHA-512-224": lambda data: hashlib.new("sha512_224", data),
    "SHA-512-256": lambda data: hashlib.new("sha512_256", data),
}


def why_unusable(key: Key) -> str:
    """What is wrong with a key as written; empty: nothing. Never holds a part of it."""
    if key.algorithm.startswith("HS"):
        return "" if key.key else "expected a secret, found an empty text"
    found = _public_key(key.key or "")
    wanted = ec.EllipticCurvePublicKey if key.algorithm.startswith("ES") else rsa.RSAPublicKey
    if isinstance(found, wanted):
        return ""
    return f"expected a public key or a certificate for {key.algorithm} as PEM, found none"


def verified_files(
    signatures: bytes, signing: Signing, keys: Mapping[str, Key]
) -> dict[str, Mapping[str, Any]]:
    """The hashes that a signature vouches for, by file.

    Args:
        signatures: the content of `.signatures.json`.
        signing: what is asked for.
        keys: what may have signed.

    Raises:
        BundleRefused: it is not signed by the right key, or not for the right scope.
    """
    document = _json(signatures, ".signatures.json")
    tokens = document.get("signatures")
    if document.get("plugin", _VERIFIER) not in ("", _VERIFIER):
        raise BundleRefused(".signatures.json: no verifier of that name exists")
    if not isinstance(tokens, list) or len(tokens) != 1 or not isinstance(tokens[0], str):
        raise BundleRefused(".signatures.json: expected exactly one JWT")
    payload = _verified(tokens[0], signing, keys)
    files = payload.get("files") or []
    if not isinstance(files, list) or not all(isinstance(each, dict) for each in files):
        raise BundleRefused(".signatures.json: expected a list of files")
    return {str(each.get("name")): each for each in files}


def verify(
    contents: Mapping[str, bytes], vouched: Mapping[str, Mapping[str, Any]], signing: Signing
) -> None:
    """Compares each file with what the signature says of it.

    Args:
        contents: by path, without a slash at the beginning, and without `.signatures.json`.
        vouched: of `verified_files`.
        signing: says which files do not count.

    Raises:
        BundleRefused: a file is not the one that was signed, was not signed, or is missing.
    """
    left = dict(vouched)
    for path, data in contents.items():
        said = left.pop(path, None)
        if any(_matches(path, pattern) for pattern in signing.exclude_files):
            continue
        if said is None:
            raise BundleRefused(f"file {path} not included in bundle signature")
        algorithm = _HASHES.get(str(said.get("algorithm")))
        if algorithm is None:
            raise BundleRefused(f"unsupported hashing algorithm for file {path}")
        hashed = data
        if is_structured(path):
            hashed = _canonical(read_structured(path, data)).encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(algorithm(hashed).hexdigest(), str(said.get("hash")).lower()):
            raise BundleRefused(f"{path}: digest mismatch")
    if left:
        names = " ".join(sorted(left)[:10])
        raise BundleRefused(
            f"file(s) [{names}] specified in bundle signatures but not found in the target bundle"
        )


def _matches(path: str, pattern: str) -> bool:
    """As Go's `filepath.Match`: no wildcard reaches beyond a slash."""
    names, patterns = path.split("/"), pattern.replace("[^", "[!").split("/")
    if len(names) != len(patterns):
        return False
    return all(map(fnmatch.fnmatchcase, names, patterns))


def _verified(token: str, signing: Signing, keys: Mapping[str, Key]) -> Mapping[str, Any]:
    if len(token) > MOST_TOKEN or token.count(".") != 2 or not token.isascii():
        raise BundleRefused(".signatures.json: expected a JWT")
    head, body, signature = token.split(".")
    header, payload = (_json(_decoded(each), ".signatures.json") for each in (head, body))
    # OPA's order: what the operator says, the token's header, its older claim.
    name = signing.keyid or header.get("kid") or payload.get("keyid")
    if not name:
        raise BundleRefused("verification key ID is empty")
    key = keys.get(str(name))
    if key is None or key.key is None:
        raise BundleRefused("verification key of the signature's key ID not found")
    if not _signed(key, f"{head}.{body}".encode(), _decoded(signature)):
        raise BundleRefused("failed to verify JWT signature")
    if payload.get("scope", "") != (signing.scope or key.scope):
        raise BundleRefused("scope mismatch")
    return payload


def _signed(key: Key, data: bytes, signature: bytes) -> bool:
    algorithm: Any = get_default_algorithms()[key.algorithm]
    material = (key.key or "").encode()
    found = material if key.algorithm.startswith("HS") else _public_key(key.key or "")
    return bool(algorithm.verify(data, found, signature))


def _public_key(pem: str) -> object | None:
    """The key of a PEM block, whatever holds it; OPA takes private keys, too."""
    data = pem.strip().encode("utf-8", "replace")
    try:
        if b"BEGIN CERTIFICATE" in data:
            return x509.load_pem_x509_certificate(data).public_key()
        if b"PRIVATE KEY" in data:
            return serialization.load_pem_private_key(data, None).public_key()
        return serialization.load_pem_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BundleRefused(".signatures.json: expected base64") from None


def _json(data: bytes, name: str) -> Mapping[str, Any]:
    try:
        value = from_json(data)
    except (ValueError, BuiltinError, RecursionError):
        raise BundleRefused(f"{name}: expected JSON") from None
    if not isinstance(value, dict):
        raise BundleRefused(f"{name}: expected a JSON object")
    return value


def _canonical(value: Any) -> str:
    """As OPA hashes it: Go's encoding of each text and number, fields by their bytes."""
    if isinstance(value, dict):
        fields = (f"{_canonical(name)}:{_canonical(value[name])}" for name in sorted(value))
        return "{" + ",".join(fields) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return number_text(value)

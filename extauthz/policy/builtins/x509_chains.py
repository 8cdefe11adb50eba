"""Chains of certificates, verified as Go's crypto/x509 does.

Stricter in two things that Go weighs and we do not: a chain in which an authority constrains names,
or demands policies, is not valid. No chain is valid here that is not in Go.
"""

import base64
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from extauthz.policy.builtins.x509_fields import Certificate

MOST_CERTIFICATES: Final = 20
"""In a chain that is verified. Go bounds the signatures that it checks by 100."""
MOST_SIGNATURES: Final = 100

SERVER: Final = 1
"""Go's number of the extended key usage that is asked for if none is named."""
ANY_USAGE: Final = 0

_CERT_SIGN: Final = 1 << 5
_HASHES: Final[dict[int, hashes.HashAlgorithm]] = {
    4: hashes.SHA256(), 5: hashes.SHA384(), 6: hashes.SHA512(), 10: hashes.SHA256(),
    11: hashes.SHA384(), 12: hashes.SHA512(), 13: hashes.SHA256(), 14: hashes.SHA384(),
    15: hashes.SHA512(),
}  # fmt: skip
"""Of the algorithms that Go trusts in chains: neither MD5 nor SHA-1."""
_LABEL: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the chain must hold."""

    now: datetime
    name: str = ""
    """Host name or address of the leaf; empty: any."""
    usages: Sequence[int] = (SERVER,)
    """Extended key usages; one of them."""


def verify(certificates: Sequence[Certificate], wanted: Wanted) -> list[Certificate] | None:
    """The chain from the last certificate to the first, which is trusted; None: there is none."""
    if not 2 <= len(certificates) <= MOST_CERTIFICATES:
        return None
    root, *between, leaf = certificates
    if not _in_time(leaf, wanted.now, [], False):
        return None
    if wanted.name and not _named(leaf, wanted.name):
        return None
    if leaf.shown["Raw"] == root.shown["Raw"]:
        found: list[Certificate] | None = [root]
    else:
        found = _Search(root, between, wanted.now).chain([leaf])
    if found is None or not _usable(found, wanted.usages):
        return None
    return found


class _Search:
    def __init__(self, root: Certificate, between: Sequence[Certificate], now: datetime) -> None:
        self.root, self.between, self.now = root, between, now
        self.left = MOST_SIGNATURES

    def chain(self, begun: list[Certificate]) -> list[Certificate] | None:
        for is_root, parent in [(True, self.root), *((False, each) for each in self.between)]:
            if not self.signed(begun, parent) or not _in_time(parent, self.now, begun, not is_root):
                continue
            longer = [*begun, parent]
            found = longer if is_root else self.chain(longer)
            if found is not None:
                return found
        return None

    def signed(self, begun: list[Certificate], parent: Certificate) -> bool:
        child = begun[-1].shown
        known = {each.shown["Raw"] for each in begun}
        if child["RawIssuer"] != parent.shown["RawSubject"] or parent.shown["Raw"] in known:
            return False
        if _constrained(parent) or not _may_sign(parent) or not self.left:
            return False
        self.left -= 1
        return _signature_holds(begun[-1], parent)


def _constrained(authority: Certificate) -> bool:
    shown = authority.shown
    return (
        any(
            shown[field]
            for field in shown
            if field.startswith(("Permitted", "Excluded")) and not field.endswith("Critical")
        )
        or shown["RequireExplicitPolicy"] > 0
        or shown["RequireExplicitPolicyZero"]
        or bool(shown["PolicyMappings"])
    )


def _may_sign(authority: Certificate) -> bool:
    shown = authority.shown
    stated = shown["BasicConstraintsValid"]
    if (shown["Version"] == 3 and not stated) or (stated and not shown["IsCA"]):
        return False
    return not shown["KeyUsage"] or bool(shown["KeyUsage"] & _CERT_SIGN)


def _signature_holds(child: Certificate, authority: Certificate) -> bool:
    key: Any = authority.key
    number = child.shown["SignatureAlgorithm"]
    message = _bytes(child, "RawTBSCertificate")
    signature = _bytes(child, "Signature")
    digest = _HASHES.get(number)
    try:
        if number == 16 and isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
            return True
        if digest is None:
            return False
        if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 1024 and not 10 <= number <= 12:
            form: Any = padding.PKCS1v15()
            if number >= 13:
                form = padding.PSS(padding.MGF1(digest), padding.PSS.AUTO)
            key.verify(signature, message, form, digest)
            return True
        if isinstance(key, ec.EllipticCurvePublicKey) and 10 <= number <= 12:
            key.verify(signature, message, ec.ECDSA(digest))
            return True
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        pass
    return False


def _bytes(certificate: Certificate, field: str) -> bytes:
    return base64.b64decode(certificate.shown[field])


def _in_time(
    certificate: Certificate, now: datetime, begun: Sequence[Certificate], between: bool
) -> bool:
    """Go's `isValid`.

    Args:
        certificate: to be added.
        now: the time.
        begun: the chain so far, the leaf first.
        between: whether it is neither leaf nor root.
    """
    shown = certificate.shown
    if shown["UnhandledCriticalExtensions"]:
        return False
    if not certificate.not_before <= now <= certificate.not_after:
        return False
    stated = shown["BasicConstraintsValid"]
    if between and not (stated and shown["IsCA"]):
        return False
    return not (stated and 0 <= shown["MaxPathLen"] < len(begun) - 1)


def _usable(chain: Sequence[Certificate], usages: Sequence[int]) -> bool:
    """Whether one of the usages is allowed by all of the chain."""
    if ANY_USAGE in usages:
        return True
    left = set(usages)
    for certificate in chain:
        shown = certificate.shown
        allowed = shown["ExtKeyUsage"] or ()
        if not allowed and not shown["UnknownExtKeyUsage"]:
            continue
        if ANY_USAGE not in allowed:
            left.intersection_update(allowed)
    return bool(left)


def _named(leaf: Certificate, name: str) -> bool:
    """Go's `VerifyHostname`."""
    literal = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        wanted = ipaddress.ip_address(literal)
    except ValueError:
        pass
    else:
        mapped = wanted.ipv4_mapped if isinstance(wanted, ipaddress.IPv6Address) else None
        return str(mapped or wanted) in (leaf.shown["IPAddresses"] or ())
    host = name.lower()
    trimmed = host.removesuffix(".")
    for pattern in leaf.shown["DNSNames"] or ():
        if _is_host(trimmed, False) and _is_host(pattern, True):
            if _matches(pattern.lower().split("."), trimmed.split(".")):
                return True
        elif host not in ("", ".") and pattern.lower() == host:
            return True
    return False


def _is_host(name: str, pattern: bool) -> bool:
    labels = name.split(".")
    if name == "*":
        return False
    return all(
        (pattern and at == 0 and label == "*") or _LABEL.fullmatch(label)
        for at, label in enumerate(labels)
    )


def _matches(pattern: list[str], labels: list[str]) -> bool:
    return len(pattern) == len(labels) and all(
        part == label or (at == 0 and part == "*")
        for at, (part, label) in enumerate(zip(pattern, labels, strict=True))
    )

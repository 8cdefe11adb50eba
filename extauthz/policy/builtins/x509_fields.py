"""Certificates and requests for them, read from DER and shown as Go's `encoding/json` shows them.

Go's structures are OPA's documented result (crypto/x509 `Certificate`, `CertificateRequest`). The
reading is our own: the library that verifies signatures does not give all fields.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from extauthz.policy.builtins import der
from extauthz.policy.builtins.der import Node, Oid
from extauthz.policy.builtins.jwk import MOST_BITS
from extauthz.policy.builtins.x509_names import address, alternative, distinguished, encoded, url

_RSA: Final = (1, 2, 840, 113549, 1, 1)
_PSS: Final = (*_RSA, 10)
_SHA2: Final = (2, 16, 840, 1, 101, 3, 4, 2)
SIGNATURES: Final[dict[Oid, int]] = {
    (*_RSA, 4): 2, (*_RSA, 5): 3, (1, 3, 14, 3, 2, 29): 3, (*_RSA, 11): 4, (*_RSA, 12): 5,
    (*_RSA, 13): 6, (1, 2, 840, 10040, 4, 3): 7, (2, 16, 840, 1, 101, 3, 4, 3, 2): 8,
    (1, 2, 840, 10045, 4, 1): 9, (1, 2, 840, 10045, 4, 3, 2): 10,
    (1, 2, 840, 10045, 4, 3, 3): 11, (1, 2, 840, 10045, 4, 3, 4): 12, (1, 3, 101, 112): 16,
}  # fmt: skip
"""Go's numbers of algorithms; those of PSS are by their hash."""
_PSS_HASHES: Final[dict[Oid, int]] = {(*_SHA2, 1): 13, (*_SHA2, 2): 14, (*_SHA2, 3): 15}
_KEYS: Final[dict[Oid, int]] = {
    (*_RSA, 1): 1, (1, 2, 840, 10040, 4, 1): 2, (1, 2, 840, 10045, 2, 1): 3, (1, 3, 101, 112): 4,
}  # fmt: skip
_PURPOSE: Final = (1, 3, 6, 1, 5, 5, 7, 3)
_USAGES: Final[dict[Oid, int]] = {
    (2, 5, 29, 37, 0): 0, **{(*_PURPOSE, number): number for number in range(1, 10)},
    (1, 3, 6, 1, 4, 1, 311, 10, 3, 3): 10, (2, 16, 840, 1, 113730, 4, 1): 11,
    (1, 3, 6, 1, 4, 1, 311, 2, 1, 22): 12, (1, 3, 6, 1, 4, 1, 311, 61, 1, 1): 13,
}  # fmt: skip
_AUTHORITY_ACCESS: Final = (1, 3, 6, 1, 5, 5, 7, 1, 1)
_ALTERNATIVE: Final = (2, 5, 29, 17)
_EXTENSION_REQUEST: Final = [1, 2, 840, 113549, 1, 9, 14]
CURVES: Final = ("secp224r1", "secp256r1", "secp384r1", "secp521r1")
"""What Go supports."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was read."""

    shown: dict[str, Any]
    """Go's JSON."""
    key: Any
    """Of the library; None: of a kind that Go does not know."""
    not_before: datetime
    not_after: datetime
    uris: list[str] | None = None
    """As they are written, where `shown` has their parts."""


def certificates(data: bytes) -> list[Certificate]:
    """Certificates that stand one after another.

    Raises:
        ValueError: one is broken.
    """
    return [_certificate(node) for node in der.nodes(data)]


def _certificate(node: Node) -> Certificate:
    tbs, algorithm, signature = der.expect(node, der.SEQUENCE).children()
    fields = der.expect(tbs, der.SEQUENCE).children()
    version = 1
    if fields and fields[0].tag == 0xA0:
        version = der.integer(der.one(fields.pop(0).body, der.INTEGER)) + 1
        if not 1 <= version <= 3:
            raise ValueError("invalid version")
    serial, inner, issuer, validity, subject, spki, *rest = fields
    if inner.body != algorithm.body:
        raise ValueError("inner and outer signature algorithm identifiers don't match")
    number = der.integer(der.expect(serial, der.INTEGER))
    if number < 0:
        raise ValueError("negative serial number")
    before, after = map(der.moment, der.expect(validity, der.SEQUENCE).children())
    kind, key, key_shown = _public_key(spki)
    shown: dict[str, Any] = {
        **_EMPTY,
        "Raw": encoded(node.whole),
        "RawTBSCertificate": encoded(tbs.whole),
        "RawSubjectPublicKeyInfo": encoded(spki.whole),
        "RawSubject": encoded(subject.whole),
        "RawIssuer": encoded(issuer.whole),
        "Signature": encoded(_aligned(signature)),
        "SignatureAlgorithm": _signature_algorithm(algorithm),
        "PublicKeyAlgorithm": kind,
        "PublicKey": key_shown,
        "Version": version,
        "SerialNumber": number,
        "Issuer": distinguished(issuer),
        "Subject": distinguished(subject),
        "NotBefore": before.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "NotAfter": after.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    uris = None
    for extra in rest:
        if extra.tag == 0xA3 and version == 3:
            extensions = _extensions(der.one(extra.body, der.SEQUENCE))
            _read_extensions(shown, extensions)
            for each in extensions:
                if each.name == _ALTERNATIVE:
                    uris = alternative(each.value)["URIs"] or None
    return Certificate(shown, key, before, after, uris)


_EMPTY: Final[dict[str, Any]] = {
    **dict.fromkeys(
        (
            "AuthorityKeyId", "CRLDistributionPoints", "DNSNames", "EmailAddresses",
            "ExcludedDNSDomains", "ExcludedEmailAddresses", "ExcludedIPRanges",
            "ExcludedURIDomains", "ExtKeyUsage", "Extensions", "ExtraExtensions", "IPAddresses",
            "IssuingCertificateURL", "OCSPServer", "PermittedDNSDomains",
            "PermittedEmailAddresses", "PermittedIPRanges", "PermittedURIDomains", "Policies",
            "PolicyIdentifiers", "PolicyMappings", "SubjectKeyId", "URIs",
            "UnhandledCriticalExtensions", "UnknownExtKeyUsage",
        )
    ),
    **dict.fromkeys(
        (
            "BasicConstraintsValid", "InhibitAnyPolicyZero", "InhibitPolicyMappingZero", "IsCA",
            "MaxPathLenZero", "PermittedDNSDomainsCritical", "RequireExplicitPolicyZero",
        ),
        False,
    ),
    **dict.fromkeys(
        ("InhibitAnyPolicy", "InhibitPolicyMapping", "KeyUsage", "MaxPathLen",
         "RequireExplicitPolicy"),
        0,
    ),
}  # fmt: skip


def _aligned(node: Node) -> bytes:
    """Go's `RightAlign`."""
    unused, data = der.bits(node)
    return (int.from_bytes(data, "big") >> unused).to_bytes(len(data), "big")


def _signature_algorithm(node: Node) -> int:
    parts = der.expect(node, der.SEQUENCE).children()
    name = der.oid(parts[0])
    if name == _PSS and len(parts) > 1:
        hashes = [part for part in parts[1].children() if part.tag == 0xA0]
        if hashes:
            return _PSS_HASHES.get(der.oid(hashes[0].children()[0].children()[0]), 0)
    return SIGNATURES.get(name, 0)


def _public_key(node: Node) -> tuple[int, Any, Any]:
    """Go's number of the algorithm, the library's key, and Go's JSON of it."""
    algorithm, bits = der.expect(node, der.SEQUENCE).children()
    kind = _KEYS.get(der.oid(algorithm.children()[0]), 0)
    if not kind or len(bits.body) > MOST_BITS:
        return 0, None, None
    try:
        key = load_der_public_key(node.whole)
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None
    return kind, key, public_shown(key)


def public_shown(key: Any) -> Any:
    """Go's JSON of a public key."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {"N": numbers.n, "E": numbers.e}
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in CURVES:
            raise ValueError("unsupported elliptic curve")
        point = key.public_numbers()
        return {"Curve": {}, "X": point.x, "Y": point.y}
    if isinstance(key, ed25519.Ed25519PublicKey):
        return encoded(key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    if isinstance(key, dsa.DSAPublicKey):
        public = key.public_numbers()
        parameters = public.parameter_numbers
        return {"P": parameters.p, "Q": parameters.q, "G": parameters.g, "Y": public.y}
    raise ValueError("unknown kind of public key")


# --- extensions ---


class _Extension(NamedTuple):
    name: Oid
    critical: bool
    value: bytes

    def shown(self) -> dict[str, Any]:
        return {
            "Id": list(self.name), "Critical": self.critical, "Value": encoded(self.value)
        }  # fmt: skip


def _extensions(node: Node) -> list[_Extension]:
    found: list[_Extension] = []
    for extension in node.children():
        name, *rest = der.expect(extension, der.SEQUENCE).children()
        critical = der.boolean(rest.pop(0)) if len(rest) == 2 else False
        (value,) = rest
        body = der.expect(value, der.OCTET_STRING).body
        found.append(_Extension(der.oid(name), critical, body))
    if len({each.name for each in found}) != len(found):
        raise ValueError("duplicate extension")
    return found


def _read_extensions(shown: dict[str, Any], extensions: Sequence[_Extension]) -> None:
    unknown = []
    for extension in extensions:
        read = _READERS.get(extension.name)
        handled = read is not None and read(shown, extension.value, extension.critical)
        if extension.critical and not handled:
            unknown.append(list(extension.name))
    shown["Extensions"] = [each.shown() for each in extensions] or None
    shown["UnhandledCriticalExtensions"] = unknown or None


def _key_usage(shown: dict[str, Any], value: bytes, _: bool) -> bool:
    unused, data = der.bits(der.one(value, der.BIT_STRING))
    set_bits = [bit for bit in range(min(9, len(data) * 8 - unused)) if _bit(data, bit)]
    shown["KeyUsage"] = sum(1 << bit for bit in set_bits)
    return True


def _bit(data: bytes, number: int) -> int:
    return data[number // 8] >> (7 - number % 8) & 1


def _basic_constraints(shown: dict[str, Any], value: bytes, _: bool) -> bool:
    parts = der.one(value, der.SEQUENCE).children()
    shown["IsCA"] = bool(parts) and parts[0].tag == der.BOOLEAN and der.boolean(parts.pop(0))
    shown["MaxPathLen"] = der.integer(der.expect(parts[0], der.INTEGER)) if parts else -1
    shown["BasicConstraintsValid"] = True
    shown["MaxPathLenZero"] = shown["MaxPathLen"] == 0
    return True


def _alternative(shown: dict[str, Any], value: bytes, _: bool) -> bool:
    return put_alternative(shown, value)


def put_alternative(shown: dict[str, Any], value: bytes) -> bool:
    """Put a subject's other names in; False: there are none of a known kind."""
    found = alternative(value)
    found["URIs"] = list(map(url, found["URIs"]))
    shown.update({name: values or None for name, values in found.items()})
    return any(found.values())


def _name_constraints(shown: dict[str, Any], value: bytes, critical: bool) -> bool:
    handled = True
    subtrees = der.one(value, der.SEQUENCE).children()
    if not any(each.body for each in subtrees):
        raise ValueError("empty name constraints extension")
    for tree in subtrees:
        prefix = {0xA0: "Permitted", 0xA1: "Excluded"}.get(tree.tag)
        if prefix is None:
            raise ValueError("invalid name constraints extension")
        for subtree in tree.children():
            name = der.expect(subtree, der.SEQUENCE).children()[0]
            kind = _CONSTRAINED.get(name.tag)
            if kind is None:
                handled = False
                continue
            constraint = _ip_range(name.body) if name.tag == 0x87 else name.body.decode("ascii")
            shown[prefix + kind] = [*(shown[prefix + kind] or ()), constraint]
    shown["PermittedDNSDomainsCritical"] = critical
    return handled


_CONSTRAINED: Final = {
    0x81: "EmailAddresses", 0x82: "DNSDomains", 0x86: "URIDomains", 0x87: "IPRanges"
}  # fmt: skip


def _ip_range(body: bytes) -> dict[str, str]:
    if len(body) not in (8, 32):
        raise ValueError("invalid IP constraint")
    half = len(body) // 2
    mask = int.from_bytes(body[half:], "big")
    inverse = ~mask & ((1 << half * 8) - 1)
    if inverse & (inverse + 1):
        raise ValueError("IP constraint contained invalid mask")
    return {"IP": address(body[:half]), "Mask": encoded(body[half:])}


def _distribution_points(shown: dict[str, Any], value: bytes, _: bool) -> bool:
    for point in der.one(value, der.SEQUENCE).children():
        for part in der.expect(point, der.SEQUENCE).children():
            if part.tag == 0xA0:
                (names,) = part.children()
                der.expect(names, 0xA0)
                for name in names.children():
                    if name.tag != 0x86:
                        break
                    _append(shown, "CRLDistributionPoints", name)
    return True


def _append(shown: dict[str, Any], field_name: str, name: Node) -> None:
    text = name.body.decode("utf-8", "replace")
    shown[field_name] = [*(shown[field_name] or ()), text]


def _authority_key(shown: dict[str, Any], value: bytes, critical: bool) -> bool:
    if critical:
        raise ValueError("authority key identifier incorrectly marked critical")
    parts = der.one(value, der.SEQUENCE).children()
    shown["AuthorityKeyId"] = encoded(parts[0].body) if parts and parts[0].tag == 0x80 else None
    return True


def _subject_key(shown: dict[str, Any], value: bytes, critical: bool) -> bool:
    if critical:
        raise ValueError("subject key identifier incorrectly marked critical")
    shown["SubjectKeyId"] = encoded(der.one(value, der.OCTET_STRING).body)
    return True


def _policy_constraints(shown: dict[str, Any], value: bytes, _: bool) -> bool:
    fields = {0x80: "RequireExplicitPolicy", 0x81: "InhibitPolicyMapping"}
    for part in der.one(value, der.SEQUENCE).children():
        if part.tag in fields:
            name, number = fields[part.tag], der.integer(part)
            shown[name], shown[name + "Zero"] = number, number == 0
    return True


def _extended_usage(shown: dict[str, Any], value: bytes, _: bool) -> bool:
    names = list(map(der.oid, der.one(value, der.SEQUENCE).children()))
    shown["ExtKeyUsage"] = [_USAGES[name] for name in names if name in _USAGES] or None
    shown["UnknownExtKeyUsage"] = [list(n) for n in names if n not in _USAGES] or None
    return True


def _policies(shown: dict[str, Any], value: bytes, _: bool) -> bool:
    sequences = der.one(value, der.SEQUENCE).children()
    names = [der.oid(der.expect(each, der.SEQUENCE).children()[0]) for each in sequences]
    if len(set(names)) != len(names):
        raise ValueError("duplicate certificate policies")
    shown["Policies"] = [_dotted(name) for name in names] or None
    shown["PolicyIdentifiers"] = [list(name) for name in names]
    return True


def _dotted(name: Oid) -> str:
    return ".".join(map(str, name))


def _policy_mappings(shown: dict[str, Any], value: bytes, _: bool) -> bool:
    pairs = [each.children() for each in der.one(value, der.SEQUENCE).children()]
    shown["PolicyMappings"] = [
        {
            "IssuerDomainPolicy": _dotted(der.oid(issuer)),
            "SubjectDomainPolicy": _dotted(der.oid(subject)),
        }
        for issuer, subject in pairs
    ] or None
    return True


def _inhibit_any(shown: dict[str, Any], value: bytes, _: bool) -> bool:
    number = der.integer(der.one(value, der.INTEGER))
    shown["InhibitAnyPolicy"], shown["InhibitAnyPolicyZero"] = number, number == 0
    return True


_ACCESS: Final[dict[Oid, str]] = {
    (1, 3, 6, 1, 5, 5, 7, 48, 1): "OCSPServer",
    (1, 3, 6, 1, 5, 5, 7, 48, 2): "IssuingCertificateURL",
}


def _authority_access(shown: dict[str, Any], value: bytes, critical: bool) -> bool:
    if critical:
        raise ValueError("authority info access incorrectly marked critical")
    for description in der.one(value, der.SEQUENCE).children():
        method, location = der.expect(description, der.SEQUENCE).children()
        target = _ACCESS.get(der.oid(method))
        if target is not None and location.tag == 0x86:
            _append(shown, target, location)
    return True


_READERS: Final[dict[Oid, Callable[[dict[str, Any], bytes, bool], bool]]] = {
    (2, 5, 29, 14): _subject_key,
    (2, 5, 29, 15): _key_usage,
    _ALTERNATIVE: _alternative,
    (2, 5, 29, 19): _basic_constraints,
    (2, 5, 29, 30): _name_constraints,
    (2, 5, 29, 31): _distribution_points,
    (2, 5, 29, 32): _policies,
    (2, 5, 29, 33): _policy_mappings,
    (2, 5, 29, 35): _authority_key,
    (2, 5, 29, 36): _policy_constraints,
    (2, 5, 29, 37): _extended_usage,
    (2, 5, 29, 54): _inhibit_any,
    _AUTHORITY_ACCESS: _authority_access,
}
"""Each puts what it reads into the certificate, and says whether it understood all of it."""


# --- requests for certificates ---


def request(data: bytes) -> dict[str, Any]:
    """A certificate signing request.

    Raises:
        ValueError: it is broken.
    """
    whole = der.one(data, der.SEQUENCE)
    info, algorithm, signature = whole.children()
    version, subject, spki, *attributes = der.expect(info, der.SEQUENCE).children()
    kind, _, key_shown = _public_key(spki)
    shown: dict[str, Any] = {
        "Raw": encoded(whole.whole),
        "RawTBSCertificateRequest": encoded(info.whole),
        "RawSubjectPublicKeyInfo": encoded(spki.whole),
        "RawSubject": encoded(subject.whole),
        "Version": der.integer(der.expect(version, der.INTEGER)),
        "Signature": encoded(_aligned(signature)),
        "SignatureAlgorithm": _signature_algorithm(algorithm),
        "PublicKeyAlgorithm": kind,
        "PublicKey": key_shown,
        "Subject": distinguished(subject),
        "Attributes": None, "Extensions": None, "ExtraExtensions": None, "DNSNames": None,
        "EmailAddresses": None, "IPAddresses": None, "URIs": None,
    }  # fmt: skip
    wanted: list[_Extension] = []
    sets = []
    for attribute in attributes[0].children() if attributes else ():
        name, values = der.expect(attribute, der.SEQUENCE).children()
        pairs = _attribute_pairs(values)
        if pairs is not None:
            sets.append({"Type": list(der.oid(name)), "Value": pairs})
        if list(der.oid(name)) == _EXTENSION_REQUEST:
            wanted += _extensions(der.one(values.body, der.SEQUENCE))
    shown["Attributes"] = sets or None
    shown["Extensions"] = [each.shown() for each in wanted] or None
    for each in wanted:
        if each.name == _ALTERNATIVE:
            put_alternative(shown, each.value)
    return shown


def _attribute_pairs(values: Node) -> list[list[dict[str, Any]]] | None:
    """The values as Go's deprecated `Attributes` has them; None: it leaves them out."""
    found = []
    for value in der.expect(values, der.SET).children():
        if value.tag != der.SEQUENCE:
            return None
        pairs = []
        for pair in value.children():
            parts = pair.children() if pair.tag == der.SEQUENCE else []
            if len(parts) < 2 or parts[0].tag != der.OID:
                return None
            pairs.append({"Type": list(der.oid(parts[0])), "Value": _any(parts[1])})
        found.append(pairs)
    return found


def _any(node: Node) -> Any:
    """What Go's encoding/asn1 makes of an element of any type."""
    match node.tag:
        case der.BOOLEAN:
            return der.boolean(node)
        case der.INTEGER:
            return der.integer(node)
        case der.OCTET_STRING:
            return encoded(node.body)
        case der.OID:
            return list(der.oid(node))
        case der.BIT_STRING:
            unused, data = der.bits(node)
            return {"Bytes": encoded(data), "BitLength": len(data) * 8 - unused}
        case _:
            return der.text(node)

"""Certificates, requests for them and key pairs (v1/topdown/crypto.go)."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from extauthz.policy.builtins import operands, pem, private_keys
from extauthz.policy.builtins.encoding import decode64
from extauthz.policy.builtins.x509_chains import SERVER, Wanted, verify
from extauthz.policy.builtins.x509_fields import Certificate, certificates, request
from extauthz.policy.builtins.x509_names import encoded
from extauthz.policy.errors import BuiltinError
from extauthz.policy.translator.runtime import NOW
from extauthz.policy.values import numbers
from extauthz.policy.values.representation import RegoSet, Value, is_number, members
from extauthz.policy.values.text import go_bytes

_USAGES: Final[Mapping[str, int]] = {
    f"KeyUsage{name}": number
    for number, name in enumerate(
        (
            "Any", "ServerAuth", "ClientAuth", "CodeSigning", "EmailProtection",
            "IPSECEndSystem", "IPSECTunnel", "IPSECUser", "TimeStamping", "OCSPSigning",
            "MicrosoftServerGatedCrypto", "NetscapeServerGatedCrypto",
            "MicrosoftCommercialCodeSigning", "MicrosoftKernelCodeSigning",
        )
    )
}  # fmt: skip
"""With Go's numbers."""
_SECOND: Final = 10**9
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_certificates(text: Value) -> list[Any]:
    """`crypto.x509.parse_certificates(certs)`."""
    return _extended(_read(operands.string(text, 1)))


def parse_and_verify(memo: dict[Any, Any], text: Value) -> list[Any]:
    """`crypto.x509.parse_and_verify_certificates(certs)`: whether they are a chain, and it."""
    return _verified(text, {"now": _moment(memo[NOW])}, _extended)


def parse_and_verify_with_options(memo: dict[Any, Any], text: Value, options: Value) -> list[Any]:
    """`crypto.x509.parse_and_verify_certificates_with_options(certs, options)`."""
    source = operands.string(text, 1)
    chosen = operands.object_(options, 2)
    try:
        _read(source)
    except BuiltinError:
        return [False, []]
    wanted = {"now": _moment(memo[NOW]), **_options(chosen)}
    return _verified(text, wanted, lambda chain: [each.shown for each in chain])


def _verified(
    text: Value, wanted: dict[str, Any], show: Callable[[list[Certificate]], list[Any]]
) -> list[Any]:
    source = operands.string(text, 1)
    try:
        chain = verify(_read(source), Wanted(**wanted))
    except BuiltinError:
        chain = None
    return [False, []] if chain is None else [True, show(chain)]


def _moment(nanoseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def _options(options: dict[Value, Value]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in options.items():
        if type(name) is not str:
            continue
        if name == "DNSName":
            if type(value) is not str:
                raise BuiltinError("'DNSName' should be a string")
            found["name"] = value.strip('"')
        elif name in ("CurrentTime", "MaxConstraintComparisons"):
            if not is_number(value):
                raise BuiltinError(f"'{name}' should be a number")
            whole = numbers.as_index(value)
            if whole is None:
                kind = "int64 number" if name == "CurrentTime" else "number"
                raise BuiltinError(f"'{name}' should be a valid {kind}")
            if name == "CurrentTime":
                found["now"] = _moment(whole)
        elif name == "KeyUsages":
            found["usages"] = _usages(value) or (SERVER,)
        else:
            raise BuiltinError("invalid key option")
    return found


def _usages(value: Value) -> list[int]:
    if type(value) is not list and type(value) is not RegoSet:
        raise BuiltinError("'KeyUsages' should be an Array or Set")
    names = [each.strip('"') for each in members(value) if type(each) is str]
    invalid = [name for name in names if name not in _USAGES]
    if invalid:
        raise BuiltinError(f"invalid entries for 'KeyUsages' found: [{' '.join(invalid)}]")
    return [_USAGES[name] for name in names]


def _extended(found: list[Certificate]) -> list[Any]:
    """With the field that OPA adds."""
    return [{**each.shown, "URIStrings": each.uris} for each in found]


def _read(text: str) -> list[Certificate]:
    data = go_bytes(text)
    if not data.startswith(b"-----BEGIN"):
        data = decode64(text)
    if data.startswith(b"-----BEGIN"):
        rest, data = data, b""
        while rest:
            block, rest = pem.first(rest)
            if block is None:
                break
            if block.kind != "CERTIFICATE":
                raise BuiltinError(f"PEM block type is '{block.kind}', expected CERTIFICATE")
            data += block.data
    return _certificates(data)


def _certificates(data: bytes) -> list[Certificate]:
    try:
        return certificates(data)
    except (ValueError, IndexError) as error:
        raise BuiltinError(f"x509: malformed certificate: {error}") from None


def parse_certificate_request(text: Value) -> Any:
    """`crypto.x509.parse_certificate_request(csr)`."""
    source = operands.string(text, 1)
    data = go_bytes(source)
    if not source.startswith("-----BEGIN CERTIFICATE REQUEST-----"):
        data = decode64(source)
    block, _ = pem.first(data)
    if block is not None:
        if block.kind != "CERTIFICATE REQUEST":
            raise BuiltinError("invalid PEM-encoded certificate signing request")
        data = block.data
    try:
        return request(data)
    except (ValueError, IndexError) as error:
        raise BuiltinError(f"asn1: structure error: {error}") from None


def parse_keypair(certificate: Value, key: Value) -> dict[str, Any]:
    """`crypto.x509.parse_keypair(cert, key)`: PEM or base64 of it, or of DER."""
    chain = _blocks(operands.string(certificate, 1), "CERTIFICATE")
    secrets = _blocks(operands.string(key, 1), "PRIVATE KEY")
    ders = [block.data for block in chain if block.kind == "CERTIFICATE"]
    if not ders:
        raise BuiltinError("tls: failed to find any PEM data in certificate input")
    found = [b for b in secrets if b.kind == "PRIVATE KEY" or b.kind.endswith(" PRIVATE KEY")]
    if not found:
        raise BuiltinError("tls: failed to find any PEM data in key input")
    leaf = _certificates(ders[0])[0]
    secret = private_keys.load(found[0].data)
    if leaf.key is None or leaf.key != secret.public_key():
        raise BuiltinError("tls: private key does not match public key")
    return {
        "Certificate": [encoded(each) for each in ders],
        "PrivateKey": private_keys.shown(secret),
        "SupportedSignatureAlgorithms": None,
        "OCSPStaple": None,
        "SignedCertificateTimestamps": None,
        "Leaf": leaf.shown,
    }


def _blocks(text: str, kind: str) -> list[pem.Block]:
    data = go_bytes(text)
    if not data.startswith(b"-----BEGIN "):
        data = decode64(text)
        if not data.startswith(b"-----BEGIN"):
            return [pem.Block(kind, data)]
    found = []
    while data:
        block, data = pem.first(data)
        if block is None:
            break
        found.append(block)
    return found

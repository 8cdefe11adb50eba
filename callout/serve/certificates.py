"""The certificate files: read at once, judged as a whole, used as the bytes that were judged."""

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import MD5, SHA1, SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from callout.regular_file import read_at_most
from callout.serve.tls import ServerTls

Which: TypeAlias = Literal["server", "client_ca"]

MOST = 1 << 20
"""Bytes of one file: thousands of certificates; a mistyped path must not fill the memory."""
RSA_BITS = 2048
"""The least, as OpenSSL's security level 2 and every browser have it."""
CURVES = ("secp256r1", "secp384r1", "secp521r1")
_OPEN_TO_ALL = 0o004


@dataclass(frozen=True, slots=True)
class Certificates:
    """What the files held at one moment, PEM."""

    cert: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, and until when it is good."""

    problems: Sequence[str] = ()
    """Each names its setting and its file; with one, the certificates must not be used."""
    warnings: Sequence[str] = ()
    expiry: Mapping[Which, float] = field(default_factory=dict)
    """Unix time at which the first certificate of a file ends: of our chain, or of the client
    authorities that are valid now."""


def read(tls: ServerTls) -> Certificates:
    """What the files hold now.

    Raises:
        OSError: one cannot be read, or is too large; the text names setting and file.
    """
    client_ca = None if tls.client_ca is None else _content("client_ca", tls.client_ca)
    return Certificates(_content("cert", tls.cert), _content("key", tls.key), client_ca)


def _content(setting: str, path: Path) -> bytes:
    try:
        content = read_at_most(path, MOST + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise type(error)(error.errno, f"tls.{setting}: {reason}", str(path)) from None
    if len(content) > MOST:
        raise OSError(f"tls.{setting}: {path}: more than {MOST} bytes")
    return content


def judge(certificates: Certificates, tls: ServerTls, now: datetime) -> Verdict:
    """Whether the certificates can be used, and are not weak. `tls` names the files."""
    problems: list[str] = []
    warnings: list[str] = []
    expiry: dict[Which, float] = {}
    authorities: list[x509.Certificate] = []
    if tls.client_ca is not None:
        place = f"tls.client_ca: {tls.client_ca}"
        authorities = _parsed(certificates.client_ca or b"", place, problems)
        valid = []
        for each in authorities:
            problems += (f"{place}: {text}" for text in _weaknesses(each))
            if ended := _not_now(each, now):
                warnings.append(f"{place}: {_name(each)}: {ended}")
            else:
                valid.append(each)
        if valid:
            expiry["client_ca"] = _first_end(valid)
        elif authorities:
            problems.append(f"{place}: none of its certificates is valid now")
    place = f"tls.cert: {tls.cert}"
    chain = _parsed(certificates.cert, place, problems)
    if chain:
        for each in chain:
            wrong = [*_weaknesses(each), _not_now(each, now)]
            problems += (f"{place}: {_name(each)}: {text}" for text in wrong if text)
        problems += (f"{place}: {text}" for text in _unusable(chain[0]))
        warnings += (f"{place}: {text}" for text in _gaps(chain, authorities))
        expiry["server"] = _first_end(chain)
    mistake = _key_mistake(certificates.key, chain)
    if mistake:
        problems.append(f"tls.key: {tls.key}: {mistake}")
    return Verdict(problems, warnings, expiry)


def checked(certificates: Certificates, tls: ServerTls) -> Verdict:
    """Judge by today's clock.

    Raises:
        OSError: the certificates cannot be used; the text says why, all problems at once.
    """
    verdict = judge(certificates, tls, datetime.now(UTC))
    if verdict.problems:
        raise OSError("; ".join(verdict.problems))
    return verdict


def load(tls: ServerTls) -> Certificates:
    """Read, and judge by today's clock.

    Raises:
        OSError: the certificates cannot be used; the text says why.
    """
    certificates = read(tls)
    checked(certificates, tls)
    return certificates


def fingerprint(certificates: Certificates) -> str:
    """SHA-256 of our certificate, as `openssl x509 -fingerprint -sha256` has it, without colons."""
    return x509.load_pem_x509_certificate(certificates.cert).fingerprint(SHA256()).hex()


@functools.lru_cache(maxsize=256)
def names_in(pem: bytes) -> Sequence[tuple[str, str]]:
    """Subject alternative names as `ssl.SSLSocket.getpeercert` has them; none if it has none.

    Args:
        pem: a client's certificate that was verified; empty: it showed none.

    Returns:
        Names of kind `URI` and `DNS`; of a certificate that cannot be read, none.
    """
    if not pem:
        return ()
    try:
        extensions = x509.load_pem_x509_certificate(pem).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        dns = names.get_values_for_type(x509.DNSName)
    except Exception:  # it reads when asked, and says in many ways that it cannot
        return ()
    return (*(("URI", each) for each in uris), *(("DNS", each) for each in dns))


def open_to_all(path: Path, setting: str) -> str:
    """A warning if everybody on this machine may read a secret file; empty: not so.

    No refusal: a Kubernetes Secret is mounted with mode 0644 unless told otherwise.
    """
    try:
        mode = path.stat().st_mode
    except OSError:  # gone since it was read
        return ""
    return f"{setting}: {path}: everybody may read it" if mode & _OPEN_TO_ALL else ""


def _parsed(pem: bytes, place: str, problems: list[str]) -> list[x509.Certificate]:
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        problems.append(f"{place}: there is no PEM certificate in it")
        return []
    try:
        found = x509.load_pem_x509_certificates(pem)
        for each in found:
            _ = each.subject, each.issuer, each.extensions, each.signature_algorithm_oid
            _ = each.not_valid_before_utc, each.not_valid_after_utc
    except Exception:  # parts are read when asked for, and fail in many ways
        problems.append(f"{place}: a certificate in it cannot be read")
        return []
    return found


def _weaknesses(certificate: x509.Certificate) -> list[str]:
    found = []
    try:
        key = certificate.public_key()
        # Nobody verifies the signature that a root makes of itself.
        hashed = None if _is_root(certificate) else certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return ["its key or its signature is of an unknown kind"]
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < RSA_BITS:
            found.append(f"expected an RSA key of {RSA_BITS} bits or more, found {key.key_size}")
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in CURVES:
            known = ", ".join(CURVES)
            found.append(f"expected one of the curves {known}, found {key.curve.name}")
    else:
        # BoringSSL, which Envoy and grpcio have, offers no other in its handshakes.
        found.append("expected an RSA or EC key")
    if isinstance(hashed, MD5 | SHA1):
        found.append(f"expected a signature with SHA-256 or better, found {hashed.name}")
    return found


def _not_now(certificate: x509.Certificate, now: datetime) -> str:
    if now > certificate.not_valid_after_utc:
        return f"expired at {certificate.not_valid_after_utc.isoformat()}"
    if now < certificate.not_valid_before_utc:
        return f"not valid before {certificate.not_valid_before_utc.isoformat()}"
    return ""


def _unusable(leaf: x509.Certificate) -> list[str]:
    """Why clients would refuse it as a server's."""
    found = []
    try:
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        found.append("no subject alternative name: clients look at no other")
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return found
    served = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if not any(each in usage for each in served):
        found.append("its extended key usage lacks serverAuth")
    return found


def _gaps(chain: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate]) -> list[str]:
    """Where the chain misses a certificate, as far as the files can tell.

    Who issued the last one and stands in none of our files may well be a root that clients have.
    """
    found = [
        f"{_name(upper)} did not issue {_name(lower)}, after which it stands"
        for lower, upper in itertools.pairwise(chain)
        if lower.issuer != upper.subject
    ]
    last = chain[-1]
    for each in authorities:
        if each.subject == last.issuer and each != last and not _is_root(each):
            found.append(f"the chain lacks the intermediate certificate {_name(each)}")
            break
    return found


def _key_mistake(pem: bytes, chain: Sequence[x509.Certificate]) -> str:
    try:
        key = load_pem_private_key(pem, None)
    except TypeError:
        return "it is encrypted, and nobody is here to ask for the password"
    except (ValueError, UnsupportedAlgorithm):
        return "there is no PEM private key of a known kind in it"
    if not chain:
        return ""
    try:
        fits = key.public_key() == chain[0].public_key()
    except (ValueError, UnsupportedAlgorithm):  # said of the certificate already
        return ""
    return "" if fits else "it does not fit the certificate"


def _is_root(certificate: x509.Certificate) -> bool:
    return certificate.issuer == certificate.subject


def _first_end(certificates: Sequence[x509.Certificate]) -> float:
    return min(each.not_valid_after_utc for each in certificates).timestamp()


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()[:200] or f"serial {certificate.serial_number:x}"

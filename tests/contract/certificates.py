"""A certificate authority for one test, which also makes what no good one would."""

import datetime
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

Key: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files and as bytes."""

    cert: Path
    key: Path

    @property
    def cert_bytes(self) -> bytes:
        return self.cert.read_bytes()

    @property
    def key_bytes(self) -> bytes:
        return self.key.read_bytes()


class Authority:
    """Signs certificates into a folder."""

    def __init__(
        self,
        folder: Path,
        *,
        parent: "Authority | None" = None,
        key: Key | None = None,
        ends: datetime.timedelta = DAY,
    ) -> None:
        """A root, or an intermediate one below `parent`; `ends` is from now."""
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._key = key or ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"ca of {folder.name}")])
        above = parent or self
        certificate = (
            _builder(self._name, above._name, self._key, -DAY, ends)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(above._key, _digest(above._key))
        )
        self.cert = folder / "ca.crt"
        self.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    @property
    def cert_bytes(self) -> bytes:
        return self.cert.read_bytes()

    def issue(
        self,
        name: str,
        *names: x509.GeneralName,
        key: Key | None = None,
        starts: datetime.timedelta = -DAY,
        ends: datetime.timedelta = DAY,
        usage: Sequence[x509.ObjectIdentifier] = (),
        filler: int = 0,
    ) -> Pair:
        """A certificate with these alternative names; times are from now, `filler` is bytes."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(subject, self._name, key, starts, ends)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        if filler:
            unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(filler))
            builder = builder.add_extension(unknown, critical=False)
        certificate = builder.sign(self._key, _digest(self._key))
        pair = Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        pair.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(key_pem(key))
        pair.key.chmod(0o600)
        return pair


def key_pem(key: Key, password: bytes = b"") -> bytes:
    """PKCS 8; encrypted with a password."""
    hidden: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)


def replace(path: Path, content: bytes) -> None:
    """Atomically, as most tools do."""
    aside = path.with_name(path.name + ".new")
    aside.write_bytes(content)
    aside.rename(path)


class Mounted:
    """A folder as a kubelet mounts a Secret: files are links into `..data`, a link itself."""

    def __init__(self, folder: Path, files: dict[str, bytes]) -> None:
        folder.mkdir()
        self._folder = folder
        self._version = 0
        self.swap(files)
        for name in files:
            (folder / name).symlink_to(Path("..data") / name)

    def swap(self, files: dict[str, bytes]) -> None:
        """All files at once."""
        self._version += 1
        data = self._folder / f"..{self._version}"
        data.mkdir()
        for name, content in files.items():
            (data / name).write_bytes(content)
        link = self._folder / "..data_tmp"
        link.symlink_to(data.name)
        os.replace(link, self._folder / "..data")


def _digest(key: Key) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: Key,
    starts: datetime.timedelta,
    ends: datetime.timedelta,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + starts)
        .not_valid_after(now + ends)
    )

"""What is judged weak or unusable, and what is only warned of."""

import base64
import datetime
import os
import random
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from callout.serve import certificates
from callout.serve.certificates import (
    Certificates,
    Verdict,
    judge,
    load,
    names_in,
    open_to_all,
    read,
)
from callout.serve.tls import ServerTls
from tests.contract.certificates import DAY, Authority, Pair, key_pem

NAME = x509.DNSName("gate.example")
NONE = datetime.timedelta()
DATA = Path(__file__).parent / "data"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def now() -> datetime.datetime:
    """Of the test: certificates are made in it, and a long run imports this file much earlier."""
    return datetime.datetime.now(UTC)


def verdict(pair: Pair, ca: Path | None = None, later: datetime.timedelta = NONE) -> Verdict:
    tls = ServerTls(pair.cert, pair.key, ca)
    return judge(read(tls), tls, now() + later)


def test_good_certificates_have_no_problem_and_end_when_the_first_does(
    tmp_path: Path, authority: Authority
) -> None:
    middle = Authority(tmp_path / "middle", parent=authority, ends=DAY / 2)
    pair = middle.issue("server", NAME)
    pair.cert.write_bytes(pair.cert_bytes + middle.cert_bytes)

    found = verdict(pair, authority.cert)

    assert (list(found.problems), list(found.warnings)) == ([], [])
    ends = {which: round(at - now().timestamp()) for which, at in found.expiry.items()}
    assert ends["server"] == pytest.approx(43_200, abs=60)
    assert ends["client_ca"] == pytest.approx(86_400, abs=60)


def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


WEAK: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "rsa": (lambda: {"key": rsa_key(1024)}, "expected an RSA key of 2048 bits or more, found 1024"),
    "curve": (lambda: {"key": ec.generate_private_key(ec.SECP224R1())}, "found secp224r1"),
    "ed25519": (
        lambda: {"key": ed25519.Ed25519PrivateKey.generate()},
        "expected an RSA or EC key",
    ),
    "expired": (lambda: {"ends": -DAY / 24}, "expired at 20"),
    "early": (lambda: {"starts": DAY / 24}, "not valid before 20"),
    "usage": (lambda: {"usage": [ExtendedKeyUsageOID.CLIENT_AUTH]}, "lacks serverAuth"),
}


@pytest.mark.parametrize("row", WEAK)
def test_weak_and_unusable_certificates_are_problems(authority: Authority, row: str) -> None:
    how, message = WEAK[row]
    pair = authority.issue("server", NAME, **how())

    (problem,) = verdict(pair).problems

    assert problem.startswith(f"tls.cert: {pair.cert}: ")
    assert message in problem


@pytest.mark.parametrize("key", [2048, 3072, ec.SECP256R1, ec.SECP384R1, ec.SECP521R1])
def test_keys_of_today_are_good(authority: Authority, key: Any) -> None:
    made = rsa_key(key) if isinstance(key, int) else ec.generate_private_key(key())
    assert not verdict(authority.issue("server", NAME, key=made)).problems


@pytest.mark.parametrize("hashed", ["sha1", "md5"])
def test_signatures_of_yesterday_are_a_problem(authority: Authority, hashed: str) -> None:
    # Made by the openssl command, with `-sha1` and `-md5`: cryptography signs with neither.
    signed = Pair(DATA / f"{hashed}.crt", authority.issue("server", NAME).key)
    problem, not_its_key = verdict(signed).problems
    assert "does not fit" in not_its_key
    assert f"expected a signature with SHA-256 or better, found {hashed}" in problem


def test_a_certificate_without_names_is_a_problem(authority: Authority) -> None:
    (problem,) = verdict(authority.issue("server")).problems
    assert "no subject alternative name" in problem


def test_weak_or_expired_intermediates_are_problems(tmp_path: Path, authority: Authority) -> None:
    middle = Authority(tmp_path / "middle", parent=authority, ends=DAY / 24)
    pair = middle.issue("server", NAME)
    pair.cert.write_bytes(pair.cert_bytes + middle.cert_bytes)

    assert not verdict(pair).problems
    (problem,) = verdict(pair, later=DAY / 12).problems
    assert "ca of middle: expired" in problem


KEYS: dict[str, tuple[bytes, str]] = {
    "another": (key_pem(ec.generate_private_key(ec.SECP256R1())), "does not fit"),
    "encrypted": (key_pem(ec.generate_private_key(ec.SECP256R1()), b"secret"), "is encrypted"),
    "rubbish": (b"no key", "no PEM private key"),
    "empty": (b"", "no PEM private key"),
}


@pytest.mark.parametrize("row", KEYS)
def test_a_key_that_cannot_be_used_is_a_problem_that_does_not_show_it(
    authority: Authority, row: str
) -> None:
    content, message = KEYS[row]
    pair = authority.issue("server", NAME)
    pair.key.write_bytes(content)

    (problem,) = verdict(pair).problems

    assert problem.startswith(f"tls.key: {pair.key}: ")
    assert message in problem


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "there is no PEM certificate in it"),
        (b"# nobody yet\n", "there is no PEM certificate in it"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"),
    ],
)
@pytest.mark.parametrize("which", ["cert", "client_ca"])
def test_a_file_without_certificates_is_a_problem(
    authority: Authority, which: str, content: bytes, message: str
) -> None:
    pair = authority.issue("server", NAME)
    path = pair.cert if which == "cert" else authority.cert
    path.write_bytes(content)

    (problem,) = verdict(pair, authority.cert).problems

    assert problem.startswith(f"tls.{which}: {path}: ")
    assert message in problem


def test_all_problems_are_told_at_once(authority: Authority) -> None:
    pair = authority.issue("server", ends=-DAY / 2)
    pair.key.write_bytes(b"")
    authority.cert.write_bytes(b"")

    assert len(verdict(pair, authority.cert).problems) == 4
    with pytest.raises(OSError, match=r"tls\.client_ca: .*; tls\.cert: .*; tls\.key: "):
        load(ServerTls(pair.cert, pair.key, authority.cert))


def test_an_authority_that_ended_is_a_warning_beside_one_that_has_not(
    tmp_path: Path, authority: Authority
) -> None:
    pair = authority.issue("server", NAME)
    old = Authority(tmp_path / "old", ends=-DAY / 2)
    both = tmp_path / "both.crt"
    both.write_bytes(old.cert_bytes + authority.cert_bytes)

    found = verdict(pair, both)
    assert not found.problems
    assert any("ca of old: expired" in each for each in found.warnings)
    assert found.expiry["client_ca"] > now().timestamp()
    (problem,) = verdict(pair, old.cert).problems
    assert "none of its certificates is valid now" in problem


def test_a_weak_authority_is_a_problem(tmp_path: Path, authority: Authority) -> None:
    weak = Authority(tmp_path / "weak", key=rsa_key(1024))
    (problem,) = verdict(authority.issue("server", NAME), weak.cert).problems
    assert problem.startswith(f"tls.client_ca: {weak.cert}: expected an RSA key")


def test_a_chain_with_a_gap_is_a_warning(tmp_path: Path, authority: Authority) -> None:
    middle = Authority(tmp_path / "middle", parent=authority)
    pair = middle.issue("server", NAME)
    bundle = tmp_path / "bundle.crt"
    bundle.write_bytes(authority.cert_bytes + middle.cert_bytes)
    (warning,) = verdict(pair, bundle).warnings
    assert "the chain lacks the intermediate certificate CN=ca of middle" in warning

    pair.cert.write_bytes(pair.cert_bytes + authority.cert_bytes)
    assert any("did not issue" in each for each in verdict(pair).warnings)


def test_a_file_that_is_missing_or_huge_is_named(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("server", NAME)
    missing, huge = tmp_path / "missing.pem", tmp_path / "huge.pem"
    huge.write_bytes(bytes(certificates.MOST + 1))
    for tls, setting, path in (
        (ServerTls(missing, pair.key), "cert", missing),
        (ServerTls(pair.cert, missing), "key", missing),
        (ServerTls(pair.cert, pair.key, missing), "client_ca", missing),
        (ServerTls(pair.cert, tmp_path), "key", tmp_path),
        (ServerTls(pair.cert, huge), "key", huge),
    ):
        with pytest.raises(OSError, match=rf"tls\.{setting}: .*{path.name}"):
            read(tls)


def test_a_key_that_everybody_may_read_is_a_warning(authority: Authority) -> None:
    key = authority.issue("server", NAME).key
    assert not open_to_all(key, "tls.key")
    key.chmod(0o640)
    assert not open_to_all(key, "tls.key")
    key.chmod(0o644)
    assert open_to_all(key, "tls.key") == f"tls.key: {key}: everybody may read it"


def test_the_key_is_not_in_the_text_of_its_object(authority: Authority) -> None:
    pair = authority.issue("server", NAME)
    shown = repr(Certificates(pair.cert_bytes, pair.key_bytes))
    assert "BEGIN CERTIFICATE" in shown
    assert "PRIVATE" not in shown


def test_names_are_whole_and_of_an_unreadable_certificate_there_are_none(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "clients")
    uri, dns = "spiffe://mesh/gateway\0.evil", "gateway.example"
    pair = authority.issue("c", x509.DNSName(dns), x509.UniformResourceIdentifier(uri))
    assert names_in(pair.cert_bytes) == (("URI", uri), ("DNS", dns))
    assert names_in(authority.issue("nameless").cert_bytes) == ()
    assert names_in(b"") == names_in(pair.cert_bytes[:-200]) == ()


@pytest.mark.parametrize("which", ["cert", "client_ca"])
def test_whatever_stands_in_a_certificate_it_is_judged(authority: Authority, which: str) -> None:
    """A byte here and there is another one: cryptography reads parts when they are asked for."""
    pair = authority.issue("server", NAME, usage=[ExtendedKeyUsageOID.SERVER_AUTH])
    tls = ServerTls(pair.cert, pair.key, authority.cert)
    good = {"cert": pair.cert_bytes, "client_ca": authority.cert_bytes}
    lines = good[which].splitlines()
    der = base64.b64decode(b"".join(lines[1:-1]))
    seeded = random.Random(which)
    refused = 0
    for at in range(len(der)):
        changed = bytearray(der)
        changed[at] = seeded.choice([0, 0x80, 0xFF, changed[at] ^ 1])
        pem = b"\n".join((lines[0], base64.b64encode(changed), lines[-1]))
        found = {**good, which: pem}
        refused += bool(judge(Certificates(key=pair.key_bytes, **found), tls, now()).problems)
    assert refused > len(der) // 4


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(authority: Authority) -> None:
    pair = authority.issue("server", NAME)
    pair.key.unlink()
    os.mkfifo(pair.key)
    with pytest.raises(OSError, match=r"tls.key: expected a regular file"):
        load(ServerTls(pair.cert, pair.key))

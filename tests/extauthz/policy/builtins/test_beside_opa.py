"""Tokens, keys, certificates, times and networks: what a real OPA gives, to the letter."""

import base64
import datetime
import ipaddress
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from extauthz.policy.builtins.go_layouts import NAMED
from extauthz.policy.engine import UNDEFINED
from extauthz.policy.values.text import to_json
from tests.extauthz.policy.builtins.beside_opa import Opa, ours

NAMES = [
    "crypto.parse_private_keys",
    "crypto.x509.parse_and_verify_certificates",
    "crypto.x509.parse_and_verify_certificates_with_options",
    "crypto.x509.parse_certificate_request",
    "crypto.x509.parse_certificates",
    "crypto.x509.parse_keypair",
    "crypto.x509.parse_rsa_private_key",
    "io.jwt.decode",
    "io.jwt.decode_verify",
    "io.jwt.encode_sign",
    "io.jwt.verify_eddsa",
    "io.jwt.verify_es256",
    "io.jwt.verify_hs256",
    "io.jwt.verify_ps256",
    "io.jwt.verify_rs256",
    "net.cidr_expand",
    "net.cidr_merge",
    "providers.aws.sign_req",
    "time.format",
    "time.parse_duration_ns",
    "time.parse_ns",
    "uuid.parse",
]


@pytest.fixture(scope="module")
def opa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opa]:
    with closing(Opa(tmp_path_factory.mktemp("opa"), NAMES)) as server:
        yield server


BESIDE = settings(max_examples=200, deadline=None)


def same(opa: Opa, name: str, *operands: Any) -> Any:
    found = ours(name, list(operands))
    assert found == opa(name, list(operands)), (name, operands)
    return found


KEYS: dict[str, Any] = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}
TODAY = datetime.datetime.now(datetime.UTC)


def certificate(
    name: str,
    key: Any,
    authority: tuple[x509.Certificate, Any] | None = None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    days: int = 30,
    unique: Sequence[x509.NameAttribute[str]] = (),
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name), *unique])
    parent, signer = authority or (None, key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(parent.subject if parent else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(TODAY - datetime.timedelta(days=40))
        .not_valid_after(TODAY + datetime.timedelta(days=days))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    digest = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(signer, digest)


def pem(*certificates: x509.Certificate) -> str:
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in certificates)


def key_pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, form, NoEncryption())
    return text.decode()


AUTHORITY = [(x509.BasicConstraints(True, None), True)]
NAMED_EXTENSIONS: list[tuple[x509.ExtensionType, bool]] = [
    (
        x509.SubjectAlternativeName(
            [
                x509.DNSName("a.example"),
                x509.DNSName("*.b.example"),
                x509.RFC822Name("a@b.example"),
                x509.UniformResourceIdentifier("spiffe://shop.example/ns/a%20b?q=1"),
                x509.UniformResourceIdentifier("urn:x:y"),
                x509.IPAddress(ipaddress.ip_address("10.0.0.1")),
                x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
            ]
        ),
        False,
    ),
    (
        x509.ExtendedKeyUsage(
            [
                ExtendedKeyUsageOID.CLIENT_AUTH,
                ExtendedKeyUsageOID.SERVER_AUTH,
                x509.ObjectIdentifier("1.2.3.4"),
            ]
        ),
        False,
    ),
    (x509.KeyUsage(True, False, True, False, False, False, False, False, False), True),
    (x509.SubjectKeyIdentifier(b"12345"), False),
    (x509.AuthorityKeyIdentifier(b"123", None, None), False),
    (
        x509.CRLDistributionPoints(
            [
                x509.DistributionPoint(
                    [x509.UniformResourceIdentifier("http://crl.example/a")], None, None, None
                )
            ]
        ),
        False,
    ),
    (
        x509.AuthorityInformationAccess(
            [
                x509.AccessDescription(
                    AuthorityInformationAccessOID.OCSP,
                    x509.UniformResourceIdentifier("http://ocsp.example"),
                )
            ]
        ),
        False,
    ),
    (
        x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.4"), None)]),
        False,
    ),
    (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True),
]
CONSTRAINTS: list[tuple[x509.ExtensionType, bool]] = [
    (x509.BasicConstraints(True, 0), True),
    (
        x509.NameConstraints(
            [x509.DNSName(".example"), x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))],
            [x509.RFC822Name("b.example"), x509.UniformResourceIdentifier(".c.example")],
        ),
        True,
    ),
    (x509.PolicyConstraints(3, 0), False),
    (x509.InhibitAnyPolicy(2), False),
]
CERTIFICATES = {
    "plain": certificate("plain", KEYS["rsa"]),
    "p384": certificate("p384", KEYS["p384"]),
    "ed25519": certificate("ed25519", KEYS["ed25519"]),
    "all extensions": certificate("all", KEYS["p256"], extensions=NAMED_EXTENSIONS),
    "constraints": certificate("constraints", KEYS["p256"], extensions=CONSTRAINTS),
    "names": certificate(
        "names",
        KEYS["p256"],
        unique=[
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "A"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Bö"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, "12"),
            x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@b.example"),
        ],
    ),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_is_shown_with_all_of_gos_fields(opa: Opa, name: str) -> None:
    text = pem(CERTIFICATES[name])
    (found,) = same(opa, "crypto.x509.parse_certificates", text)
    assert found["Subject"]["CommonName"] == name.split()[0]
    plain = base64.b64encode(CERTIFICATES[name].public_bytes(Encoding.DER)).decode()
    assert same(opa, "crypto.x509.parse_certificates", plain) == [found]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "YmFkc3RyaW5n",
        "-----BEGIN CERTIFICATE-----\n",
        "-----BEGIN X-----\nAA==\n-----END X-----\n",
    ],
)
def test_what_is_no_certificate_is_refused(opa: Opa, text: str) -> None:
    for name in (NAMES[0], NAMES[1], NAMES[3], NAMES[4], NAMES[6]):
        same(opa, name, text)


@pytest.mark.parametrize(
    "name", ["rsa", "p256", "p384", "ed25519", "traditional rsa", "traditional p256", "x25519"]
)
def test_private_keys_are_shown_as_go_and_as_jwk(opa: Opa, name: str) -> None:
    kind, _, key_name = name.rpartition(" ")
    key = KEYS.get(key_name) or x25519.X25519PrivateKey.generate()
    text = key_pem(key, PrivateFormat.TraditionalOpenSSL if kind else PrivateFormat.PKCS8)
    assert len(same(opa, "crypto.parse_private_keys", text + text)) == 2
    assert same(opa, "crypto.x509.parse_rsa_private_key", text)["kty"]
    assert same(opa, "crypto.x509.parse_rsa_private_key", base64.b64encode(text.encode()).decode())


def test_a_key_pair_must_belong_together(opa: Opa) -> None:
    text = pem(CERTIFICATES["plain"])
    found = same(opa, "crypto.x509.parse_keypair", text, key_pem(KEYS["rsa"]))
    assert found["Leaf"]["Subject"]["CommonName"] == "plain"
    assert same(opa, "crypto.x509.parse_keypair", text, key_pem(KEYS["p256"])) is UNDEFINED


def test_a_request_for_a_certificate_is_shown(opa: Opa) -> None:
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]))
        .add_extension(NAMED_EXTENSIONS[0][0], False)
        .add_extension(NAMED_EXTENSIONS[2][0], True)
        .sign(KEYS["p256"], hashes.SHA256())
    )
    found = same(
        opa,
        "crypto.x509.parse_certificate_request",
        request.public_bytes(Encoding.PEM).decode(),
    )
    assert found["DNSNames"] == ["a.example", "*.b.example"]


ROOT = certificate("root", KEYS["p256"], extensions=AUTHORITY)
MIDDLE = certificate("middle", KEYS["p384"], (ROOT, KEYS["p256"]), AUTHORITY)
NO_AUTHORITY = certificate("middle", KEYS["p384"], (ROOT, KEYS["p256"]))
SHORT = certificate("short", KEYS["p256"], extensions=[(x509.BasicConstraints(True, 0), True)])
UNDER_SHORT = certificate("middle", KEYS["p384"], (SHORT, KEYS["p256"]), AUTHORITY)
NOT_FOR_SIGNING = certificate(
    "notsign", KEYS["p256"],
    extensions=[*AUTHORITY, (x509.KeyUsage(True, *[False] * 8), True)],
)  # fmt: skip


def leaf(
    parent: x509.Certificate, key: str, days: int = 30, usage: Any = None, critical: bool = False
) -> x509.Certificate:
    extensions: list[tuple[x509.ExtensionType, bool]] = [NAMED_EXTENSIONS[0]]
    if usage is not None:
        extensions.append((x509.ExtendedKeyUsage([usage]), False))
    if critical:
        extensions.append(NAMED_EXTENSIONS[-1])
    return certificate("leaf", KEYS["rsa"], (parent, KEYS[key]), extensions, days)


CHAINS: dict[str, tuple[bool, list[x509.Certificate], dict[str, Any]]] = {
    "direct": (True, [ROOT, leaf(ROOT, "p256")], {}),
    "by an intermediate": (True, [ROOT, MIDDLE, leaf(MIDDLE, "p384")], {}),
    "intermediate is missing": (False, [ROOT, leaf(MIDDLE, "p384")], {}),
    "intermediate is no authority": (
        False, [ROOT, NO_AUTHORITY, leaf(NO_AUTHORITY, "p384")], {}
    ),
    "root has no basic constraints": (
        False, [CERTIFICATES["names"], leaf(CERTIFICATES["names"], "p256")], {}
    ),
    "path is too long": (False, [SHORT, UNDER_SHORT, leaf(UNDER_SHORT, "p384")], {}),
    "path is as long as it may be": (True, [SHORT, leaf(SHORT, "p256")], {}),
    "root may not sign certificates": (
        False, [NOT_FOR_SIGNING, leaf(NOT_FOR_SIGNING, "p256")], {}
    ),
    "signed by another": (False, [ROOT, leaf(ROOT, "p384")], {}),
    "expired": (False, [ROOT, leaf(ROOT, "p256", days=-1)], {}),
    "unknown critical extension": (False, [ROOT, leaf(ROOT, "p256", critical=True)], {}),
    "for clients only": (
        False, [ROOT, leaf(ROOT, "p256", usage=ExtendedKeyUsageOID.CLIENT_AUTH)], {}
    ),
    "for clients, asked so": (
        True, [ROOT, leaf(ROOT, "p256", usage=ExtendedKeyUsageOID.CLIENT_AUTH)],
        {"KeyUsages": ["KeyUsageServerAuth", "KeyUsageClientAuth"]},
    ),
    "for clients, any": (
        True, [ROOT, leaf(ROOT, "p256", usage=ExtendedKeyUsageOID.CLIENT_AUTH)],
        {"KeyUsages": ["KeyUsageAny"]},
    ),
    "no usage named": (True, [ROOT, leaf(ROOT, "p256")], {"KeyUsages": []}),
    "expired, at a time before": (
        True, [ROOT, leaf(ROOT, "p256", days=-1)],
        {"CurrentTime": int(TODAY.timestamp() - 10 * 86400) * 10**9},
    ),
    "name": (True, [ROOT, leaf(ROOT, "p256")], {"DNSName": "A.example"}),
    "name with a dot": (True, [ROOT, leaf(ROOT, "p256")], {"DNSName": "a.example."}),
    "wildcard": (True, [ROOT, leaf(ROOT, "p256")], {"DNSName": "x.b.example"}),
    "wildcard is one label": (False, [ROOT, leaf(ROOT, "p256")], {"DNSName": "y.x.b.example"}),
    "other name": (False, [ROOT, leaf(ROOT, "p256")], {"DNSName": "c.example"}),
    "common name does not count": (False, [ROOT, leaf(ROOT, "p256")], {"DNSName": "leaf"}),
    "address": (True, [ROOT, leaf(ROOT, "p256")], {"DNSName": "10.0.0.1"}),
    "address of 16 bytes": (True, [ROOT, leaf(ROOT, "p256")], {"DNSName": "[2001:db8:0::1]"}),
    "other address": (False, [ROOT, leaf(ROOT, "p256")], {"DNSName": "10.0.0.2"}),
    "root alone": (False, [ROOT], {}),
    "root twice": (True, [ROOT, ROOT], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_is_verified_as_go_does(opa: Opa, name: str) -> None:
    valid, chain, options = CHAINS[name]
    text = pem(*chain)
    if not options:
        assert same(opa, "crypto.x509.parse_and_verify_certificates", text)[0] is valid
    found = same(opa, "crypto.x509.parse_and_verify_certificates_with_options", text, options)
    assert found[0] is valid


def test_a_chain_whose_authority_constrains_names_is_not_valid_here() -> None:
    constrained = certificate("constrained", KEYS["p256"], extensions=CONSTRAINTS[:2])
    text = pem(constrained, leaf(constrained, "p256"))
    assert ours("crypto.x509.parse_and_verify_certificates", [text]) == [False, []]


@pytest.mark.parametrize(
    "options",
    [{"x": 1}, {"DNSName": 1}, {"CurrentTime": "1"}, {"KeyUsages": ["x"]}, {"KeyUsages": 1},
     {"CurrentTime": 2**70}, {"MaxConstraintComparisons": 1}, {1: 2}],
)  # fmt: skip
def test_options_are_checked(opa: Opa, options: Any) -> None:
    same(
        opa,
        "crypto.x509.parse_and_verify_certificates_with_options",
        pem(ROOT, leaf(ROOT, "p256")),
        {str(name): value for name, value in options.items()},
    )


# --- tokens ---

SECRET = {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}
SECRET_TEXT = "secret-secret-secret-secret-secret"
JWKS = {
    name: ours("crypto.x509.parse_rsa_private_key", [key_pem(key)]) for name, key in KEYS.items()
}
ALGORITHMS = {
    "HS256": SECRET, "HS384": SECRET, "HS512": SECRET, "RS256": JWKS["rsa"], "RS384": JWKS["rsa"],
    "RS512": JWKS["rsa"], "PS256": JWKS["rsa"], "PS384": JWKS["rsa"], "PS512": JWKS["rsa"],
    "ES256": JWKS["p256"], "ES384": JWKS["p384"], "EdDSA": JWKS["ed25519"],
}  # fmt: skip


def public(key: Any) -> str:
    form = PublicFormat.SubjectPublicKeyInfo
    text: bytes = key.public_key().public_bytes(Encoding.PEM, form)
    return text.decode()


def token(alg: str, claims: dict[str, Any], key: Any = None, **header: Any) -> str:
    made = ours("io.jwt.encode_sign", [{"alg": alg, **header}, claims, key or ALGORITHMS[alg]])
    assert isinstance(made, str)
    return made


def _certs() -> list[dict[str, Any]]:
    named = [dict(jwk, kid=name) for name, jwk in JWKS.items()]
    return [
        {"secret": SECRET_TEXT},
        *({"cert": public(key)} for key in KEYS.values()),
        {"cert": pem(CERTIFICATES["plain"])},
        {"cert": to_json({"keys": [*JWKS.values(), SECRET]})},
        {"cert": to_json({"keys": [*named, dict(SECRET, kid="s")]})},
        {
            "cert": to_json(
                {"keys": [dict(JWKS["rsa"], alg="RS384"), dict(JWKS["p256"], alg="RSA-OAEP")]}
            )
        },
        {"cert": to_json(JWKS["p256"])},
        {"cert": to_json({"keys": []})},
        {"cert": to_json(dict(JWKS["rsa"], alg="x"))},
        {"cert": "nonsense"},
    ]


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("kid", [None, "rsa", "s"])
def test_only_the_right_key_verifies_a_token(opa: Opa, alg: str, kid: str | None) -> None:
    header = {} if kid is None else {"kid": kid}
    text = token(alg, {"sub": "a"}, **header)
    for constraints in _certs():
        same(opa, "io.jwt.decode_verify", text, constraints)
        same(opa, "io.jwt.decode_verify", text[:-6] + "AAAAAA", constraints)
        same(opa, "io.jwt.decode_verify", text, {**constraints, "alg": "RS256"})
        for name in NAMES[10:15]:
            same(opa, name, text, next(iter(constraints.values())))


CLAIMS = st.fixed_dictionaries(
    {},
    optional={
        "iss": st.sampled_from(["a", "b", ""]),
        "aud": st.sampled_from(["a", "b", ["a", "b"], ["b", 1], 1, "", []]),
        "exp": st.sampled_from([999, 1000, 1001, 1000.5, "x", 10**20, 0]),
        "nbf": st.sampled_from([999, 1000, 1001, 999.5, "x", 10**20, 0]),
    },
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "kid": st.sampled_from(["a", 1]),
        "typ": st.sampled_from(["JWT", 1]),
        "cty": st.sampled_from(["JWT", "jwt", "x", ""]),
        "crit": st.sampled_from([["b64"], ["exp"], ["kid"], [], "x", [1]]),
        "exp": st.just(1),
        "enc": st.just("x"),
    },
)
CONSTRAINTS_OF_TOKENS = st.fixed_dictionaries(
    {"secret": st.just(SECRET_TEXT)},
    optional={
        "iss": st.sampled_from(["a", ""]),
        "aud": st.sampled_from(["a", "", "c"]),
        "time": st.sampled_from([1000 * 10**9, 999_999_999_999, -1, "x"]),
        "alg": st.sampled_from(["HS256", "RS256", 1]),
        "other": st.just(1),
        "cert": st.sampled_from(["x", 1]),
    },
)


@given(claims=CLAIMS, header=HEADERS, constraints=CONSTRAINTS_OF_TOKENS)
@BESIDE
def test_constraints_hold_as_in_opa(opa: Opa, claims: Any, header: Any, constraints: Any) -> None:
    exact = {name: _exact(value) for name, value in claims.items()}
    text = token("HS256", exact, **header)
    same(opa, "io.jwt.decode_verify", text, constraints)


def _exact(value: Any) -> Any:
    return Decimal(str(value)) if type(value) is float else value


def test_tokens_in_tokens_are_bounded() -> None:
    text = token("HS256", {"sub": "a"})
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","cty":"JWT"}').rstrip(b"=").decode()
    for _ in range(12):
        payload = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
        text = f"{header}.{payload}.AAAA"
    assert ours("io.jwt.decode", [text]) is UNDEFINED


@pytest.mark.parametrize(
    "bad", ["", ".", "a.b.c", "e30.e30.", "e30.W10.", "W10.e30.", "....", "e30.e30.%"]
)
def test_broken_tokens_are_refused(opa: Opa, bad: str) -> None:
    same(opa, "io.jwt.decode", bad)
    same(opa, "io.jwt.decode_verify", bad, {"secret": "x"})
    same(opa, "io.jwt.verify_hs256", bad, "x")


# --- networks, identifiers, times ---

NETWORKS = st.one_of(
    st.builds("10.0.{}.{}/{}".format, st.integers(0, 3), st.integers(0, 255), st.integers(20, 33)),
    st.builds("2001:db8::{:x}/{}".format, st.integers(0, 255), st.integers(115, 129)),
    st.builds("10.0.{}.{}".format, st.integers(0, 1), st.integers(0, 255)),
    st.sampled_from(["1.2.3.4", "130.2.3.4", "200.2.3.4", "::/0", "0.0.0.0/0", "::1", "x", ""]),
)


@given(networks=st.lists(NETWORKS, max_size=6), one=NETWORKS)
@BESIDE
def test_networks_are_merged_as_in_opa(opa: Opa, networks: list[str], one: str) -> None:
    same(opa, "net.cidr_merge", networks)
    if one not in ("::/0", "0.0.0.0/0"):
        same(opa, "net.cidr_expand", one)


UUIDS = st.one_of(
    st.uuids().map(str),
    st.uuids(version=1).map(str),
    st.uuids().map(lambda each: "urn:uuid:" + str(each)),
    st.uuids().map(lambda each: "{" + str(each).upper() + "}"),
    st.uuids().map(lambda each: each.hex),
    st.builds(lambda each: str(each)[:14] + "2" + str(each)[15:], st.uuids()),
    st.text(max_size=40),
)


@given(text=UUIDS)
@BESIDE
def test_identifiers_are_read_as_in_opa(opa: Opa, text: str) -> None:
    same(opa, "uuid.parse", text)


ELEMENTS = st.sampled_from(
    ["January", "Jan", "1", "01", "Monday", "Mon", "2", "_2", "02", "__2", "002", "15", "3", "03",
     "4", "04", "5", "05", "2006", "06", "PM", "pm", "MST", "Z0700", "Z070000", "Z07", "Z07:00",
     "Z07:00:00", "-0700", "-070000", "-07", "-07:00", "-07:00:00", ".000", ",000", ".999", " ",
     "/", "-", "T", ":", "x", "_2006", ".0001"]
)  # fmt: skip
LAYOUTS = st.one_of(
    st.sampled_from([*NAMED, *NAMED.values(), "3:04PM", "2006-01-02 15:04:05", "15:04:05.000"]),
    st.lists(ELEMENTS, max_size=7).map("".join),
)
MOMENTS = st.one_of(st.integers(0, 2**62), st.integers(-(2**63), 2**63 - 1))
ZONES = st.sampled_from(
    ["", "UTC", "America/New_York", "Asia/Kolkata", "Africa/Monrovia", "Australia/Lord_Howe"]
)


@given(moment=MOMENTS, zone=ZONES, layout=LAYOUTS)
@BESIDE
def test_times_are_written_and_read_as_in_opa(
    opa: Opa, moment: int, zone: str, layout: str
) -> None:
    shown = same(opa, "time.format", [moment, zone, layout])
    same(opa, "time.parse_ns", layout, shown)
    same(opa, "time.parse_ns", layout, shown.replace("1", " ", 1))
    same(opa, "time.parse_ns", layout, shown + ".5")


DURATIONS = st.lists(
    st.one_of(
        st.builds(
            "{}{}".format,
            st.sampled_from(["1", "0", "1.5", ".5", "5.", "0.000000001", "1e3", "106751", "3.14159",
                             "9223372036", "0.1234567890123456789012345", "", ".", "1.2.3"]),
            st.sampled_from(["d", "w", "y", "h", "m", "s", "ms", "us", "µs", "ns", "x", ""]),
        ),
        st.sampled_from(["-", "+", " "]),
    ),
    max_size=3,
).map("".join)  # fmt: skip


@given(text=DURATIONS)
@BESIDE
def test_durations_are_read_as_in_opa(opa: Opa, text: str) -> None:
    same(opa, "time.parse_duration_ns", text)

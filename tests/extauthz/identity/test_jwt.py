"""Attacks on JWT verification, one a row: each must end in exactly this refusal."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extauthz.credentials import TOKEN_MOST, bearer, read_token
from extauthz.identity import keys as jwk
from extauthz.identity.contract import BadCredential, Identity, UnverifiedToken
from extauthz.identity.jwt import JwtRules, verify
from extauthz.identity.keys import ALGORITHMS, KeySet
from tests.extauthz.tokens import (
    ISSUER,
    NOW,
    by_hand,
    claims,
    es256,
    hmac_with,
    jwks,
    part,
    pem,
    private_key,
    token,
)
from tests.extauthz.tokens import jwk as as_jwk

RULES = JwtRules(ISSUER, frozenset({"shop", "shop-api"}), frozenset(ALGORITHMS))


def key_set(*keys: dict[str, Any]) -> KeySet:
    found = jwk.parse(jwks(*keys))
    assert isinstance(found, KeySet), found
    return found


KEYS = key_set(as_jwk("ec"), as_jwk("rsa"), as_jwk("ed"), as_jwk("ec384"))


def outcome(
    text: str, keys: KeySet = KEYS, rules: JwtRules = RULES, now: float = NOW
) -> Identity | BadCredential:
    read = bearer({"authorization": f"Bearer {text}"})
    if not isinstance(read, str):
        assert isinstance(read, BadCredential)
        return read
    unverified = read_token(read)
    if isinstance(unverified, BadCredential):
        return unverified
    return verify(unverified, rules, keys, now)


ACCEPTED = {
    "es256": token(key="ec"),
    "es384": token(key="ec384"),
    "rs256": token(key="rsa"),
    "rs512": token(key="rsa", algorithm="RS512"),
    "ps256": token(key="rsa", algorithm="PS256"),
    "eddsa": token(key="ed"),
    "audience in a list": token(claims(aud=["other", "shop-api"])),
    "not yet expired": token(claims(exp=int(NOW) + 1)),
    "expired within the leeway": token(claims(exp=int(NOW) - 59)),
    "from the near future, within the leeway": token(claims(nbf=int(NOW) + 59)),
    "issued in the near future, within the leeway": token(claims(iat=int(NOW) + 59)),
    "fractions of seconds": token(claims(exp=NOW + 0.5)),
    "no subject": token(claims(sub=None)),
    "no kid, and one key that fits": token(key="ed", kid=None),
    "jku is not even looked at": token(header={"jku": "https://evil.example/keys"}),
    "x5u is not even looked at": token(header={"x5u": "https://evil.example/cert"}),
    "jwk of the right key is not looked at either": token(header={"jwk": as_jwk("ec")}),
    "any typ": token(header={"typ": "at+jwt"}),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_good_token_is_accepted(name: str) -> None:
    found = outcome(ACCEPTED[name])

    assert isinstance(found, Identity), found
    assert found.claims is not None
    assert found.claims["iss"] == ISSUER


def _header(**more: Any) -> dict[str, Any]:
    return {"alg": "ES256", "kid": "ec", **more}


def _resigned(payload: bytes) -> str:
    return by_hand(_header(), payload, es256("ec"))


def _with_payload_of(good: str, payload: dict[str, Any]) -> str:
    header, _, signature = good.split(".")
    return f"{header}.{part(payload)}.{signature}"


REFUSED = {
    # algorithm
    "alg none": (by_hand({"alg": "none"}, claims()), "signature"),
    "alg none with a signature": (by_hand({"alg": "none"}, claims(), b"x"), "algorithm"),
    "alg None in other letters": (by_hand({"alg": "nOnE"}, claims(), b"x"), "algorithm"),
    "alg empty": (by_hand({"alg": ""}, claims(), b"x"), "algorithm"),
    "alg missing": (by_hand({"kid": "ec"}, claims(), b"x"), "token_malformed"),
    "alg is a number": (by_hand({"alg": 256}, claims(), b"x"), "token_malformed"),
    "alg is a list": (by_hand({"alg": ["ES256"]}, claims(), b"x"), "token_malformed"),
    "alg unknown": (by_hand(_header(alg="XS256"), claims(), b"x"), "algorithm"),
    "HS256 with the RSA key's PEM": (
        by_hand({"alg": "HS256", "kid": "rsa"}, claims(), hmac_with(pem("rsa"))),
        "algorithm",
    ),
    "HS256 with the EC key's PEM": (
        by_hand({"alg": "HS256", "kid": "ec"}, claims(), hmac_with(pem("ec"))),
        "algorithm",
    ),
    "HS256 with an empty secret": (
        by_hand({"alg": "HS256"}, claims(), hmac_with(b"")),
        "algorithm",
    ),
    "an RSA algorithm for an EC key": (token(key="rsa", kid="ec"), "algorithm"),
    "an EC algorithm for an RSA key": (token(key="ec", kid="rsa"), "algorithm"),
    "a curve that is not the key's": (token(key="ec384", kid="ec"), "algorithm"),
    "ES256 said of a P-384 key": (
        by_hand({"alg": "ES256", "kid": "ec384"}, claims(), es256("ec")),
        "algorithm",
    ),
    "ES256K": (by_hand(_header(alg="ES256K"), claims(), b"x"), "algorithm"),
    # key
    "a kid that nobody has": (token(kid="stranger"), "unknown_key"),
    "an empty kid": (by_hand(_header(kid=""), claims(), es256("ec")), "unknown_key"),
    "a kid that is a path": (token(kid="../../ec"), "unknown_key"),
    "a kid that is SQL": (token(kid="ec' OR '1'='1"), "unknown_key"),
    "a kid that is a number": (by_hand(_header(kid=1), claims(), es256("ec")), "token_malformed"),
    "signed by another key": (token(key="other-ec", kid="ec"), "signature"),
    "signed by another key, no kid": (token(key="other-ec", kid=None), "signature"),
    "its own key in the header": (
        by_hand(_header(jwk=as_jwk("other-ec")), claims(), es256("other-ec")),
        "signature",
    ),
    "its own key in the header, no kid": (
        by_hand({"alg": "ES256", "jwk": as_jwk("other-ec")}, claims(), es256("other-ec")),
        "signature",
    ),
    "its own certificate in the header": (
        by_hand(_header(x5c=["MIIB"]), claims(), es256("other-ec")),
        "signature",
    ),
    # signature
    "no signature": (token().rpartition(".")[0] + ".", "signature"),
    "signature of zeros": (by_hand(_header(), claims(), bytes(64)), "signature"),
    "signature cut short": (token()[:-4], "signature"),
    "signature in DER": (
        by_hand(_header(), claims(), b"\x30\x06\x02\x01\x01\x02\x01\x01"),
        "signature",
    ),
    "the claims changed": (_with_payload_of(token(), claims(sub="root")), "signature"),
    "the algorithm changed": (
        by_hand(_header(alg="ES384"), claims(), es256("ec")),
        "algorithm",
    ),
    # header
    "crit that nobody knows": (
        by_hand(_header(crit=["exp"], exp=1), claims(), es256("ec")),
        "critical",
    ),
    "crit with b64": (
        by_hand(_header(crit=["b64"], b64=True), claims(), es256("ec")),
        "critical",
    ),
    "crit that is empty": (by_hand(_header(crit=[]), claims(), es256("ec")), "critical"),
    "b64 false": (by_hand(_header(b64=False), claims(), es256("ec")), "critical"),
    "header with alg twice": (
        by_hand(b'{"alg":"ES256","alg":"none","kid":"ec"}', claims(), b"x"),
        "token_malformed",
    ),
    "header is a list": (by_hand([], claims(), b"x"), "token_malformed"),
    "header is not JSON": (by_hand(b"{", claims(), b"x"), "token_malformed"),
    # shape
    "garbage": ("garbage", "token_malformed"),
    "two parts": ("e30.e30", "token_malformed"),
    "four parts": (token() + ".e30", "token_malformed"),
    "five parts, a JWE": ("e30.e30.e30.e30.e30", "token_malformed"),
    "empty parts": ("..", "token_malformed"),
    "padding": (token().replace(".", "=.", 1), "token_malformed"),
    "the other base64 alphabet": ("e+/0.e30.e30", "token_malformed"),
    "a line break inside": (token().replace(".", ".\n", 1), "token_malformed"),
    "not ASCII": ("é30.e30.e30", "token_malformed"),
    "too large": ("e30." + "A" * TOKEN_MOST + ".e30", "token_too_large"),
    "claims are a list": (_resigned(b"[]"), "token_malformed"),
    "claims are nested too deep": (
        _resigned(b'{"a":' * 201 + b"1" + b"}" * 201),
        "token_malformed",
    ),
    "claims with iss twice": (
        _resigned(b'{"iss":"https://idp.example/","iss":"https://evil.example/"}'),
        "token_malformed",
    ),
    "claims with NaN": (_resigned(b'{"iss":"https://idp.example/","exp":NaN}'), "token_malformed"),
    # claims
    "another issuer": (token(claims(iss="https://idp.example")), "issuer"),
    "no issuer": (token(claims(iss=None)), "issuer"),
    "issuer is a list": (_resigned(json.dumps(claims(iss=[ISSUER])).encode()), "token_malformed"),
    "another audience": (token(claims(aud="other")), "audience"),
    "no audience": (token(claims(aud=None)), "audience"),
    "an empty audience": (token(claims(aud="")), "audience"),
    "no audience in the list": (token(claims(aud=[])), "audience"),
    "an audience that holds ours": (token(claims(aud="shop shop-api")), "audience"),
    "an audience object": (_resigned(json.dumps(claims(aud={"shop": 1})).encode()), "audience"),
    "expired": (token(claims(exp=int(NOW) - 60)), "expired"),
    "no expiry": (token(claims(exp=None)), "no_expiry"),
    "expiry is text": (token(claims(exp="9999999999")), "claims"),
    "expiry is true": (_resigned(json.dumps(claims(exp=True)).encode()), "claims"),
    "expiry is null": (_resigned(json.dumps({**claims(), "exp": None}).encode()), "claims"),
    "expiry beyond all bounds": (token(claims(exp=10**30)), "claims"),
    "expiry of 4,300 digits": (
        _resigned(json.dumps(claims(exp=None)).encode()[:-1] + b',"exp":1e4000}'),
        "claims",
    ),
    "not yet valid": (token(claims(nbf=int(NOW) + 61)), "not_yet_valid"),
    "issued in the future": (token(claims(iat=int(NOW) + 61)), "not_yet_valid"),
    "nbf is text": (_resigned(json.dumps(claims(nbf="0")).encode()), "claims"),
    "subject is a number": (_resigned(json.dumps(claims(sub=1)).encode()), "claims"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_attack_is_refused(name: str) -> None:
    text, reason = REFUSED[name]

    found = outcome(text)

    assert found == BadCredential(reason)


def test_the_tables_have_all_their_rows() -> None:
    assert (len(ACCEPTED), len(REFUSED)) == (18, 73)


HEADERS = {
    "no header": ({}, None),
    "another scheme": ({"authorization": "Basic dTpw"}, None),
    "a scheme that begins alike": ({"authorization": "BearerX e30"}, None),
    "the scheme in other letters": ({"authorization": "bEaReR abc"}, "abc"),
    "more spaces": ({"authorization": "  Bearer   abc  "}, "abc"),
    "no token": ({"authorization": "Bearer"}, BadCredential("token_malformed")),
    "an empty token": ({"authorization": "Bearer  "}, BadCredential("token_malformed")),
    "two bearer tokens": (
        {"authorization": "Bearer a,Bearer b"},
        BadCredential("duplicate_credential"),
    ),
    "a bearer token after another scheme": (
        {"authorization": "Basic dTpw,bearer b"},
        BadCredential("duplicate_credential"),
    ),
    "a bearer token before another scheme": (
        {"authorization": "Bearer a,Basic dTpw"},
        BadCredential("duplicate_credential"),
    ),
    "the same token twice": (
        {"authorization": "Bearer a,Bearer a"},
        BadCredential("duplicate_credential"),
    ),
    "another scheme with commas": ({"authorization": 'Digest username="u", realm="r"'}, None),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_gives_a_token_or_not(name: str) -> None:
    headers, expected = HEADERS[name]

    assert bearer(headers) == expected


def test_an_entry_verifies_only_the_algorithms_that_it_lists() -> None:
    only_ed = JwtRules(ISSUER, frozenset({"shop"}), frozenset({"EdDSA"}))

    assert outcome(token(key="ec"), rules=only_ed) == BadCredential("algorithm")
    assert isinstance(outcome(token(key="ed"), rules=only_ed), Identity)


def test_a_key_that_names_its_algorithm_verifies_no_other() -> None:
    keys = key_set(as_jwk("rsa", alg="PS256"))

    assert isinstance(outcome(token(key="rsa", algorithm="PS256"), keys), Identity)
    assert outcome(token(key="rsa"), keys) == BadCredential("algorithm")


def test_a_token_without_kid_is_tried_against_a_few_keys_only() -> None:
    first = [as_jwk("ec", kid=f"same-{n}") for n in range(3)]
    others = [as_jwk("other-ec", kid=f"other-{n}") for n in range(4)]

    assert isinstance(outcome(token(kid=None), key_set(*others[:3], *first)), Identity)
    assert outcome(token(kid=None), key_set(*others, *first)) == BadCredential("signature")


def test_numbers_in_claims_stay_exact() -> None:
    payload = json.dumps(claims()).encode()[:-1] + b',"n":123456789012345678901,"d":0.10}'

    found = outcome(_resigned(payload))

    assert isinstance(found, Identity)
    assert found.claims is not None
    assert found.claims["n"] == 123456789012345678901
    assert found.claims["d"] == Decimal("0.10")


@pytest.mark.parametrize("payload", [b"[]", b"{", b'{"a":1,"a":2}'], ids=repr)
def test_verification_does_not_rely_on_what_was_read_before(payload: bytes) -> None:
    """`verify` alone: the signature is good, the claims are not what a reader would have passed."""
    unverified = UnverifiedToken(_resigned(payload), ISSUER, "ES256", "ec")

    assert verify(unverified, RULES, KEYS, NOW) == BadCredential("claims")


UNUSABLE = {
    "an HMAC secret": {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
    "an encryption key": as_jwk("rsa", use="enc"),
    "a key that may only sign": as_jwk("ec", key_ops=["sign"]),
    "a small RSA key": as_jwk("rsa-small"),
    "an EC key with an RSA algorithm": as_jwk("ec", alg="RS256"),
    "an RSA key with an HMAC algorithm": as_jwk("rsa", alg="HS256"),
    "an unknown curve": as_jwk("ec", crv="secp256k1"),
    "an unknown type": {"kty": "LWE", "kid": "x"},
    "a point that is not on the curve": as_jwk("ec", y=as_jwk("other-ec")["y"]),
    "no type": {"kid": "x"},
    "a kid that is no text": as_jwk("ec", kid=1),
    "a text": "key",
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_key_that_cannot_verify_is_left_out(name: str) -> None:
    key: Any = UNUSABLE[name]

    assert isinstance(jwk.parse(jwks(key)), str)
    assert [key.kid for key in key_set(key, as_jwk("ed")).keys] == ["ed"]


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b'{"keys":{}}', b'{"keys":[]}', b"\xff", b" " * (jwk.SIZE_MOST + 1)],
    ids=["empty", "object", "list", "keys object", "no keys", "not UTF-8", "too large"],
)
def test_what_is_no_key_set_says_why(data: bytes) -> None:
    assert isinstance(jwk.parse(data), str)


def test_the_private_half_of_a_key_is_not_taken() -> None:
    private = jwt_private_jwk()

    found = key_set({**private, "kid": "ec"})

    assert not hasattr(found.keys[0].public, "private_numbers")


def jwt_private_jwk() -> dict[str, Any]:
    import jwt

    made: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(private_key("ec"), as_dict=True)
    made.pop("key_ops", None)
    assert "d" in made
    return made


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"))
def test_whatever_comes_as_a_token_is_read_or_refused(text: str) -> None:
    found = read_token(text)

    assert isinstance(found, UnverifiedToken | BadCredential)
    if isinstance(found, UnverifiedToken):
        assert isinstance(verify(found, RULES, KEYS, NOW), BadCredential)


@settings(max_examples=100, deadline=None)
@given(st.integers(min_value=0), st.characters(codec="ascii"))
def test_a_token_with_one_character_changed_is_refused(place: int, new: str) -> None:
    good = ACCEPTED["es256"]
    place %= len(good)
    changed = good[:place] + new + good[place + 1 :]

    if changed != good:
        assert not isinstance(outcome(changed), Identity)

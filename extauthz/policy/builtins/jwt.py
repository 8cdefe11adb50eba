"""JSON web tokens: read, and verified (v1/topdown/tokens.go)."""

import hmac
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

from extauthz.policy.builtins import operands
from extauthz.policy.builtins.encoding import base64url_decode, json_unmarshal
from extauthz.policy.builtins.jwk import Key, Private
from extauthz.policy.builtins.jwt_keys import verification_keys
from extauthz.policy.builtins.jwt_signatures import verifies
from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.translator.runtime import NOW
from extauthz.policy.values import numbers
from extauthz.policy.values.representation import Value, is_number
from extauthz.policy.values.text import go_bytes

_SECOND: Final = 1e9
MOST_NESTED: Final = 10
"""Tokens in tokens. Each is a third shorter than the one around it, so OPA's lack of a bound is
one of length; a request should not have us verify more signatures than this."""

MOST_REMEMBERED: Final = 1000
"""Tokens that were verified and are remembered, ..."""
_LONGEST_REMEMBERED: Final = 4096
"""... each of at most so many characters: a few megabytes in all. Only who has a good token can
put one there."""
_Fields: TypeAlias = dict[str, Value]


class _Token(NamedTuple):
    header: str
    payload: str
    signature: str
    fields: dict[str, Value]
    """The header, read."""

    def signed(self) -> bytes:
        return go_bytes(f"{self.header}.{self.payload}")

    def claims(self) -> str:
        return _part(self.payload, "payload")


class _Header(NamedTuple):
    """What the header says that matters here."""

    alg: str = ""
    kid: str = ""
    cty: str = ""
    understood: bool = True
    """No critical field is one that we do not know."""


def decode(token: Value) -> list[Any]:
    """`io.jwt.decode(token)`: header, payload and signature (hex). Verifies nothing."""
    for _ in range(MOST_NESTED):
        parts = _token(token)
        claims = parts.claims()
        cty = parts.fields.get("cty", "")
        if type(cty) is not str:
            raise RegoError("rego_builtin", "io.jwt.decode: the header's cty is not a string")
        if cty != "JWT":
            fields = _object(claims)
            return [parts.fields, fields, go_bytes(_part(parts.signature, "signature")).hex()]
        token = claims.strip("\"'")
    raise BuiltinError("JWT is nested too deeply")


def _split(token: Value) -> list[str]:
    text = operands.string(token, 1)
    if "." not in text:
        raise BuiltinError("encoded JWT had no period separators")
    parts = text.split(".")
    if len(parts) != 3:
        raise BuiltinError(f"encoded JWT must have 3 sections, found {len(parts)}")
    return parts


def _token(token: Value) -> _Token:
    header, payload, signature = _split(token)
    return _Token(header, payload, signature, _fields(header))


def _fields(header: str) -> dict[str, Value]:
    text = _part(header, "header")
    try:
        fields = _object(text)
    except BuiltinError as error:
        raise BuiltinError(f"bad JWT header: {error.message}") from None
    if "enc" in fields:
        raise BuiltinError("JWT is a JWE object, which is not supported")
    return fields


def _part(part: str, what: str) -> str:
    try:
        return base64url_decode(part)
    except BuiltinError as error:
        raise BuiltinError(f"JWT {what} had invalid encoding: {error.message}") from None


def _object(text: str) -> dict[str, Value]:
    try:
        value = json_unmarshal(text)
    except BuiltinError as error:
        raise BuiltinError(f"invalid JSON: {error.message}") from None
    if type(value) is not dict:
        raise BuiltinError("decoded JSON type was not an Object")
    return value


def _header(fields: dict[str, Value]) -> _Header:
    said = {}
    for name in ("alg", "cty", "kid", "typ"):
        if name in fields:
            if type(fields[name]) is not str:
                raise BuiltinError(f"{name}: must be a string")
            said[name] = fields[name]
    said.pop("typ", None)
    if "crit" not in fields:
        return _Header(**said)
    critical = fields["crit"]
    if type(critical) is not list:
        raise BuiltinError("crit: must be a list")
    names = {name for name in critical if type(name) is str}
    if not names:
        raise BuiltinError("crit: must be a nonempty list")
    unknown = set(fields) - {"alg", "crit", "cty", "kid", "typ"}
    return _Header(**said, understood=not names & unknown)


# --- io.jwt.verify_* ---


def _verifier(alg: str) -> Callable[[Value, Value], bool]:
    def verify(token: Value, certificate: Value) -> bool:
        header, payload, signature = _split(token)
        keys = verification_keys(operands.string(certificate, 2))
        raw = go_bytes(base64url_decode(signature))
        parts = _Token(header, payload, signature, _fields(header))
        said = _header(parts.fields)
        message = parts.signed()
        # a private key is none to these builtins, though it is to decode_verify
        return any(
            not isinstance(key.material, Private)
            and verifies(key.material, alg, message, raw, True)
            for key in _candidates(keys, said)
        )

    return verify


def _candidates(keys: Sequence[Key], header: _Header) -> Sequence[Key]:
    """The key that the token names; or all of the token's algorithm, and all of none."""
    if header.kid:
        for key in keys:
            if key.kid == header.kid:
                return (key,)
    return [key for key in keys if not key.alg or key.alg == header.alg]


verify_rs256, verify_rs384, verify_rs512 = map(_verifier, ("RS256", "RS384", "RS512"))
verify_ps256, verify_ps384, verify_ps512 = map(_verifier, ("PS256", "PS384", "PS512"))
verify_es256, verify_es384, verify_es512 = map(_verifier, ("ES256", "ES384", "ES512"))
verify_eddsa = _verifier("EdDSA")


def _secret_verifier(digest: str) -> Callable[[Value, Value], bool]:
    def verify(token: Value, secret: Value) -> bool:
        operands.string(token, 1)
        key = go_bytes(operands.string(secret, 2))
        header, payload, signature = _split(token)
        mac = hmac.digest(key, go_bytes(f"{header}.{payload}"), digest)
        return hmac.compare_digest(mac, go_bytes(base64url_decode(signature)))

    return verify


verify_hs256, verify_hs384, verify_hs512 = map(_secret_verifier, ("sha256", "sha384", "sha512"))


# --- io.jwt.decode_verify ---


class _Constraints(NamedTuple):
    now: numbers.Number
    """Nanoseconds since 1970."""
    cert: str | None = None
    """What holds the keys."""
    secret: str = ""
    alg: str = ""
    iss: str = ""
    aud: str = ""


def decode_verify(memo: dict[Any, Any], token: Value, constraints: Value) -> list[Any]:
    """`io.jwt.decode_verify(token, constraints)`: whether it is valid, header and payload."""
    wanted = _constraints(operands.object_(constraints, 2), memo[NOW])
    if wanted.cert is None and not wanted.secret:
        raise BuiltinError("no key constraint")
    if wanted.cert is not None and wanted.secret:
        raise BuiltinError("duplicate key constraints")
    text = operands.string(token, 1)
    opened = _opened_before if len(text) <= _LONGEST_REMEMBERED else _opened
    try:
        fields, claims = opened(text, wanted.cert, wanted.secret, wanted.alg)
    except _Unverified:
        return _unverified()
    return [True, fields, claims] if _claims_met(claims, wanted) else _unverified()


class _Unverified(Exception):
    """The signature is not one of the keys; as an exception, so that it is not remembered."""


def _opened(token: str, cert: str | None, secret: str, alg: str) -> tuple[_Fields, _Fields]:
    """Header and claims of a token that one of the keys has signed, whatever they say.

    Raises:
        _Unverified: none has.
        BuiltinError: it is no token.
    """
    for _ in range(MOST_NESTED):
        parts = _token(token)
        header = _header(parts.fields)
        if not header.alg or not header.understood or alg not in ("", header.alg):
            raise _Unverified
        signature = go_bytes(base64url_decode(parts.signature))
        keys: Sequence[Key] = (Key("", "", go_bytes(secret)),)
        if cert is not None:
            keys = _candidates(verification_keys(cert), header)
        if not any(verifies(k.material, header.alg, parts.signed(), signature) for k in keys):
            raise _Unverified
        claims = parts.claims()
        if header.cty.lower() != "jwt":
            return parts.fields, _object(claims)
        token = claims
    raise BuiltinError("JWT is nested too deeply")


_opened_before = lru_cache(maxsize=MOST_REMEMBERED)(_opened)
"""All of it follows from the operands alone; time, issuer and audience are looked at each time.
Whoever calls again comes with the same token: 9 us instead of 115 us for ES256. OPA has that, too
(`io_jwt`), unless it is turned off, as it is by default."""


def _unverified() -> list[Any]:
    return [False, {}, {}]


def _constraints(fields: dict[Value, Value], now: int) -> _Constraints:
    found: dict[str, Any] = {"now": now}
    for name, value in fields.items():
        if name == "time":
            if not is_number(value):
                raise BuiltinError("token time constraint: must be a number")
            if math.isinf(float(value)):
                raise BuiltinError("token time constraint: unvalid float64")
            if value < 0:
                raise BuiltinError("token time constraint: must not be negative")
            found["now"] = value
        elif name in ("alg", "aud", "cert", "iss", "secret"):
            if type(value) is not str:
                raise BuiltinError(f"{name} constraint: must be a string")
            found[name] = value
        else:
            raise BuiltinError(f"unknown token validation constraint: {name}")
    if "cert" in found:
        verification_keys(found["cert"])  # keys that are none are an error, whatever the token is
    return _Constraints(**found)


def _claims_met(claims: dict[str, Value], wanted: _Constraints) -> bool:
    if wanted.iss:
        issuer = claims.get("iss")
        if "iss" in claims and type(issuer) is not str:
            raise RegoError("rego_builtin", "io.jwt.decode_verify: the claim iss is not a string")
        if issuer != wanted.iss:
            return False
    if "aud" in claims:
        audience = claims["aud"]
        listed = audience if type(audience) is list else [audience]
        if not any(type(each) is str and each == wanted.aud for each in listed):
            return False
    elif wanted.aud:
        return False
    # in floats, as OPA calculates it
    now = Decimal(repr(float(wanted.now) / _SECOND))
    if "exp" in claims and now >= _number(claims, "exp"):
        return False
    return "nbf" not in claims or now >= _number(claims, "nbf")


def _number(claims: dict[str, Value], name: str) -> numbers.Number:
    value = claims[name]
    if not is_number(value):
        raise BuiltinError(f"{name} value must be a number")
    checked: numbers.Number = value
    return checked

"""JSON Web Tokens (RFC 7519, best practices of RFC 8725): pure verification.

PyJWT does the cryptography. The claims are checked here, because PyJWT's own check reads the
clock and turns numbers into floats.
"""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import jwt

from extauthz import exact_json
from extauthz.identity.contract import (
    BadCredential,
    Found,
    Identity,
    IdentityFailed,
    KeySource,
    UnverifiedToken,
)
from extauthz.identity.keys import ALGORITHMS, KeySet

LEEWAY = 60
"""Seconds by which clocks may differ, unless the entry says otherwise; Envoy's jwt_authn has the
same."""

_TRIES_MOST = 4
"""Keys tried for a token that names none: each try is 50 to 200 us of work for a stranger."""

_JWS = jwt.PyJWS(algorithms=ALGORITHMS)


@dataclass(frozen=True, slots=True)
class JwtRules:
    """What one entry demands of a token."""

    issuer: str
    audience: frozenset[str]
    """One of these must be in `aud`."""
    algorithms: frozenset[str]
    leeway: float = LEEWAY
    """Seconds."""


def verify(
    token: UnverifiedToken, rules: JwtRules, keys: KeySet, now: float
) -> Identity | BadCredential:
    """Verify signature and claims.

    Args:
        token: taken apart by `credentials.read_token`.
        rules: the entry's.
        keys: the issuer's.
        now: seconds since 1970.

    Returns:
        The holder, or the first thing that is wrong.
    """
    if token.algorithm not in rules.algorithms:
        return BadCredential("algorithm")
    if not keys.knows(token.kid):
        return BadCredential("unknown_key")
    candidates = keys.candidates(token.kid, token.algorithm)
    if not candidates:
        return BadCredential("algorithm")
    payload: bytes | None = None
    for key in candidates[:_TRIES_MOST]:
        try:
            # one algorithm, and it is one of the key's: what the header says chooses nothing
            decoded = _JWS.decode_complete(token.text, key.public, algorithms=[token.algorithm])
        except Exception:  # noqa: S112 - PyJWT, or cryptography below it: not verified by this key
            continue
        payload = decoded["payload"]
        break
    if payload is None:
        return BadCredential("signature")
    try:
        claims = exact_json.loads(payload)
    except ValueError:
        return BadCredential("claims")
    if not isinstance(claims, dict):
        return BadCredential("claims")
    wrong = _wrong_claim(claims, rules, now)
    if wrong:
        return BadCredential(wrong)
    return Identity(claims, float(claims["exp"]), keys)


def _wrong_claim(claims: Mapping[str, Any], rules: JwtRules, now: float) -> str:
    """The first claim that is not as it must be, as a reason; empty if all are well."""
    if claims.get("iss") != rules.issuer:
        return "issuer"
    audience = claims.get("aud")
    if isinstance(audience, str):
        audience = [audience]
    if not isinstance(audience, list) or not any(
        isinstance(one, str) and one in rules.audience for one in audience
    ):
        return "audience"
    if not isinstance(claims.get("sub", ""), str):
        return "claims"
    for name in ("exp", "nbf", "iat"):
        if name in claims and not _is_date(claims[name]):
            return "claims"
    if "exp" not in claims:
        return "no_expiry"
    if claims["exp"] <= now - rules.leeway:
        return "expired"
    if claims.get("nbf", 0) > now + rules.leeway or claims.get("iat", 0) > now + rules.leeway:
        return "not_yet_valid"
    return ""


def _is_date(value: object) -> bool:
    """RFC 7519 2, NumericDate; bounded, so that it is exact enough as a float."""
    return type(value) in (int, Decimal) and abs(value) < 1 << 53  # type: ignore[arg-type]


class JwtEntry:
    """`jwt: {issuer, audience, jwks, algorithms, leeway}`."""

    __slots__ = ("keys", "rules", "url")

    def __init__(self, rules: JwtRules, keys: KeySet | None, url: str = "") -> None:
        self.rules = rules
        self.keys = keys
        """The bundle's; None: they are fetched from `url`."""
        self.url = url

    def applies(self, token: UnverifiedToken | None) -> bool:
        """Whether the token says that it is from this issuer."""
        return token is not None and token.issuer == self.rules.issuer

    def identify(
        self, token: UnverifiedToken | None, keys: KeySource, now: float
    ) -> Found | Awaitable[Found]:
        """Verify the token by this entry alone."""
        if token is None:
            return BadCredential("token_malformed")
        if self.keys is not None:
            return verify(token, self.rules, self.keys, now)
        if token.algorithm not in self.rules.algorithms:
            return BadCredential("algorithm")  # before a fetch that it might cause
        known = keys.get(self.url, token.kid, now)
        if known is None or isinstance(known, KeySet):
            return self._by(known, token, now)
        return self._later(known, token, now)

    def overdue(self, keys: KeySource, now: float) -> BadCredential | IdentityFailed:
        """Our failure, unless there are keys: then only the token's key id made us wait for more.

        A client may name any id, and must not be able to call for `onError`.
        """
        known = self.keys if self.keys is not None else keys.current(self.url, now)
        return IdentityFailed("deadline") if known is None else BadCredential("unknown_key")

    async def _later(
        self, keys: Awaitable[KeySet | None], token: UnverifiedToken, now: float
    ) -> Found:
        return self._by(await keys, token, now)

    def _by(self, keys: KeySet | None, token: UnverifiedToken, now: float) -> Found:
        if keys is None:
            return IdentityFailed("keys_unavailable")
        found = verify(token, self.rules, keys, now)
        if isinstance(found, Identity):
            return Identity(found.claims, found.expires, keys, self.url)
        return found

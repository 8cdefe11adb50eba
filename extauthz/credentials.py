"""Takes the credentials out of the request's headers, and a bearer token apart."""

import binascii
import re
from collections.abc import Mapping
from typing import Any

from extauthz import exact_json
from extauthz.identity.contract import BadCredential, UnverifiedToken

TOKEN_MOST = 16 * 1024
"""Characters of a token, looked at before anything is decoded (CVE-2025-61920): beyond what
identity providers send with long group lists, far below Envoy's 60 KiB of headers."""

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)")
"""RFC 7515 7.1: three parts in base64url without padding."""

_MALFORMED = BadCredential("token_malformed")


def bearer(headers: Mapping[str, str]) -> str | BadCredential | None:
    """The bearer token of a request (RFC 6750 2.1).

    Returns:
        The token; None when there is no credential that we look for (no `authorization`, or
        another scheme, which is between client and upstream); or why it is refused: Envoy joins
        repeated headers by commas, and two credentials are none (extauthz.md 5.15).
    """
    value = headers.get("authorization")
    if value is None:
        return None
    if "," in value:
        if any(_is_bearer(part.strip()) for part in value.split(",")):
            return BadCredential("duplicate_credential")
        return None
    value = value.strip()
    if not _is_bearer(value):
        return None
    token = value[6:].strip()
    if len(token) > TOKEN_MOST:
        return BadCredential("token_too_large")
    return token or _MALFORMED


def _is_bearer(value: str) -> bool:
    return value[:6].lower() == "bearer" and (len(value) == 6 or value[6] in " \t")


def read_token(text: str) -> UnverifiedToken | BadCredential:
    """Take a token apart without believing any of it.

    Args:
        text: at most `TOKEN_MOST` characters.

    Returns:
        What is needed to choose the entry and the key. Everything in the header that would bring
        its own key (`jwk`, `jku`, `x5u`, `x5c`) is not even looked at; `crit` is refused, since
        we understand no extension (RFC 7515 4.1.11), and so is a detached payload (RFC 7797).
    """
    match = _COMPACT.fullmatch(text)
    if match is None:
        return _MALFORMED
    header, payload = _object(match[1]), _object(match[2])
    if header is None or payload is None:
        return _MALFORMED
    if "crit" in header or header.get("b64", True) is not True:
        return BadCredential("critical")
    algorithm, kid, issuer = header.get("alg"), header.get("kid"), payload.get("iss", "")
    if (
        not isinstance(algorithm, str)
        or not isinstance(issuer, str)
        or not (kid is None or isinstance(kid, str))
    ):
        return _MALFORMED
    if not match[3]:
        return BadCredential("signature")
    return UnverifiedToken(text, issuer, algorithm, kid)


def _object(segment: str) -> dict[str, Any] | None:
    try:
        data = binascii.a2b_base64(
            segment.replace("-", "+").replace("_", "/") + "=" * (-len(segment) % 4)
        )
        value = exact_json.loads(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def unverified_claims(token: UnverifiedToken) -> dict[str, Any]:
    """What a token says of itself: for messages to whoever holds it, never to decide by."""
    return _object(token.text.split(".")[1]) or {}

"""Keeps secrets out of what we write: by the name of a field, and by the look of a value."""

import re
from collections.abc import Mapping
from itertools import pairwise

MASK = "***"

SECRET_WORDS = frozenset(
    {
        "authorization",
        "bearer",
        "cookie",
        "cookies",
        "credential",
        "credentials",
        "passphrase",
        "passwd",
        "password",
        "pwd",
        "secret",
        "secrets",
        "token",
        "tokens",
    }
)
"""A field is secret when one of its words is one of these: `clientSecret`, `set-cookie`."""
SECRET_PAIRS = frozenset(
    {("api", "key"), ("private", "key"), ("access", "key"), ("signing", "key"), ("hmac", "key")}
)
"""Or when two words in a row are; `key` alone names a file or a dictionary's key."""
SECRET_NAMES = frozenset({"apikey", "privatekey", "accesskey", "body", "headers"})
"""Or when it is called just so. Bodies and whole header sets are not for logs either."""

_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_LOOKS = (
    # userinfo of a URL, up to the last `@` before its path
    (re.compile(r"(?<=://)[^/\s]*@"), f"{MASK}@"),
    (
        re.compile(
            r"(?i)([?&;](?:[a-z_-]*(?:password|passwd|token|secret|api_?key|signature))=)[^&;\s#]+"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?i)\b(bearer|basic|digest)\s+[\w~+/.=-]{4,}"), rf"\1 {MASK}"),
    # a JWT in compact form, also a half one: {"alg... and {"typ... both begin so
    (re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*){0,4}"), MASK),
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|\Z)", re.DOTALL),
        MASK,
    ),
)
_DEEPEST = 32


def is_secret(name: str) -> bool:
    """Whether a field of this name holds a secret: `redis_password`, `x-api-key`."""
    if name.lower() in SECRET_NAMES:
        return True
    words = [word.lower() for word in _WORDS.findall(name)]
    return not SECRET_WORDS.isdisjoint(words) or any(
        pair in SECRET_PAIRS for pair in pairwise(words)
    )


def mask_text(text: str) -> str:
    """The text without what looks like a secret: tokens, passwords in URLs, private keys."""
    # What each look needs, white space of any kind included: most texts have none of it, and are
    # done in 0.6 us (a loop over these marks 1.2, one regular expression 1.6).
    if (
        "@" not in text
        and "=" not in text
        and "eyJ" not in text
        and "-----" not in text
        and len(text.split(None, 1)) < 2  # one word
    ):
        return text
    for look, mask in _LOOKS:
        text = look.sub(mask, text)
    return text


def masked(value: object, name: str = "") -> object:
    """A copy of a JSON-like value without secrets; every leaf under a secret name is masked.

    Args:
        value: what is to be shown; mappings and sequences are followed, 32 levels deep.
        name: the field that holds it.

    Returns:
        The same shape. Numbers, booleans and None under a secret name stay: `{"tokens": 3}`.
    """
    return _masked(value, is_secret(name), 0)


def _masked(value: object, secret: bool, depth: int) -> object:
    if isinstance(value, str):
        return MASK if secret and value else mask_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth >= _DEEPEST:
        return MASK
    if isinstance(value, Mapping):
        return {
            key: _masked(each, secret or is_secret(str(key)), depth + 1)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(each, secret, depth + 1) for each in value]
    # Bytes and objects say who knows what by their repr.
    return MASK if secret or isinstance(value, bytes | bytearray) else mask_text(str(value))

"""The one string by which authz tells later filters who asks: `id` in the dynamic metadata.

It holds just those identity fields that some policy counts by or emits, so that nothing else of
a token leaves the authorization service.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from callout.config.pace import breathe
from callout.config.source import Source

MAX_VALUE: Final = 256
"""Bytes of one field's value; a longer one (or one that looks like a hash) is replaced by its
hash, so that two identities never become one."""
MAX_TEXT: Final = 16_384
"""Bytes of an `id` that is read at all."""

_BY: Final = "identity."
HASHED: Final = "sha256:"
"""What stands for a value that is too long begins so, and no other value does."""
_encoder: Final = msgspec.json.Encoder(order="sorted")
_decoder: Final = msgspec.json.Decoder(dict[str, str])
_NOBODY: Final[Mapping[str, str]] = {}


def fields_in_use(policies: Sequence[Source]) -> tuple[str, ...]:
    """The identity fields that some policy uses: `sub`, `org.id`; sorted.

    Args:
        policies: whole Policy documents as written; what is malformed in them is ignored here
            and a problem elsewhere.
    """
    found: set[str] = set()
    for policy in policies:
        for limit in _items(policy.at("limits").value):
            if not isinstance(limit, dict):
                continue
            used = [*_items(limit.get("by"))]
            for conditions in (limit.get("when"), limit.get("unless")):
                used += conditions if isinstance(conditions, dict) else ()
            found.update(
                each.removeprefix(_BY)
                for each in used
                if isinstance(each, str) and each.startswith(_BY)
            )
        emit = policy.at("auth", "emit").value
        if isinstance(emit, dict):
            found.update(each for each in emit.values() if isinstance(each, str))
        breathe()
    return tuple(sorted(found))


def encode(fields: Mapping[str, str]) -> str:
    """Compact JSON with sorted keys: the same identity is always the same text."""
    return _encoder.encode({name: _bounded(value) for name, value in fields.items()}).decode()


def decode(text: str) -> Mapping[str, str]:
    """What `encode` was given; of anything else nothing. Never raises."""
    if len(text) > MAX_TEXT:
        return _NOBODY
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _NOBODY


def _bounded(value: str) -> str:
    try:
        fits = len(value.encode()) <= MAX_VALUE
    except UnicodeEncodeError:
        fits = False  # half of a surrogate pair, which JSON escapes in a token can make
    if fits and not value.startswith(HASHED):
        return value
    return HASHED + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []

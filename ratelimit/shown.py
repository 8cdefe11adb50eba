"""The name of a counter as people may see it: a value that is a secret is left out."""

from typing import Final

from callout.observe.secrets import MASK, is_secret, mask_text
from ratelimit.keys import HASHED_OF_DOMAIN

_PARTS: Final = {b"rl:d:": 1, b"rl:p:": 2}
"""Names made of parts, and how many of these come before the length of the window."""


def shown(name: bytes) -> str:
    """The name, with `***` for each value whose key says that it is a secret, or that looks so.

    Where the parts cannot be told, as in a name of envoyproxy/ratelimit, it is all or nothing.
    """
    for prefix, fixed in _PARTS.items():
        if name.startswith(prefix) and not name.startswith(HASHED_OF_DOMAIN):
            try:
                return _of_parts(name, len(prefix), fixed)
            except ValueError:
                return MASK
    text = name.decode(errors="backslashreplace")
    masked = mask_text(text)
    if masked == text and not is_secret(text.partition("@")[0]):
        return text
    return MASK


def _of_parts(name: bytes, at: int, fixed: int) -> str:
    pieces = [name[:at].decode()]
    for _ in range(fixed):
        part, at = _part(name, at)
        pieces.append(f"{len(part)}:{_text(part)}")
    end = name.index(b"s:", at) + 2
    pieces.append(name[at:end].decode())
    at = end
    while name[at : at + 1] != b"@":
        key, at = _part(name, at)
        value, at = _part(name, at)
        text = _text(value)
        hidden = MASK if value and is_secret(_text(key)) else mask_text(text)
        pieces.append(f"{len(key)}:{_text(key)}{len(value)}:{hidden}")
    return "".join(pieces) + name[at:].decode()


def _part(name: bytes, at: int) -> tuple[bytes, int]:
    """Raises ValueError."""
    colon = name.index(b":", at)
    end = colon + 1 + int(name[at:colon])
    if end <= colon or end > len(name):
        raise ValueError
    return name[colon + 1 : end], end


def _text(part: bytes) -> str:
    return part.decode(errors="backslashreplace")

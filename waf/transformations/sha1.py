"""t:sha1."""

import hashlib


def sha1(value: bytes) -> bytes:
    """Give the SHA-1 digest: 20 bytes, to be followed by t:hexEncode.

    Example: of `` the bytes `da 39 a3 ee ...`.
    Differences: none.
    """
    return hashlib.sha1(value, usedforsecurity=False).digest()

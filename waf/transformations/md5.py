"""t:md5."""

import hashlib


def md5(value: bytes) -> bytes:
    """Give the MD5 digest: 16 bytes, to be followed by t:hexEncode.

    Example: of `` the bytes `d4 1d 8c d9 ...`.
    Differences: none.
    """
    return hashlib.md5(value, usedforsecurity=False).digest()

"""t:urlEncode."""

from typing import Final

_ENCODED: Final = [
    bytes((byte,)) if (chr(byte).isalnum() and byte < 0x80) or byte == 0x2A else b"%%%02x" % byte
    for byte in range(256)
]
_ENCODED[0x20] = b"+"


def url_encode(value: bytes) -> bytes:
    """Encode all bytes but ASCII letters, digits and `*`; a space as `+`.

    Example: `a b/c` becomes `a+b%2fc`.
    Differences: none.
    """
    if value.isalnum():
        return value
    result = b"".join([_ENCODED[byte] for byte in value])
    return value if result == value else result

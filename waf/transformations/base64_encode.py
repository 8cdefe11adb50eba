"""t:base64Encode."""

import binascii


def base64_encode(value: bytes) -> bytes:
    """Encode as Base64, in one line and with padding.

    Example: `TestCase` becomes `VGVzdENhc2U=`.
    Differences: none.
    """
    return binascii.b2a_base64(value, newline=False) if value else value

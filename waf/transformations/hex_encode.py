"""t:hexEncode."""


def hex_encode(value: bytes) -> bytes:
    """Write each byte as two hexadecimal digits in lower case.

    Example: `TestCase` becomes `5465737443617365`.
    Differences: none.
    """
    return value.hex().encode() if value else value

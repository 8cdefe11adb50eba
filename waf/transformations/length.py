"""t:length."""


def length(value: bytes) -> bytes:
    """Give the number of bytes, in decimal digits.

    Example: `abc` becomes `3`.
    Differences: Coraza counts characters of UTF-8.
    """
    result = b"%d" % len(value)
    return value if result == value else result

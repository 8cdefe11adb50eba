"""t:removeNulls."""


def remove_nulls(value: bytes) -> bytes:
    """Remove the NUL bytes.

    Example: `a`, NUL, `b` becomes `ab`.
    Differences: none.
    """
    return value.replace(b"\0", b"")

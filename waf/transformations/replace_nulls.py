"""t:replaceNulls."""


def replace_nulls(value: bytes) -> bytes:
    """Make a space of each NUL byte.

    Example: `a`, NUL, `b` becomes `a b`.
    Differences: none.
    """
    return value.replace(b"\0", b" ")

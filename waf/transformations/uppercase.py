"""t:uppercase."""


def uppercase(value: bytes) -> bytes:
    """Make ASCII letters upper case.

    Example: `select` becomes `SELECT`.
    Differences: Coraza raises the letters of all scripts.
    """
    result = value.upper()
    return value if result == value else result

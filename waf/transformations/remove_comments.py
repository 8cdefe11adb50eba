"""t:removeComments."""

import re
from typing import Final

_STAR: Final = ord("*")  # `b"*" in value` takes 0.18 us, a number 0.02
_NUMBER: Final = ord("#")
_DASH: Final = ord("-")
_COMMENT: Final = re.compile(
    rb"(?:/\*|<!--)(?:[\s\S]*?(?:\*/|-->)([\s\S]?)|[\s\S]*)|(?:--|#)[\s\S]*"
)


def remove_comments(value: bytes) -> bytes:
    """Remove comments: `/*...*/`, `<!--...-->`; `--` and `#` with all that follows.

    Example: `un/**/ion` becomes `union`.
    Differences: as ModSecurity, either end closes either beginning, the byte after a comment is
    never the beginning of another, a comment that ends the value leaves a NUL and one that is
    not closed a space.
    """
    if _STAR not in value and _NUMBER not in value and _DASH not in value:
        return value
    return _COMMENT.sub(_rest, value)


def _rest(match: re.Match[bytes]) -> bytes:
    after: bytes | None = match[1]
    if after is not None:
        return after or b"\0"
    return b"" if match[0][0] in b"-#" else b" "

"""t:removeComments."""

import re
from typing import Final

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
    if b"/*" not in value and b"#" not in value and b"--" not in value:
        return value
    return _COMMENT.sub(_rest, value)


def _rest(match: re.Match[bytes]) -> bytes:
    after: bytes | None = match[1]
    if after is not None:
        return after or b"\0"
    return b"" if match[0][0] in b"-#" else b" "

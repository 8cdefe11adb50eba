"""t:compressWhitespace."""

import re
from typing import Final

_SPACE: Final = re.compile(rb"\s+")  # of bytes: space, \t, \n, \v, \f and \r
_ODD: Final = re.compile(rb"[\t-\r]| [\t-\r ]")


def compress_whitespace(value: bytes) -> bytes:
    r"""Make one space of all white space that stands together.

    Example: `a \t b` becomes `a b`.
    Differences: as ModSecurity 3. ModSecurity 2 and Coraza count the bytes 0x85 and 0xA0 too, of
    which many a letter consists in UTF-8.
    """
    return _SPACE.sub(b" ", value) if _ODD.search(value) else value

"""t:utf8toUnicode."""

import re
from typing import Final

_CHARACTER: Final = re.compile(
    rb"[\xc0-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)


def utf8_to_unicode(value: bytes) -> bytes:
    """Write each character of UTF-8 that is not ASCII as `%uHHHH`; other bytes stay.

    An overlong form is written as the character that careless decoders read in it.

    Example: `é` becomes `%u00e9`, the bytes `C0 AF` become `%u002f`.
    Differences: ModSecurity 3 leaves out NUL and the first byte of what is not valid, and repeats
    the first byte of an overlong form after it. Coraza writes `%ufffd` for what is not valid.
    """
    return value if value.isascii() else _CHARACTER.sub(_unicode, value)


def _unicode(match: re.Match[bytes]) -> bytes:
    first, *rest = match[0]
    code = first & (0x3F >> len(rest))
    for byte in rest:
        code = code << 6 | byte & 0x3F
    return b"%%u%04x" % code

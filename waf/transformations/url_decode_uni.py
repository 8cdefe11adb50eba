"""t:urlDecodeUni."""

import re
from typing import Final

from waf.transformations.best_fit import BEST_FIT
from waf.transformations.url_decode import HEXADECIMAL, PERCENT, PLUS

_UNICODE: Final = re.compile(rb"[uU]([0-9a-fA-F]{4})").match


def url_decode_uni(value: bytes) -> bytes:
    """Undo URL encoding with the `%uHHHH` of IIS; what is not valid stays.

    A `%uHHHH` becomes the ASCII character that IIS takes in its place, or its lower byte.

    Example: `%u0061%20%uff1c` becomes `a <`.
    Differences: as Coraza, and ModSecurity with `SecUnicodeMapFile unicode.mapping 20127`. Without
    that, ModSecurity knows the full-width forms only.
    """
    if PLUS in value:
        value = value.replace(b"+", b" ")
    if PERCENT not in value:
        return value
    first, *rest = value.split(b"%")
    parts = [first]
    for part in rest:
        byte = HEXADECIMAL.get(part[:2])
        if byte is not None:
            parts += (byte, part[2:])
        elif (match := _UNICODE(part)) is not None:
            code = int(match[1], 16)
            parts += (BEST_FIT.get(code) or bytes((code & 0xFF,)), part[5:])
        else:
            parts += (b"%", part)
    result = b"".join(parts)
    return value if result == value else result

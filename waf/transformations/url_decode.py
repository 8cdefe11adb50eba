"""t:urlDecode."""

from typing import Final

PLUS: Final = ord("+")  # `b"+" in value` takes 0.18 us, a number 0.02
PERCENT: Final = ord("%")
_DIGITS: Final = b"0123456789abcdefABCDEF"
HEXADECIMAL: Final = {
    bytes((high, low)): bytes((int(bytes((high, low)), 16),)) for high in _DIGITS for low in _DIGITS
}
"""Two digits, in every mixture of cases, and their byte: 3 times as fast as `bytes.fromhex`."""


def url_decode(value: bytes) -> bytes:
    """Undo URL encoding: `%HH` and `+`; what is not valid stays.

    Example: `a%20b+c%zz` becomes `a b c%zz`.
    Differences: none.
    """
    if PLUS in value:
        value = value.replace(b"+", b" ")
    if PERCENT not in value:
        return value
    first, *rest = value.split(b"%")
    parts = [first]
    for part in rest:
        byte = HEXADECIMAL.get(part[:2])
        parts += (b"%", part) if byte is None else (byte, part[2:])
    result = b"".join(parts)
    return value if result == value else result

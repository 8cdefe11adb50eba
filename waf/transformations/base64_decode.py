"""t:base64Decode."""

import binascii
import re
from typing import Final

_BEGINNING: Final = re.compile(rb"[A-Za-z0-9+/\r\n]*")


def base64_decode(value: bytes) -> bytes:
    """Decode Base64 up to the first byte that is not of its alphabet; padding may be missing.

    Example: `VGVzdENhc2U=` becomes `TestCase`, `VGVz!` becomes `Tes`.
    Differences: as Coraza and ModSecurity 2. ModSecurity 3 decodes nothing at all when one byte
    is wrong, so that a byte at the end hides what decoders of applications accept.
    """
    return decoded(_BEGINNING.match(value)[0], value)  # type: ignore[index]  # * matches always


def decoded(digits: bytes, value: bytes) -> bytes:
    """The bytes of digits of Base64 among which there may be line ends; `value` if equal to it."""
    digits = digits.translate(None, b"\r\n")
    rest = len(digits) % 4
    if rest == 1:  # six bits make no byte
        digits = digits[:-1]
    elif rest:
        digits += b"=" * (4 - rest)
    result = binascii.a2b_base64(digits)
    return value if result == value else result

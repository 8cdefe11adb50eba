"""t:parityEven7bit, t:parityOdd7bit and t:parityZero7bit."""

from typing import Final

# as ModSecurity, which counts the highest bit too: of ASCII it is none
_EVEN: Final = bytes(byte & 0x7F | byte.bit_count() % 2 << 7 for byte in range(256))
_ODD: Final = bytes(byte ^ 0x80 for byte in _EVEN)
_ZERO: Final = bytes(byte & 0x7F for byte in range(256))


def parity_even_7bit(value: bytes) -> bytes:
    """Set the highest bit of each byte so that an even number of bits is set.

    Example: `a` becomes the byte 0xE1.
    Differences: Coraza has none.
    """
    return value.translate(_EVEN)


def parity_odd_7bit(value: bytes) -> bytes:
    """Set the highest bit of each byte so that an odd number of bits is set.

    Example: `c` becomes the byte 0xE3.
    Differences: Coraza has none.
    """
    return value.translate(_ODD)


def parity_zero_7bit(value: bytes) -> bytes:
    """Clear the highest bit of each byte.

    Example: the byte 0xE1 becomes `a`.
    Differences: Coraza has none.
    """
    return value.translate(_ZERO)

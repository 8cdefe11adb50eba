"""t:sqlHexDecode."""

import re
from typing import Final

_ZERO: Final = ord("0")  # `b"0" in value` takes 0.18 us, a number 0.02
_NUMBER: Final = re.compile(rb"0[xX]((?:[0-9a-fA-F]{2})+)")


def sql_hex_decode(value: bytes) -> bytes:
    """Read the hexadecimal strings of SQL.

    Example: `0x414243` becomes `ABC`.
    Differences: ModSecurity ends at a NUL; Coraza has none.
    """
    if _ZERO not in value:
        return value
    return _NUMBER.sub(_string, value)


def _string(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode())

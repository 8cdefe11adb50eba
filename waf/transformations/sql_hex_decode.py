"""t:sqlHexDecode."""

import re
from typing import Final

_NUMBER: Final = re.compile(rb"0[xX]((?:[0-9a-fA-F]{2})+)")


def sql_hex_decode(value: bytes) -> bytes:
    """Read the hexadecimal strings of SQL.

    Example: `0x414243` becomes `ABC`.
    Differences: ModSecurity ends at a NUL; Coraza has none.
    """
    if b"0x" not in value and b"0X" not in value:
        return value
    return _NUMBER.sub(_string, value)


def _string(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode())

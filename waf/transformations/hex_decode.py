"""t:hexDecode."""

import re
from typing import Final

_PAIRS: Final = re.compile(rb"(?:[0-9a-fA-F]{2})*")


def hex_decode(value: bytes) -> bytes:
    """Read two hexadecimal digits as a byte, up to the first that is none.

    Example: `414243` becomes `ABC`, `4142z` becomes `AB`.
    Differences: ModSecurity makes some byte of any two; Coraza gives nothing when one digit is
    wrong, so that one hides all the others.
    """
    pairs: bytes = _PAIRS.match(value)[0]  # type: ignore[index]  # * matches always
    return bytes.fromhex(pairs.decode()) if value else value

"""@validateNid."""

from typing import Final

from waf.operators.contract import OperatorProblem, Surroundings, Test
from waf.operators.numbered import first_valid
from waf.operators.verify_ssn import possible


def validate_nid(argument: bytes, around: Surroundings) -> Test:
    r"""Match values with a national identity number that can be one.

    Argument: `cl` (the RUT of Chile) or `us` (social security), and a regular expression for it.
    Returns: what it found. 0.5 us without a candidate.
    Example: `@validateNid cl \d{1,2}\.\d{3}\.\d{3}-[0-9kK]`.
    Differences: of Coraza; ModSecurity has none.
    """
    country, _, expression = argument.partition(b" ")
    if country not in _COUNTRIES or not expression:
        raise OperatorProblem("expected `cl` or `us` and a regular expression")
    return first_valid(expression, around, _COUNTRIES[country])


def _chile(text: bytes) -> bool:
    kept = bytes(byte for byte in text.lower() if byte in b"0123456789k")
    number, check = kept[:-1], kept[-1:]
    if len(text) < 8 or not number.isdigit():
        return False
    weights = [2, 3, 4, 5, 6, 7] * (len(number) // 6 + 1)
    total = sum((byte - 48) * weight for byte, weight in zip(number[::-1], weights, strict=False))
    return b"0k987654321"[total % 11 : total % 11 + 1] == check


_COUNTRIES: Final = {b"cl": _chile, b"us": possible}

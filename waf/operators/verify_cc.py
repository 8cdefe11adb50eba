"""@verifyCC."""

from typing import Final

from waf.operators.contract import Surroundings, Test
from waf.operators.numbered import digits_of, first_valid

_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def verify_cc(argument: bytes, around: Surroundings) -> Test:
    r"""Match values with a number that the Luhn check of payment cards confirms.

    Argument: a regular expression for the number; of what it finds, the digits count.
    Returns: what it found. 0.5 us without a candidate.
    Example: `@verifyCC \d{13,16}`.
    Differences: Coraza has none. Here at most 1,000 candidates of a value are looked at.
    """
    return first_valid(argument, around, _luhn)


def _luhn(text: bytes) -> bool:
    digits = digits_of(text)[::-1]
    total = sum(digits[::2]) + sum(_DOUBLED[digit] for digit in digits[1::2])
    return bool(digits) and total % 10 == 0

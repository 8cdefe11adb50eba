"""@verifySVNR."""

import itertools
from typing import Final

from waf.operators.contract import Surroundings, Test
from waf.operators.numbered import digits_of, first_valid

_WEIGHTS: Final = (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)
_CHECK: Final = 3
"""Where the check digit stands."""


def verify_svnr(argument: bytes, around: Surroundings) -> Test:
    """Match values with an Austrian social insurance number whose check digit is right.

    Argument: a regular expression for the number; of what it finds, the first 10 digits count.
    Returns: what it found. 0.5 us without a candidate.
    Example: `@verifySVNR ([0-9]{4} ?[0-9]{6})`.
    Differences: Coraza has none. ModSecurity takes 9999999999 for one. Here at most
    1,000 candidates of a value are looked at.
    """
    return first_valid(argument, around, _valid)


def _valid(text: bytes) -> bool:
    digits = digits_of(text)[:10]
    steps = {(after - before) % 10 for before, after in itertools.pairwise(digits)}
    if len(digits) != 10 or steps in ({0}, {1}):
        return False
    total = sum(digit * weight for digit, weight in zip(digits, _WEIGHTS, strict=True))
    return total % 11 % 10 == digits[_CHECK]

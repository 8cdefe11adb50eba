"""@verifySSN."""

import itertools

from waf.operators.contract import Surroundings, Test
from waf.operators.numbered import digits_of, first_valid


def verify_ssn(argument: bytes, around: Surroundings) -> Test:
    r"""Match values with a social security number of the United States that can be one.

    Argument: a regular expression for the number, with nine digits.
    Returns: what it found. 0.5 us without a candidate.
    Example: `@verifySSN \d{3}-?\d{2}-?\d{4}`.
    Differences: Coraza has none. Here at most 1,000 candidates of a value are looked at.
    """
    return first_valid(argument, around, possible)


def possible(text: bytes) -> bool:
    """Nine digits, no part of zeros, no area beyond 739, none all the same or one after another."""
    digits = digits_of(text)
    steps = {after - before for before, after in itertools.pairwise(digits)}
    if len(digits) != 9 or steps in ({0}, {1}):
        return False
    area = digits[0] * 100 + digits[1] * 10 + digits[2]
    return 0 < area < 740 and area != 666 and any(digits[3:5]) and any(digits[5:])

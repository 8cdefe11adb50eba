"""@containsWord."""

import re

from waf.operators.contract import Captures, Surroundings, Test


def contains_word(argument: bytes, around: Surroundings) -> Test:  # noqa: ARG001
    """Match values in which the argument stands with no ASCII letter before or after it.

    Argument: bytes; the empty one stands in every value.
    Returns: the argument. 0.1 us for a short value without it.
    Example: `@containsWord select`.
    Differences: as ModSecurity 3; for ModSecurity 2 digits and `_` belong to words too. Coraza has
    none.
    """
    found: Captures = (argument,)  # `in` takes 0.18 us, `find` 0.08
    word = re.compile(rb"(?<![A-Za-z])%b(?![A-Za-z])" % re.escape(argument)).search

    def test(value: bytes) -> Captures | None:
        if value.find(argument) < 0:
            return None
        return found if not argument or word(value) else None

    return test

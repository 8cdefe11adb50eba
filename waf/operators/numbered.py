"""What the operators have in common that look for numbers of people and cards."""

from collections.abc import Callable
from typing import Final

from waf.operators.contract import UNDECIDED, Captures, Surroundings, Test
from waf.operators.patterns import compile_pattern

MAX_CANDIDATES: Final = 1000
"""Looked at in one value: each search may read the rest of it."""
MAX_LENGTH: Final = 256
"""Bytes of a candidate; what is longer is no number, and is passed over."""


def digits_of(text: bytes) -> list[int]:
    """The decimal digits of the text, each as a number."""
    return [byte - 48 for byte in text if 48 <= byte <= 57]


def first_valid(argument: bytes, around: Surroundings, valid: Callable[[bytes], bool]) -> Test:
    """Match values in which an expression finds what `valid` confirms.

    As in ModSecurity, the search goes on one byte after the beginning of what was not confirmed.
    """
    pattern = compile_pattern(argument)
    pattern.announce(around)
    search = pattern.search

    def test(value: bytes) -> Captures | None:
        start = 0
        for _ in range(MAX_CANDIDATES):
            spans = search(value, start)
            if spans is None:
                return None
            if not spans:
                return UNDECIDED
            low, high = spans[0]
            short = high - low <= MAX_LENGTH
            if short and valid(value[low:high]):
                return (value[low:high],)
            start = low + 1 if short else high
            if start > len(value):
                return None
        return None

    return test

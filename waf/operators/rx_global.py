"""@rxGlobal."""

from typing import Final

from waf.operators.contract import UNDECIDED, Captures, Surroundings, Test
from waf.operators.patterns import MAX_GROUPS, compile_pattern

MAX_MATCHES: Final = 100
"""Looked for in one value: each search may read the rest of it, so that as many as there are bytes
would take quadratic time."""


def rx_global(argument: bytes, around: Surroundings) -> Test:
    r"""Match as @rx does, over and over.

    Argument: as of @rx.
    Returns: of each group what it found last, in the first 100 matches. 1 us and 1 us a match.
    Example: `@rxGlobal id=(\d+)`.
    Differences: as ModSecurity 3; the others have none.
    """
    pattern = compile_pattern(argument)
    pattern.announce(around)
    search, shown = pattern.search, MAX_GROUPS + 1

    def test(value: bytes) -> Captures | None:
        found: list[bytes | None] = []
        start = 0
        for _ in range(MAX_MATCHES):
            spans = search(value, start)
            if spans is None:
                break
            if not spans:
                return UNDECIDED
            new = [None if low < 0 else value[low:high] for low, high in spans[:shown]]
            found = [b if b is not None else a for a, b in zip(found or new, new, strict=True)]
            low, high = spans[0]
            start = high + (low == high)
            if start > len(value):
                break
        return tuple(found) or None

    return test

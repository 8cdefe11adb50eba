"""Whether what many callers were told is what one atomic counter could have told them. Pure.

Adding is told the sum, so the sums say the only order in which it can have been done: each follows
from the one before. What is left to see is that nobody was told of something that had not begun
when he was answered, which is all of linearizability for such a counter (Herlihy and Wing, 1990).
"""

from collections.abc import Sequence
from typing import NamedTuple


class Call(NamedTuple):
    """One request about one counter."""

    key: str
    invoked: float
    returned: float
    addend: int
    """0: it only looked."""
    told: int
    """The counter after it."""


def wrong(history: Sequence[Call]) -> list[str]:
    """What no counter that begins at 0 can have answered; empty: the history is linearizable."""
    found = []
    for key in sorted({each.key for each in history}):
        found += _wrong([each for each in history if each.key == key])
    return found


def _wrong(history: Sequence[Call]) -> list[str]:
    found = []
    count, begun = 0, float("-inf")
    # Who looked was told a sum that was there already; among each other they may have any order.
    for each in sorted(history, key=lambda call: (call.told, not call.addend, call.invoked)):
        if each.told != count + each.addend:
            found.append(f"{each}: told {each.told} after {count}")
        count = each.told
        if each.returned < begun:
            found.append(f"{each}: told of what began only after it was told")
        begun = max(begun, each.invoked)
    return found

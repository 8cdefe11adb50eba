"""The check finds each way in which a counter can be wrong."""

from collections.abc import Sequence

import pytest

from tests.ratelimit.histories.counter import Call, wrong


def call(invoked: float, returned: float, addend: int, told: int, key: str = "a") -> Call:
    return Call(key, invoked, returned, addend, told)


GOOD = {
    "one after the other": [call(0, 1, 1, 1), call(2, 3, 2, 3), call(4, 5, 0, 3)],
    "at once, answered the other way round": [call(0, 9, 1, 2), call(1, 2, 1, 1)],
    "who looks may see either while somebody adds": [
        call(0, 9, 1, 1),
        call(1, 2, 0, 0),
        call(3, 4, 0, 1),
    ],
    "two counters": [call(0, 1, 1, 1), call(2, 3, 1, 1, "b")],
}
BAD = {
    "a sum that two were told": [call(0, 9, 1, 1), call(1, 9, 1, 1)],
    "a hit that was lost": [call(0, 1, 1, 1), call(2, 3, 1, 1)],
    "a hit that was counted twice": [call(0, 1, 1, 2)],
    "a sum of what had not begun": [call(0, 1, 1, 2), call(2, 3, 1, 1)],
    "what was added is not seen": [call(0, 1, 1, 1), call(2, 3, 0, 0)],
    "what was seen is seen no more": [call(0, 9, 1, 1), call(1, 2, 0, 1), call(3, 4, 0, 0)],
}


@pytest.mark.parametrize("history", GOOD.values(), ids=GOOD)
def test_what_a_counter_can_tell_is_right(history: Sequence[Call]) -> None:
    assert wrong(history) == []


@pytest.mark.parametrize("history", BAD.values(), ids=BAD)
def test_what_no_counter_can_tell_is_wrong(history: Sequence[Call]) -> None:
    assert wrong(history)

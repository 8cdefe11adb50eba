"""What a worker does with places of the memory that others hold."""

import fcntl
from collections import Counter

import pytest

from ratelimit.stores.shared_memory.locks import Locks

STUCK, BUSY = 1, 2
"""Places: that of a worker which was stopped, and one that others count in."""


def test_after_waiting_in_vain_for_one_place_another_is_still_waited_for_for_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: Counter[int] = Counter()

    def lockf(_: int, command: int, __: int = 0, place: int = 0) -> None:
        if command == fcntl.LOCK_UN:
            return
        looks[place] += 1
        if place == STUCK or looks[place] % 10:
            raise BlockingIOError

    monkeypatch.setattr(fcntl, "lockf", lockf)
    locks = Locks(0)
    assert not locks.take_one(STUCK)
    # Whoever holds it is through with it after a few looks.
    assert [locks.take_one(BUSY) for _ in range(5)] == [True] * 5
    assert locks.take((BUSY,))
    # The other is given up soon: to wait for it again and again would stop this worker, too.
    looks.clear()
    assert not locks.take_one(STUCK)
    assert looks[STUCK] < 100

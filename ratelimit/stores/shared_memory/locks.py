"""Locks on places of the memory, which the kernel releases when their holder dies."""

import fcntl
import time
from collections.abc import Iterable
from typing import Final

PATIENCE: Final = 0.1
"""Seconds. A place is held for 2 to 20 us; a holder that the kernel has put aside meanwhile is back
within milliseconds, on a machine that is busy within tens of them. One that is stopped is not, and
to wait for it stops us, too: the supervising process would take us for frozen."""
LONGEST: Final = 1.0
"""Seconds that are waited for at all, while we get so little of the processor ourselves that this
is fewer than `_TRIES` looks: a fifth of what counts as frozen."""
IMPATIENT: Final = 1.0
"""Seconds after waiting in vain in which no place is waited for much longer than it is held: a
stopped worker costs the others a tenth of their time, and requests whose counters it holds are not
counted. Other places are held by workers that go on."""
_MOMENT: Final = 30
"""Looks meanwhile, 1.8 us each."""
_TRIES: Final = 400
_AT_ONCE: Final = 100
"""The first of them, without a pause, 0.1 ms: a holder that runs is done long before. After that it
does not run, and needs our processor perhaps."""
_PAUSE: Final = 0.000_05
_PAUSES: Final = 4
"""A pause after so many tries."""
_TAKE: Final = fcntl.LOCK_EX | fcntl.LOCK_NB


class Locks:
    """The locks of one process: taking and releasing one costs 0.6 us."""

    def __init__(self, descriptor: int) -> None:
        """Of this memory."""
        self._descriptor = descriptor
        self._impatient_until = 0.0

    def take_one(self, place: int) -> bool:
        """Hold one; see `take`."""
        try:
            fcntl.lockf(self._descriptor, _TAKE, 1, place)
        except BlockingIOError:
            return self._wait(place)
        return True

    def take(self, places: Iterable[int]) -> bool:
        """Hold all of them, by their first byte; none, if one stays with somebody else.

        Args:
            places: in ascending order: two who want the same two never wait for each other.
        """
        for place in places:
            try:
                fcntl.lockf(self._descriptor, _TAKE, 1, place)
            except BlockingIOError:
                if not self._wait(place):
                    self.release()
                    return False
        return True

    def release(self) -> None:
        """Of all places."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def _wait(self, place: int) -> bool:
        start = time.monotonic()
        impatient = start < self._impatient_until
        tries = 0
        while True:
            try:
                fcntl.lockf(self._descriptor, _TAKE, 1, place)
            except BlockingIOError:
                tries += 1
                if impatient and tries >= _MOMENT:
                    return False
                if tries >= _AT_ONCE and not tries % _PAUSES:
                    waited = time.monotonic() - start
                    if waited > LONGEST or (waited > PATIENCE and tries >= _TRIES):
                        self._impatient_until = time.monotonic() + IMPATIENT
                        return False
                    time.sleep(_PAUSE)
            else:
                return True

"""Counters of fixed windows in shared memory: exact for all workers of the machine."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from ratelimit.recent import Recent
from ratelimit.stores.contract import Hit, StoreUnavailable
from ratelimit.stores.forgotten import Forgotten
from ratelimit.stores.shared_memory.locks import Locks
from ratelimit.stores.shared_memory.memory import COUNTERS, SharedMemory
from ratelimit.stores.shared_memory.table import Table

T = TypeVar("T")

LOCKED = StoreUnavailable("locked")
"""A worker that holds the counters does not go on."""
_MOST = 2**62
"""Where counters stop: a word has a sign."""


_NOWHERE = -16
"""A place that no digest is at: nothing is between it and the end of nothing."""


class _Seat(NamedTuple):
    """A slot of a key: the words that are read and written."""

    digest: bytes
    place: int
    """Of its set, which is also its lock."""
    at: int
    """Of its digest, in bytes; if that is another one now, the counter is elsewhere."""
    dies: int
    used: int
    counter: int


class SharedCounters:
    """A `Store`. Requests that are counted together are counted undivided.

    A worker that is killed in the middle of one leaves some of its counters counted, others not:
    one request at most, which nobody was given an answer to.
    """

    def __init__(self, memory: SharedMemory, remembered: int = 8192) -> None:
        """Count in this memory, remembering where so many counters were found."""
        self.forgotten = Forgotten()
        self._memory = memory
        self._locks = Locks(memory.descriptor)
        (layout,) = memory.layouts((COUNTERS,))
        self._table = Table(memory, layout, self.forgotten.one)
        self._known: Recent[bytes, _Seat] = Recent(remembered)

    def living(self, now: float) -> int:
        """About how many counters there are whose window has not ended."""
        return self._table.living(int(now * 1000))

    def add(
        self,
        hits: Sequence[Hit],
        now: float,
        deadline: float | None,  # noqa: ARG002 (this store waits for no longer than `PATIENCE`)
        then: Callable[[Sequence[int] | StoreUnavailable], T],
    ) -> T:
        """Count, and answer at once; see `Store.add`."""
        moment = int(now * 1000)
        if len(hits) == 1:
            (hit,) = hits
            seat = self._known.get(hit[0]) or self._first(hit[0])
            if not self._locks.take_one(seat[1]):
                return then(LOCKED)
            try:
                counts = [self._count(hit, seat, moment)]
            finally:
                self._locks.release()
            return then(counts)
        seats = [self._known.get(hit[0]) or self._first(hit[0]) for hit in hits]
        if not self._locks.take(sorted({seat[1] for seat in seats})):
            return then(LOCKED)
        try:
            counts = [self._count(hit, seat, moment) for hit, seat in zip(hits, seats, strict=True)]
        finally:
            self._locks.release()
        return then(counts)

    def _count(self, hit: Hit, seat: "_Seat", moment: int) -> int:
        digest, _, at, dies, used, counter = seat
        memory = self._memory
        words = memory.words
        if memory.bytes[at : at + 16] != digest or not words[dies]:
            return self._elsewhere(hit, seat, moment)
        count = words[counter]
        if addend := hit[1]:
            count += addend
            if not 0 <= count <= _MOST:
                count = 0 if addend < 0 else _MOST
            words[counter] = count
        words[used] = moment
        return count

    def _first(self, key: bytes) -> "_Seat":
        """Of a key that is not known: nowhere in its set."""
        digest = self._memory.digest(key)
        return _Seat(digest, self._table.place(digest), _NOWHERE, 0, 0, 0)

    def _seat(self, digest: bytes, place: int, slot: int) -> "_Seat":
        table = self._table
        return _Seat(
            digest,
            place,
            place + 16 * slot,
            table.dies(place, slot),
            table.used(place, slot),
            table.payload(place, slot),
        )

    def _elsewhere(self, hit: Hit, seat: "_Seat", moment: int) -> int:
        """Count a hit whose counter is not where it was looked for, if there is one at all."""
        table, words, digest, place = self._table, self._memory.words, seat.digest, seat.place
        slot = table.find(place, digest)
        if slot >= 0:
            seat = self._seat(digest, place, slot)
            if words[seat.dies]:
                # Only now: most that are met once are never met again.
                self._known.put(hit.key, seat)
                count = words[seat.counter] = min(max(words[seat.counter] + hit.addend, 0), _MOST)
                words[seat.used] = moment
                return count
        if hit.addend <= 0:
            return 0
        if slot < 0:
            seat = self._seat(digest, place, table.give(place, digest, moment))
        words[seat.counter] = hit.addend
        words[seat.used] = moment
        words[seat.dies] = hit.ends * 1000
        return hit.addend

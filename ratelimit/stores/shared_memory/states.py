"""States of algorithms in shared memory: exact for all workers of the machine."""

import struct
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from ratelimit.algorithms.contract import NEW, Algorithm, State, Verdict
from ratelimit.algorithms.decision import Use, decide_each, decide_together
from ratelimit.algorithms.named_window import NamedWindow
from ratelimit.recent import Recent
from ratelimit.stores.contract import StoreUnavailable
from ratelimit.stores.forgotten import Forgotten
from ratelimit.stores.shared_memory.counters import LOCKED
from ratelimit.stores.shared_memory.locks import Locks
from ratelimit.stores.shared_memory.memory import COUNTERS, STATES, SharedMemory
from ratelimit.stores.shared_memory.table import Table

T = TypeVar("T")


class _Sized(NamedTuple):
    """A table of states that have no more than so many numbers."""

    table: Table
    numbers: int
    """1: the counters of `SharedCounters`, which a `NamedWindow` keeps its hits in."""


class _Seat(NamedTuple):
    """Where a key may be: the set in one table."""

    of: _Sized
    place: int


class _Known(NamedTuple):
    """What follows from a key, which names the shape of its states."""

    digest: bytes
    seats: list[_Seat]


class SharedStates:
    """A `StateStore`. What a request does is undivided, also over several keys.

    A state is there twice, and one word says which of the two counts: a worker that is killed
    leaves the old one or the new one. One that is killed between two keys of a request leaves some
    of them counted, others not: one request at most, which nobody was given an answer to.
    """

    def __init__(
        self,
        memory: SharedMemory,
        clock: Callable[[float], float] | None = None,
        remembered: int = 8192,
    ) -> None:
        """Keep states in this memory.

        Args:
            memory: as this process sees it.
            clock: makes the time of the `now` that `use` is given, for tests; None: the machine's
                clock, when nobody else can count any more. A process that is stopped between
                looking at the clock and counting would otherwise bring a time that is long over,
                and make that of the others look like a mistake.
            remembered: of so many keys it is known where they may be.
        """
        self.forgotten = Forgotten()
        self._memory = memory
        self._locks = Locks(memory.descriptor)
        self._clock = clock
        self._known: Recent[bytes, _Known] = Recent(remembered)
        layouts = memory.layouts(STATES, COUNTERS.sixteenths)
        (windows,) = memory.layouts((COUNTERS,))
        self._windows = _Sized(Table(memory, windows, self.forgotten.one), COUNTERS.numbers)
        self._tables = [
            _Sized(Table(memory, layout, self.forgotten.one), part.numbers)
            for layout, part in zip(layouts, STATES, strict=True)
        ]

    def living(self, now: float) -> int:
        """About how many counters there are that still say something, named windows apart."""
        return sum(each.table.living(int(now * 1000)) for each in self._tables)

    def use(
        self,
        uses: Sequence[Use],
        together: bool,
        now: float,
        deadline: float | None,  # noqa: ARG002 (this store waits for no longer than `PATIENCE`)
        then: Callable[[Sequence[Verdict] | StoreUnavailable], T],
    ) -> T:
        """Decide, and answer at once; see `StateStore.use`."""
        counters: dict[bytes, _Counter] = {}
        for use in uses:
            if use.key not in counters:
                known = self._known.get(use.key) or self._seats(use)
                counters[use.key] = _Counter(known, use.algorithm)
        if len(counters) == 1 and len(known.seats) == 1:
            taken = self._locks.take_one(known.seats[0].place)
        else:
            places = {seat.place for counter in counters.values() for seat in counter.seats}
            taken = self._locks.take(sorted(places))
        if not taken:
            return then(LOCKED)
        try:
            moment = int((time.time() if self._clock is None else self._clock(now)) * 1000)
            states = {}
            for key, counter in counters.items():
                if state := self._read(counter, moment):
                    states[key] = state
                    # Only now: most that are met once are never met again.
                    self._known.put(key, counter.known)
            decide = decide_together if together else decide_each
            verdicts, changed = decide(uses, states, moment)
            for key, state in changed.items():
                self._write(counters[key], state, moment)
        finally:
            self._locks.release()
        return then(verdicts)

    def _seats(self, use: Use) -> "_Known":
        digest = self._memory.digest(use.key)
        if type(use.algorithm) is NamedWindow:
            return _Known(digest, [_Seat(self._windows, self._windows.table.place(digest))])
        least = len(use.algorithm.roll(NEW, 0))
        fitting = [each for each in self._tables if each.numbers >= least]
        if not use.algorithm.grows:
            del fitting[1:]
        return _Known(digest, [_Seat(each, each.table.place(digest)) for each in fitting])

    def _read(self, counter: "_Counter", moment: int) -> State:
        words = self._memory.words
        for seat in counter.seats:
            table, place = seat.of.table, seat.place
            slot = table.find(place, counter.digest)
            if slot >= 0 and words[table.dies(place, slot)]:
                counter.seat, counter.slot = seat, slot
                words[table.used(place, slot)] = moment
                word = table.payload(place, slot)
                if seat.of is self._windows:
                    return 0, words[word]
                length, copy = divmod(words[word], 2)
                start = word + 1 + copy * seat.of.numbers
                return tuple(words[start : start + length].tolist())
        return NEW

    def _write(self, counter: "_Counter", state: State, moment: int) -> None:
        if counter.seats[0].of is self._windows:
            self._write_count(counter, state[1], moment)
            return
        words, length = self._memory.words, len(state)
        dies = state[0] + counter.algorithm.span
        held = counter.seat
        if held is not None and length <= held.of.numbers:
            table, place = held.of.table, held.place
            word, died = table.payload(place, counter.slot), table.dies(place, counter.slot)
            words[died] = max(words[died], dies)
            self._put(word, 1 - words[word] % 2, held.of.numbers, state)
            return
        seat = next(each for each in counter.seats if each.of.numbers >= length)
        table, place = seat.of.table, seat.place
        slot = table.find(place, counter.digest)
        if slot < 0:
            slot = table.give(place, counter.digest, moment)
        words[table.dies(place, slot)] = 0
        self._put(table.payload(place, slot), 0, seat.of.numbers, state)
        words[table.used(place, slot)] = moment
        words[table.dies(place, slot)] = dies
        if held is not None:
            words[held.of.table.dies(held.place, counter.slot)] = 0

    def _write_count(self, counter: "_Counter", count: int, moment: int) -> None:
        words, ((_, place),) = self._memory.words, counter.seats
        table, slot, window = self._windows.table, counter.slot, counter.algorithm.window
        if counter.seat is None:
            slot = table.find(place, counter.digest)
            if slot < 0:
                slot = table.give(place, counter.digest, moment)
            words[table.payload(place, slot)] = count
            words[table.used(place, slot)] = moment
            words[table.dies(place, slot)] = (moment // window + 1) * window
        else:
            words[table.payload(place, slot)] = count

    def _put(self, word: int, copy: int, numbers: int, state: State) -> None:
        start = (word + 1 + copy * numbers) * 8
        struct.pack_into(f"{len(state)}q", self._memory.bytes, start, *state)
        self._memory.words[word] = 2 * len(state) + copy


class _Counter:
    """One key of a request: where it may be, and where it is."""

    __slots__ = ("algorithm", "digest", "known", "seat", "seats", "slot")

    def __init__(self, known: _Known, algorithm: Algorithm) -> None:
        self.known = known
        self.digest, self.seats = known
        self.algorithm = algorithm
        self.seat: _Seat | None = None
        """None: it is nowhere yet."""
        self.slot = 0

"""Slots for keys, in sets: each key may be in any slot of one set."""

from collections import deque
from collections.abc import Callable

from ratelimit.stores.shared_memory.layout import Layout
from ratelimit.stores.shared_memory.memory import SharedMemory

_SAMPLE = 16
"""Sets that are looked at each time that somebody asks how many keys there are: 50 us."""
_SAMPLES = 64
"""Looks that make the answer: of a million keys, it is then right to 1 %."""


class Table:
    """Finds slots and gives them away. Whoever calls holds the lock of the set.

    A slot counts while its `dies` is not 0, which is written last when it is given away and first
    when it is taken: a worker that is killed in between leaves a slot that counts for nothing.
    """

    def __init__(self, memory: SharedMemory, layout: Layout, forgotten: Callable[[], None]) -> None:
        """Use this part of the memory.

        Args:
            memory: as this process sees it.
            layout: where.
            forgotten: called when a slot is taken from a key that still counted.
        """
        self._bytes = memory.bytes
        self._words = memory.words
        self._layout = layout
        self._start, self._sets = layout.start, layout.sets
        self._size, self._digests = layout.set_bytes, layout.digests
        self._ways = layout.ways
        self._forgotten = forgotten
        self._seen: deque[int] = deque(maxlen=_SAMPLES)
        self._next = 0
        # In words from the start of a set:
        self._dies = layout.digests // 8
        self._used = self._dies + layout.ways
        self._payloads = self._used + layout.ways
        self._payload = layout.payload

    @property
    def slots(self) -> int:
        """How many there are."""
        return self._layout.slots

    def place(self, digest: bytes) -> int:
        """Of the set of a key: its first byte, which is also its lock."""
        return self._start + int.from_bytes(digest[:8], "little") % self._sets * self._size

    def find(self, place: int, digest: bytes) -> int:
        """The slot that a key has; -1: none."""
        end = place + self._digests
        at = self._bytes.find(digest, place, end)
        while at >= 0:
            if not (at - place) % 16:
                return (at - place) // 16
            at = self._bytes.find(digest, at + 1, end)
        return -1

    def dies(self, place: int, slot: int) -> int:
        """The word that says when it does, in milliseconds since the epoch; 0: it does not count.

        The index of a word, as the two that follow.
        """
        return (place >> 3) + self._dies + slot

    def used(self, place: int, slot: int) -> int:
        """The word that says when it was used last."""
        return (place >> 3) + self._used + slot

    def payload(self, place: int, slot: int) -> int:
        """The first word of what it holds."""
        return (place >> 3) + self._payloads + slot * self._payload

    def give(self, place: int, digest: bytes, moment: int) -> int:
        """A slot for a key that `find` knows nothing of; it counts when its `dies` is written.

        Free ones first, then that which died first. If all count, the one goes that was used least
        recently: a flood of new keys washes out no counter that is being used.
        """
        words, word = self._words, (place >> 3) + self._dies
        dies = words[word : word + self._ways].tolist()
        first = min(dies)
        if first <= moment:
            slot = dies.index(first)
        else:
            used = words[word + self._ways : word + 2 * self._ways].tolist()
            slot = used.index(min(used))
            self._forgotten()
        words[word + slot] = 0
        start = place + slot * 16
        self._bytes[start : start + 16] = digest
        return slot

    def living(self, moment: int) -> int:
        """About how many count, by some of the sets, others each time."""
        sample, count = min(_SAMPLE, self._sets), 0
        for _ in range(sample):
            # A prime: all sets have their turn.
            self._next = (self._next + 10_007) % self._sets
            word = ((self._start + self._next * self._size) >> 3) + self._dies
            dies = self._words[word : word + self._ways].tolist()
            count += sum(map(moment.__lt__, dies))
        self._seen.append(count)
        return sum(self._seen) * self._sets // (sample * len(self._seen))

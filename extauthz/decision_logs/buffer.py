"""Events that wait for a log service, in memory; and what a buffer on disk has in common with it.

A buffer is used by two threads: one puts events in, one sends them.
"""

import threading
from collections import deque
from collections.abc import Sequence


class Buffer:
    """In memory: gone with the process."""

    def __init__(self, most: int, deny: bool) -> None:
        """Prepares.

        Args:
            most: bytes of events.
            deny: what is done when there are more: whoever puts must wait; else the oldest go.
        """
        self.most = most
        self.dropped = 0
        """Events that were put in and are lost."""
        self.grew = threading.Event()
        """Set when something is put in and `enough` waits."""
        self.enough = 0
        """Bytes below which whoever sends need not be told: each time costs a switch of threads."""
        self._deny = deny
        self._lock = threading.Lock()
        self._events: deque[bytes] = deque()
        self._hand: deque[bytes] = deque()
        """Taken out to be sent, and not sent yet: those are not dropped."""
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._size

    @property
    def waiting(self) -> int:
        """Events that wait."""
        return len(self._events) + len(self._hand)

    def put(self, events: Sequence[bytes]) -> bool:
        """Puts events in; False: there is no room, and they are not in it."""
        with self._lock:
            if self._deny and self._size >= self.most:
                return False
            self._events.extend(events)
            self._size += sum(map(len, events))
            while self._size > self.most and self._events and not self._deny:
                self._size -= len(self._events.popleft())
                self.dropped += 1
        if self._size >= self.enough:
            self.grew.set()
        return True

    def take(self, size: int) -> list[bytes]:
        """The oldest events, of about so many bytes; they stay until `done`."""
        with self._lock:
            if not self._hand:
                held = 0
                while self._events and held < size:
                    event = self._events.popleft()
                    held += len(event)
                    self._hand.append(event)
            # else: what was not sent yet, and no more of it, since the hand is never dropped
            return list(self._hand)

    def done(self, count: int, lost: bool = False) -> None:
        """The first so many of what was taken were sent; or are given up."""
        with self._lock:
            for _ in range(min(count, len(self._hand))):  # fewer once it is closed
                self._size -= len(self._hand.popleft())
            self._events.extendleft(reversed(self._hand))
            self._hand.clear()
            if lost:
                self.dropped += count

    def close(self) -> None:
        """What still waits is lost."""
        with self._lock:
            self.dropped += self.waiting
            self._events.clear()
            self._hand.clear()
            self._size = 0

"""Events that wait for a log service, on disk: they outlive the process.

`FOLDER/OWNER/` holds the segments of one worker, a JSON object a line, oldest first by name; its
file `lock` is locked while that worker lives. Whoever finds one that is not locked takes its
segments over. A segment is removed when all of it was sent, so after a crash up to a segment is
sent again: `decision_id` tells. Lines are written to the system at once, so a worker that is
killed loses none that was put in; a machine that loses its power may (nothing waits for the disk).
"""

import contextlib
import fcntl
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

SEGMENT: Final = 1 << 20
"""Bytes after which the next segment is begun: what may be sent twice after a crash."""


class _Segment:
    __slots__ = ("events", "path", "size")

    def __init__(self, path: Path, size: int, events: int) -> None:
        self.path = path
        self.size = size
        self.events = events


class DiskBuffer:
    """As `buffer.Buffer`, in files."""

    def __init__(self, folder: Path, most: int, deny: bool, adopts: bool = True) -> None:
        """Makes a place of its own in the folder, and takes over what others left there.

        Args:
            folder: where all workers have theirs; made if it is not there.
            most: bytes of events.
            deny: what is done when there are more, or the disk takes no more: whoever puts must
                wait; else the oldest segment goes.
            adopts: whether what others left is taken over now.

        Raises:
            OSError: the folder cannot be used.
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
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._own = folder / f"{os.getpid()}-{os.urandom(4).hex()}"
        self._own.mkdir(mode=0o700)
        self._held = os.open(self._own / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._held, fcntl.LOCK_EX)
        self._segments: deque[_Segment] = deque()
        self._current = -1
        """Descriptor of the last of them, while it is written to."""
        self._count = 0
        self._hand: deque[bytes] = deque()
        self._sending: _Segment | None = None
        """What `_hand` came from."""
        self._size = 0
        if adopts:
            self.adopt()

    @property
    def size(self) -> int:
        """Bytes that wait; of a segment that is being sent, all."""
        return self._size

    @property
    def waiting(self) -> int:
        """Events that wait."""
        return sum(each.events for each in tuple(self._segments)) + len(self._hand)

    def put(self, events: Sequence[bytes]) -> bool:
        """Puts events in; False: there is no room, and they are not in it."""
        with self._lock:
            if self._deny and self._size >= self.most:
                return False
            if not self._write(events):
                if not self._deny:
                    self.dropped += len(events)
                return not self._deny
            while self._size > self.most and len(self._segments) > 1 and not self._deny:
                self._forget(self._segments.popleft())
        if self._size >= self.enough:
            self.grew.set()
        return True

    def take(self, size: int) -> list[bytes]:
        """The oldest events, of about so many bytes and one segment; they stay until `done`."""
        with self._lock:
            while not self._hand and self._segments:
                segment = self._segments.popleft()
                if not self._segments:
                    self._end_current()
                self._read(segment)
            taken: list[bytes] = []
            for event in self._hand:
                taken.append(event)
                size -= len(event)
                if size <= 0:
                    break
            return taken

    def done(self, count: int, lost: bool = False) -> None:
        """The first so many of what was taken were sent; or are given up."""
        with self._lock:
            for _ in range(count):
                self._hand.popleft()
            if lost:
                self.dropped += count
            if not self._hand and self._sending is not None:
                self._remove(self._sending)
                self._sending = None

    def close(self) -> None:
        """Leaves what still waits to whoever comes next."""
        with self._lock:
            self._end_current()
            empty = not self._segments and self._sending is None
            if empty:
                with contextlib.suppress(OSError):
                    (self._own / "lock").unlink()
                    self._own.rmdir()
            os.close(self._held)

    def adopt(self) -> None:
        """Takes over what workers left that are gone; sent before our own."""
        with self._lock:
            found: list[_Segment] = []
            for left in _left(self._folder, self._own):
                found += self._moved(left)
            # in front, oldest first
            for segment in sorted(found, key=lambda each: each.path.name, reverse=True):
                self._segments.appendleft(segment)
                self._size += segment.size
        if found:
            self.grew.set()

    def _moved(self, left: Path) -> Iterator[_Segment]:
        for old in sorted(left.glob("*.jsonl")):
            with contextlib.suppress(OSError):
                path = self._own / f"{left.name}-{old.name}"
                old.replace(path)
                data = path.read_bytes()
                yield _Segment(path, len(data), data.count(b"\n"))
        with contextlib.suppress(OSError):
            (left / "lock").unlink()
            left.rmdir()

    def _write(self, events: Sequence[bytes]) -> bool:
        data = b"".join([each + b"\n" for each in events])
        try:
            if self._current < 0:
                self._begin()
            segment = self._segments[-1]
            written = os.write(self._current, data)
            if written != len(data):
                # the disk is full: half a line would be none
                os.ftruncate(self._current, segment.size)
                return False
        except OSError:
            return False
        segment.size += len(data)
        segment.events += len(events)
        self._size += len(data)
        if segment.size >= SEGMENT:
            self._end_current()
        return True

    def _begin(self) -> None:
        self._count += 1
        path = self._own / f"{self._count:012d}.jsonl"
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        self._current = os.open(path, flags, 0o600)
        self._segments.append(_Segment(path, 0, 0))

    def _end_current(self) -> None:
        if self._current >= 0:
            os.close(self._current)
            self._current = -1

    def _read(self, segment: _Segment) -> None:
        try:
            lines = segment.path.read_bytes().split(b"\n")
        except OSError:
            self._forget(segment)
            return
        # the last piece is empty, or a line that a crash cut
        self._hand.extend(each for each in lines[:-1] if each[:1] == b"{" and each[-1:] == b"}")
        self._sending = segment
        if not self._hand:
            self._remove(segment)
            self._sending = None

    def _forget(self, segment: _Segment) -> None:
        self.dropped += segment.events
        self._remove(segment)

    def _remove(self, segment: _Segment) -> None:
        self._size -= segment.size
        with contextlib.suppress(OSError):
            segment.path.unlink()


def _left(folder: Path, own: Path) -> Iterator[Path]:
    """Places in the folder whose workers are gone, each locked while it is looked at."""
    for place in sorted(folder.iterdir()):
        if place == own or not place.is_dir():
            continue
        try:
            held = os.open(place / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield place
        except OSError:
            continue
        finally:
            os.close(held)

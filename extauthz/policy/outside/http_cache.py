"""Answers of `http.send` that other decisions may use (OPA's inter-query cache)."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from extauthz.policy.outside.http_messages import Answer

MOST_BYTES: Final = 16 << 20
"""Of one policy's answers; the oldest go first. OPA has no bound by default."""
OVERHEAD: Final = 500
"""Bytes that an answer takes besides its body and its headers."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, and until when it is fresh."""

    answer: Answer
    expires: float
    """Seconds since 1970."""
    size: int


class HttpCache:
    """Of one policy, so that a permit reaches no further than it was written for. Thread-safe."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable) -> Kept | None:
        """What was kept, fresh or not."""
        with self._lock:
            return self._kept.get(key)

    def put(self, key: Hashable, answer: Answer, expires: float) -> None:
        """Keep an answer; one that would need a quarter of the room is not."""
        fields = sum(len(name) + sum(map(len, each)) for name, each in answer.headers.items())
        size = OVERHEAD + len(answer.body) + fields
        self.drop(key)
        if size > self._most // 4:
            return
        with self._lock:
            self._kept[key] = Kept(answer, expires, size)
            self._bytes += size
            while self._bytes > self._most:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= oldest.size

    def drop(self, key: Hashable) -> None:
        """Forget it."""
        with self._lock:
            kept = self._kept.pop(key, None)
            self._bytes -= kept.size if kept else 0

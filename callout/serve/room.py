"""How many may be connected, who makes room for whom, and how much all may make us keep."""

from collections.abc import Collection
from typing import Generic, Protocol, TypeVar

from callout.serve.options import ServeOptions

SETTLED = 1.0
"""Seconds without a call after which a connection may have to make room: longer than any request
is on its way."""
LOOK_EVERY = 1.0
"""Seconds between two looks for such connections: one over 10,000 takes 3.4 ms."""
RELIEF = 0.75
"""The share of the bytes that is left when there were too many."""


class Connected(Protocol):
    """A connection, as far as its room is concerned."""

    @property
    def held(self) -> int:
        """Bytes of requests that it makes us keep."""
        ...

    def idle_since(self) -> float | None:
        """When it had its last call; None: it has some."""
        ...

    def abort(self, word: str) -> None:
        """Cut it off."""
        ...


C = TypeVar("C", bound=Connected)


class Room(Generic[C]):
    """Of one server."""

    __slots__ = (
        "_connections",
        "_from",
        "_held",
        "_idle",
        "_look_at",
        "_opening",
        "_options",
    )

    def __init__(self, options: ServeOptions, connections: Collection[C]) -> None:
        """`connections` are those that have begun; whoever owns the set keeps it."""
        self._options = options
        self._connections = connections
        self._from: dict[str, int] = {}
        self._opening = 0
        self._idle: list[C] = []
        self._look_at = 0.0
        self._held = 0

    @property
    def held(self) -> int:
        """Bytes of requests that all connections keep."""
        return self._held

    def refuses(self, host: str, now: float) -> str:
        """Why a connection from `host` is not let in; empty: it is. May cut another one off."""
        options = self._options
        if host and 0 < options.max_per_address <= self._from.get(host, 0):
            return "too_many_of_address"
        # Those that were cut off are listed until the loop has told them.
        if len(self._connections) + self._opening < options.max_connections:
            return ""
        return "" if self._make_room(now) else "too_many"

    def entered(self, host: str) -> None:
        """One was let in, and begins."""
        self._opening += 1
        self._from[host] = self._from.get(host, 0) + 1

    def settled(self, host: str, begun: bool) -> None:
        """It is one of the connections now, or it failed."""
        self._opening -= 1
        if not begun:
            self.left(host)

    def left(self, host: str) -> None:
        """One has ended."""
        count = self._from.pop(host, 0)
        if count > 1:
            self._from[host] = count - 1

    def _make_room(self, now: float) -> bool:
        before = now - SETTLED
        if not self._idle and now >= self._look_at:
            self._look_at = now + LOOK_EVERY
            found = [
                (since, number, each)
                for number, each in enumerate(self._connections)
                if (since := each.idle_since()) is not None and since < before
            ]
            self._idle = [each for _, _, each in sorted(found, reverse=True)]
        while self._idle:
            each = self._idle.pop()
            since = each.idle_since()
            if since is not None and since < before:
                each.abort("evicted")
                return True
        return False

    def hold(self, size: int) -> None:
        """Count bytes that are kept, or no longer."""
        self._held += size
        if size > 0 and self._held > self._options.max_buffered_total:
            self._relieve()

    def _relieve(self) -> None:
        # Without those that were cut off, and are not gone yet.
        holding = [(each.held, number, each) for number, each in enumerate(self._connections)]
        left = sum(held for held, _, _ in holding)
        if left <= self._options.max_buffered_total:
            return
        for held, _, each in sorted(holding, reverse=True):
            if left <= self._options.max_buffered_total * RELIEF:
                break
            left -= held
            each.abort("buffered")

"""Turns: a connection that brings much at once is served in slices, so that others wait for one.

A read is up to 250 KiB: 8,000 of the smallest requests, 330 header lists of 700 fields, 25,000
DATA frames of one byte; handled in one go they would keep the others waiting for all of that.
So a read is handled in pieces for a turn's time, and what is left waits for the next round of the
loop, in which one such connection has its turn: also a thousand of them cost others one turn a
round. Nothing more is read from a connection meanwhile. When the others themselves take longer than
a turn, those who wait have turns for as long as they: else, of sixteen connections that ask for
twice what can be answered, the ones that were behind once would stay so and the others have it all.

What it costs: nothing for reads that are smaller than a piece; else 1.3 us a turn, and a write.
"""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Protocol

TURN = 0.0005
"""Seconds: about twenty Checks. A read of 16 Checks, as gateways send under load, is one turn."""
HURRIED = 0.0002
"""Seconds, while the loop is behind. An answer that comes from Redis waits for four rounds (until
the question is written, until the reply is read, until its caller is called, until all is written),
and of 16 connections that ask for more than can be answered half are read in each: at twice the
capacity for 26 ms in the middle with turns of 0.5 ms, and for 10 with these; 6 with turns of half
of that, which answer a fifth less."""
LONGEST = 0.004
"""Seconds that turns take in a round, at most."""
LEAST = 1024
MOST = 32 << 10
"""Bytes of a piece. Within these bounds it becomes smaller while a piece takes longer than a
turn: 16 KiB of Checks take 0.35 ms, of header lists with 700 fields 11."""


class Taking(Protocol):
    """A connection that waits for a turn."""

    def turn(self) -> None:
        """Work for a turn; call `add` again if more is left."""
        ...


class Turns:
    """Who waits for a turn, in order."""

    __slots__ = ("_clock", "_due", "_ended", "_loop", "_waiting")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float] = perf_counter
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._waiting: dict[Taking, None] = {}
        self._due = False  # whether `_next` will be called
        self._ended = 0.0  # when the last of these turns did, or the first who waits came

    @property
    def waiting(self) -> int:
        """How many have something left to take."""
        return len(self._waiting)

    def add(self, connection: Taking) -> None:
        """Give it a turn after those that wait already."""
        if not self._due:
            self._due = True
            self._ended = self._clock()
            self._loop.call_soon(self._next)
        self._waiting[connection] = None

    def _next(self) -> None:
        began = self._clock()
        until = began + min(began - self._ended, LONGEST)
        try:
            for _ in range(len(self._waiting)):
                connection = next(iter(self._waiting))
                del self._waiting[connection]
                connection.turn()
                self._ended = self._clock()
                if self._ended + TURN / 2 > until:
                    break
        finally:
            self._due = bool(self._waiting)
            if self._due:
                # Not at once: in between the loop reads from the others.
                self._loop.call_soon(self._next)


def piece_after(piece: int, seconds: float, turn: float) -> int:
    """The size of the next piece, after one that took so long of a turn."""
    if seconds > turn:
        return max(LEAST, piece // 2)
    if seconds < turn / 2:
        return min(MOST, piece * 2)
    return piece

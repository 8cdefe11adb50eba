"""Long work in a thread beside an event loop: it stands back after each short burst.

CPython gives its interpreter to one thread at a time. A thread that computes keeps it until
another one has waited for the switch interval, and an event loop waits anew for each callback. So
whoever computes for long says `breathe()` after each small piece of work; what that does is up to
whoever began the work, and nothing by default: results never depend on it.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar


def _go_on() -> None:
    """Nobody waits."""


_breath: ContextVar[Callable[[], None]] = ContextVar("breath", default=_go_on)


def breathe() -> None:
    """A piece of work of at most a few tenths of a millisecond is done. Costs 0.1 us."""
    _breath.get()()


@contextlib.contextmanager
def breathing(breath: Callable[[], None]) -> Iterator[None]:
    """Calls `breath` whenever work that is done in this block, in this thread, says `breathe`."""
    token = _breath.set(breath)
    try:
        yield
    finally:
        _breath.reset(token)


@contextlib.contextmanager
def also_at_breaths(look: Callable[[], None]) -> Iterator[None]:
    """Calls `look`, too, whenever work in this block, in this thread, says `breathe`."""
    outer = _breath.get()

    def both() -> None:
        outer()
        look()

    with breathing(both):
        yield

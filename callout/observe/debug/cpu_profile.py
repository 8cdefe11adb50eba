"""A CPU profile of this process: which functions its processor time goes to.

The kernel sends SIGPROF after each hundredth of a second of processor time, and the handler, which
Python runs in the main thread, notes where that one is. A thread that samples by the clock instead
would mostly see the event loop wait: it gets its turn when the loop gives up the interpreter.
Other threads are noted by the processor time that each of them took.
"""

import signal
import sys
import threading
import time
from collections.abc import Mapping
from types import FrameType
from typing import Final

EVERY: Final = 0.01
"""Seconds of processor time between two looks: 100 a second, of 15 us each, are 0.15 %."""
DEEPEST: Final = 100
"""Frames of one stack, the innermost ones."""
MOST: Final = 20_000
"""Distinct stacks; more count as `other`."""
_OTHER: Final = ("other",)


class CpuProfile:
    """One profile. Make, start and stop it in the main thread."""

    def __init__(self) -> None:
        self._stacks: dict[tuple[str, ...], float] = {}
        self._spent: dict[int, float] = {}

    def start(self) -> None:
        """Begins to look.

        Raises:
            ValueError: This is not the main thread.
        """
        signal.signal(signal.SIGPROF, self._look)
        # System calls go on instead of ending with EINTR: libraries in C need not know of us.
        signal.siginterrupt(signal.SIGPROF, False)
        self._spent = {
            ident: time.clock_gettime(time.pthread_getcpuclockid(ident))
            for _, ident in _threads(sys._current_frames())
        }
        signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)

    def stop(self) -> dict[str, int]:
        """Ends it.

        Returns:
            Microseconds of processor time by stack, outermost function first, `;` between.
        """
        signal.setitimer(signal.ITIMER_PROF, 0)
        # A signal that is on its way finds somebody: by default it would end the process.
        signal.signal(signal.SIGPROF, signal.SIG_IGN)
        return {";".join(stack): int(spent * 1e6) for stack, spent in self._stacks.items()}

    def _look(self, _number: int, frame: FrameType | None) -> None:
        frames = sys._current_frames()
        here = threading.get_ident()
        for name, ident in _threads(frames):
            now = time.clock_gettime(time.pthread_getcpuclockid(ident))
            before = self._spent.get(ident, 0.0)
            # A thread that ended may have left its number to a new one.
            spent = now - before if now >= before else now
            self._spent[ident] = now
            if spent > 0:
                found = frame if ident == here else frames[ident]
                stack = (f"thread {_word(name)}", *_stack(found))
                if stack not in self._stacks and len(self._stacks) >= MOST:
                    stack = _OTHER
                self._stacks[stack] = self._stacks.get(stack, 0.0) + spent


def _threads(frames: Mapping[int, FrameType]) -> list[tuple[str, int]]:
    """Threads whose processor time can be asked for.

    Not `threading.enumerate`: it takes a lock that is held already if this signal came while the
    main thread starts another one. Nor threads that Python did not start: of one that has ended,
    the clock must not be asked (pthread_getcpuclockid(3)).
    """
    started: Mapping[int, threading.Thread] = threading._active  # type: ignore[attr-defined]  # see above
    return [
        (started[ident].name, ident)
        for ident in frames
        if ident in started and not isinstance(started[ident], threading._DummyThread)
    ]


def _stack(frame: FrameType | None) -> list[str]:
    found: list[str] = []
    while frame is not None and len(found) < DEEPEST:
        module = frame.f_globals.get("__name__", "?")
        # Of code, and never of data.
        found.append(_word(f"{module}.{frame.f_code.co_qualname}"))
        frame = frame.f_back
    found.reverse()
    return found


def _word(name: str) -> str:
    """Without what separates in the format."""
    return "".join("_" if each == ";" or each.isspace() else each for each in name)

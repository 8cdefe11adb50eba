"""A thread computes in bursts beside an event loop."""

import asyncio
import threading

from gatewright.run.aside import aside
from gatewright.run.bursts import Bursts

WAIT = 20.0


class Clock:
    """Seconds, by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_within_a_burst_nobody_is_waited_for() -> None:
    # Called in the loop's own thread: waiting for a turn of it would never end.
    clock = Clock()
    bursts = Bursts(asyncio.get_running_loop(), 1.0, clock)
    for clock.now in (0.1, 0.5, 0.9):
        bursts.breathe()


async def test_after_a_burst_the_loop_turns_before_the_thread_goes_on() -> None:
    clock = Clock()
    bursts = Bursts(asyncio.get_running_loop(), 1.0, clock)
    worked: list[int] = []
    went_on = threading.Event()

    def work() -> None:
        for burst in range(3):
            worked.append(burst)
            clock.now += 1.0
            bursts.breathe()
            went_on.set()

    thread = asyncio.create_task(aside(work))
    await asyncio.sleep(0)
    # The loop does not turn: the thread computes once, and stands.
    assert not went_on.wait(0.2)
    assert worked == [0]
    await asyncio.wait_for(thread, WAIT)
    assert worked == [0, 1, 2]

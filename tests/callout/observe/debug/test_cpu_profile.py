import asyncio
import threading
import time
from collections.abc import Callable

import uvloop

from callout.observe.debug.cpu_profile import CpuProfile


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(number * number for number in range(1000))


def of(stacks: dict[str, int], name: str) -> float:
    return sum(spent for stack, spent in stacks.items() if name in stack) / 1e6


def profiled(work: Callable[[], None]) -> dict[str, int]:
    """Beside the event loop, as in a worker."""

    async def main() -> dict[str, int]:
        profile = CpuProfile()
        profile.start()
        try:
            await asyncio.to_thread(work)
        finally:
            stacks = profile.stop()
        return stacks

    return uvloop.run(main())


def test_time_goes_to_the_function_that_took_it() -> None:
    profile = CpuProfile()
    profile.start()
    burn(1.0)
    assert 0.7 < of(profile.stop(), "test_cpu_profile.burn") < 1.3


def test_a_loop_that_mostly_waits_shows_what_it_does_and_not_that_it_waits() -> None:
    async def main() -> dict[str, int]:
        profile = CpuProfile()
        profile.start()
        for _ in range(100):
            burn(0.005)
            await asyncio.sleep(0.005)
        return profile.stop()

    stacks = uvloop.run(main())
    assert of(stacks, ".burn") > 0.6 * of(stacks, "thread")


def test_other_threads_are_shown_by_their_own_time() -> None:
    def work() -> None:
        thread = threading.Thread(target=burn, args=(0.5,), name="busy; thread")
        thread.start()
        thread.join()

    stacks = profiled(work)
    assert of(stacks, "thread busy__thread;") > 0.3
    assert all(len(stack.split(" ")) == 2 for stack in stacks), "`thread NAME;...`"


def test_threads_that_come_and_go_meanwhile_end_nothing() -> None:
    def work() -> None:
        for _ in range(300):
            threads = [threading.Thread(target=burn, args=(0.001,)) for _ in range(4)]
            for each in threads:
                each.start()
            for each in threads:
                each.join()

    assert of(profiled(work), "thread") > 0


def test_when_it_has_ended_nothing_looks_any_more() -> None:
    profile = CpuProfile()
    profile.start()
    before = profile.stop()
    burn(0.1)
    assert profile.stop() == before

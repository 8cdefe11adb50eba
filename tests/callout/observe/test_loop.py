import asyncio
import time

import structlog

from callout.observe.loop import LoopMonitor

WITHIN = 10.0


async def test_a_blocked_loop_is_seen_as_lag() -> None:
    lags: asyncio.Queue[float] = asyncio.Queue()
    monitor = LoopMonitor(lags.put_nowait, lambda: None)
    monitor.start()
    time.sleep(0.4)  # noqa: ASYNC251 - blocking is what is tested
    assert await asyncio.wait_for(lags.get(), WITHIN) >= 0.25
    monitor.stop()


async def test_it_flushes_again_and_again_and_once_at_the_end() -> None:
    flushes: asyncio.Queue[None] = asyncio.Queue()
    monitor = LoopMonitor(lambda _: None, lambda: flushes.put_nowait(None))
    monitor.start()
    for _ in range(2):
        await asyncio.wait_for(flushes.get(), WITHIN)
    monitor.stop()
    assert flushes.qsize() == 1
    monitor.stop()
    assert flushes.qsize() == 1


async def test_a_flush_that_fails_is_said_once_and_tried_again() -> None:
    tries: asyncio.Queue[None] = asyncio.Queue()

    def flush() -> None:
        tries.put_nowait(None)
        raise OSError("the disk is full")

    with structlog.testing.capture_logs() as logs:
        monitor = LoopMonitor(lambda _: None, flush)
        monitor.start()
        for _ in range(2):
            await asyncio.wait_for(tries.get(), WITHIN)
        monitor.stop()
    assert [each["event"] for each in logs] == ["metrics cannot be written"]

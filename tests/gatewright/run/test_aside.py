"""Long work beside the loop: its result comes back, its end is not waited for."""

import asyncio
import subprocess
import sys
import threading

import pytest

from gatewright.run.aside import aside


async def test_the_result_comes_back_to_the_loop() -> None:
    loop_thread = threading.current_thread()
    assert await aside(lambda: threading.current_thread() is not loop_thread)


async def test_an_error_comes_back_too() -> None:
    with pytest.raises(ZeroDivisionError):
        await aside(lambda: 1 // 0)


async def test_whoever_gave_up_is_not_told() -> None:
    go = threading.Event()
    waiting = asyncio.create_task(aside(go.wait))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go.set()
    await asyncio.sleep(0.05)


def test_a_process_ends_while_the_work_goes_on() -> None:
    program = (
        "import asyncio, time\n"
        "from gatewright.run.aside import aside\n"
        "async def main():\n"
        "    asyncio.create_task(aside(lambda: time.sleep(60)))\n"
        "    await asyncio.sleep(0.05)\n"
        "asyncio.run(main())\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=20, check=False).returncode == 0

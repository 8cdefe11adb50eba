"""One successor at a time, and none once there was one or the process ends."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable

import msgspec
import pytest
from structlog.testing import capture_logs

from gatewright.run import handover, restart
from gatewright.run.handover import Counts, Heritage, Listens
from gatewright.run.restart import Restart

HERITAGE = Heritage("1", "/tmp/x", Counts(1), Listens("a:1", "kernel", "b:2"), 0)
ANSWERS = f"""
import os, socket
channel = socket.socket(fileno=int(os.environ["{handover.VARIABLE}"]))
channel.recv(10000)
channel.send(b'{{"problem": ""}}')
assert channel.recv(10000) == b'{{"restarts":5,"loads":{{}}}}'
"""


Become = Callable[[str], None]


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch) -> Become:
    """Sets the program that is installed now."""
    return lambda program: monkeypatch.setattr(sys, "orig_argv", ["python", "-c", program])


def made() -> Restart:
    return Restart(lambda: (HERITAGE, ()), lambda: Counts(5))


async def reason(restart: Restart) -> str:
    """Why there is none."""
    with capture_logs() as logs:
        restart.begin()
        if restart._running is not None:
            await asyncio.wait((restart._running,), timeout=20)
    (said,) = [each for each in logs if each["log_level"] == "error"]
    return str(said["reason"])


async def test_after_one_that_answers_no_other_is_started(become: Become) -> None:
    become(ANSWERS)
    restart = made()
    restart.begin()
    await asyncio.wait_for(restart.succeeded(), 20)
    assert await reason(restart) == "this process is ending"


async def test_none_is_started_by_a_process_that_ends(become: Become) -> None:
    become(ANSWERS)
    restart = made()
    await restart.cancel()
    assert await reason(restart) == "this process is ending"


async def test_only_one_at_a_time_and_a_process_that_ends_takes_it_along(
    become: Become,
) -> None:
    become("import time; time.sleep(60)")
    restart = made()
    restart.begin()
    with capture_logs() as logs:
        restart.begin()
        await asyncio.sleep(0)
        await restart.cancel()
    assert logs[0]["reason"] == "a successor is starting already"
    (started,) = [each["pid"] for each in logs if each["event"] == "a successor starts"]
    with pytest.raises(ProcessLookupError):
        os.kill(started, 0)


async def test_one_that_hangs_is_ended_at_the_bound(
    become: Become, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart, "READY_WITHIN", 0.2)
    become("import time; time.sleep(60)")
    assert "did not answer within" in await reason(made())


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("", "ended by itself"),
        (ANSWERS.replace("problem", "nonsense"), "says what we do not know"),
        (ANSWERS.replace(': ""', ': "bad settings"'), "bad settings"),
    ],
)
async def test_one_that_fails_is_said_why_and_the_next_may_come(
    become: Become, program: str, why: str
) -> None:
    become(program)
    restart = made()
    assert why in await reason(restart)
    become(ANSWERS)
    restart.begin()
    await asyncio.wait_for(restart.succeeded(), 20)


async def test_sockets_that_are_closed_already_are_a_reason() -> None:
    closed = socket.socket()
    closed.close()
    restart = Restart(lambda: (msgspec.structs.replace(HERITAGE, sockets=1), [closed]), Counts)
    assert "descriptor" in await reason(restart)

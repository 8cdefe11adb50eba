"""The supervisor: a dead worker is replaced on the same socket, a drain is bounded."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from callout.serve.supervisor import Supervisor

WORKER = textwrap.dedent(
    """
    import asyncio, os, socket, sys
    from callout.serve.control import Control

    async def main():
        control = await Control.over(socket.socket(fileno=int(sys.argv[1])))
        greeting = []

        async def answer(reader, writer):
            writer.write(f"{os.getpid()} {greeting}".encode())
            await writer.drain()
            writer.close()

        async for message in control.messages():
            if message == b"hang":
                import time
                time.sleep(60)
            if message == b"stick":
                os.kill(os.getpid(), 19)
            if message == b"leave":
                break
            if message == b"linger":
                server.close()
                await asyncio.sleep(60)
            greeting.append(message.decode())
            if len(greeting) == 1:
                listening = socket.socket(fileno=int(sys.argv[2]))
                server = await asyncio.start_server(answer, sock=listening)
            control.send(b"has " + message)
        await control.close()

    asyncio.run(main())
    """
)


def bind() -> socket.socket:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(16)
    return listening


async def ask(address: tuple[str, int]) -> str:
    reader, writer = await asyncio.open_connection(*address)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer.decode()


async def until(condition: Callable[[], object]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to be")


class Running:
    def __init__(self, workers: int = 1, frozen: float = 5.0) -> None:
        sockets = [bind() for _ in range(workers)]
        self.addresses = [each.getsockname() for each in sockets]
        self.said: list[tuple[int, bytes]] = []
        self.died: list[tuple[int, int]] = []
        self.supervisor = Supervisor(
            [sys.executable, "-c", WORKER],
            [[each] for each in sockets],
            greet=lambda index: (b"hello %d" % index, ()),
            on_message=lambda index, message: self.said.append((index, message)),
            on_death=lambda index, pid: self.died.append((index, pid)),
            environ=os.environ,
            frozen=frozen,
        )


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    started = Running()
    await started.supervisor.start()
    await until(lambda: started.said)
    yield started
    await started.supervisor.stop(b"leave", 5)


async def test_a_worker_is_greeted_and_serves_on_its_socket(running: Running) -> None:
    assert running.said == [(0, b"has hello 0")]
    (pid,) = running.supervisor.pids
    assert await ask(running.addresses[0]) == f"{pid} ['hello 0']"


async def test_a_killed_worker_is_replaced_and_no_connection_is_refused(running: Running) -> None:
    (first,) = running.supervisor.pids
    os.kill(first, signal.SIGKILL)
    answers = [await ask(running.addresses[0]) for _ in range(3)]
    (second,) = running.supervisor.pids
    assert second != first
    assert answers == [f"{second} ['hello 0']"] * 3
    assert running.died == [(0, first)]
    assert running.supervisor.restarts == 1


async def test_a_message_reaches_every_worker() -> None:
    running = Running(workers=2)
    await running.supervisor.start()
    await until(lambda: len(running.said) == 2)
    running.supervisor.broadcast(b"news")
    await until(lambda: len(running.said) == 4)
    assert sorted(running.said[2:]) == [(0, b"has news"), (1, b"has news")]
    await running.supervisor.stop(b"leave", 5)
    assert running.supervisor.pids == ()
    assert running.supervisor.restarts == 0


async def test_a_worker_that_hangs_in_drain_is_killed_within_the_bound(running: Running) -> None:
    await asyncio.wait_for(running.supervisor.stop(b"hang", 0.3), 5)
    assert running.supervisor.pids == ()


async def test_nobody_can_connect_to_a_service_that_drains(running: Running) -> None:
    stopping = asyncio.create_task(running.supervisor.stop(b"linger", 5))

    def refused() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(running.addresses[0]) != 0

    await until(refused)
    (pid,) = running.supervisor.pids
    os.kill(pid, signal.SIGKILL)
    await stopping


async def test_a_command_that_cannot_start_is_tried_again_with_growing_pauses() -> None:
    said: list[object] = []
    supervisor = Supervisor(
        ["/nonexistent/worker"],
        [[bind()]],
        greet=lambda index: (b"", ()),
        on_message=lambda index, message: said.append(message),
        on_death=lambda index, pid: said.append(pid),
        environ=os.environ,
    )
    await supervisor.start()
    await until(lambda: supervisor.restarts >= 2)
    (worker,) = supervisor.workers
    assert worker.deaths >= 2
    await asyncio.wait_for(supervisor.stop(b"leave", 5), 10)
    assert said == []


@pytest.mark.parametrize("how", [b"stick", b"hang"], ids=["stopped", "its event loop is stuck"])
async def test_a_frozen_worker_is_killed_and_replaced_and_no_connection_is_refused(
    how: bytes,
) -> None:
    running = Running(frozen=0.5)
    await running.supervisor.start()
    await until(lambda: running.said)
    (first,) = running.supervisor.pids
    running.supervisor.broadcast(how)
    answer = ""
    # It may answer until it has heard, and what it has accepted then ends with it.
    while not answer or answer.startswith(f"{first} "):
        with contextlib.suppress(ConnectionResetError):
            answer = await ask(running.addresses[0])
    (second,) = running.supervisor.pids
    assert second != first
    assert answer == f"{second} ['hello 0']"
    assert running.died == [(0, first)]
    assert running.supervisor.restarts == 1
    await running.supervisor.stop(b"leave", 5)


async def test_a_worker_that_is_never_killed_for_being_frozen_stays() -> None:
    running = Running(frozen=0)
    await running.supervisor.start()
    await until(lambda: running.said)
    (pid,) = running.supervisor.pids
    running.supervisor.broadcast(b"stick")
    await asyncio.sleep(1.0)
    os.kill(pid, signal.SIGCONT)
    assert (await ask(running.addresses[0])).startswith(f"{pid} ")
    await running.supervisor.stop(b"leave", 5)


async def test_a_worker_that_wants_to_go_goes_when_another_one_answers(running: Running) -> None:
    (first,) = running.supervisor.pids
    running.supervisor.relieve(0)
    await until(lambda: len(running.said) == 2)
    assert len(set(running.supervisor.pids)) == 2
    assert first in running.supervisor.pids
    running.supervisor.ready(0, b"leave")
    await until(lambda: first not in running.supervisor.pids)
    (second,) = running.supervisor.pids
    assert running.supervisor.restarts == 1
    assert await ask(running.addresses[0]) == f"{second} ['hello 0']"


async def test_a_mistake_in_what_hears_a_worker_costs_one_message(running: Running) -> None:
    def fail(_place: int, _message: bytes) -> None:
        raise ZeroDivisionError

    heard = running.supervisor._on_message
    running.supervisor._on_message = fail
    running.supervisor.broadcast(b"one")
    await asyncio.sleep(0.2)
    running.supervisor._on_message = heard
    running.supervisor.broadcast(b"two")
    await until(lambda: running.said[-1] == (0, b"has two"))


def alone(*command: str, frozen: float = 0) -> Supervisor:
    """Of one worker that says nothing."""
    return Supervisor(
        command,
        [[bind()]],
        greet=lambda _: (b"hello", ()),
        on_message=lambda *_: None,
        on_death=lambda *_: None,
        environ=os.environ,
        frozen=frozen,
    )


async def test_a_stop_does_not_wait_until_a_worker_would_be_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("callout.serve.supervisor.BACKOFF_FIRST", 60.0)
    monkeypatch.setattr("callout.serve.supervisor.BACKOFF_MOST", 60.0)
    supervisor = alone("true")
    await supervisor.start()
    await until(lambda: supervisor.restarts)
    await asyncio.wait_for(supervisor.stop(b"leave", 30), 10)


async def test_a_worker_whose_channel_outlives_it_is_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("callout.serve.supervisor.ENDS_WITHIN", 0.5)
    # So is one that not even SIGKILL ends, while the system waits for a disk.
    monkeypatch.setattr(Supervisor, "_starts_within", lambda _: 0.5)
    children = tmp_path / "children"
    supervisor = alone("sh", "-c", f"sleep 60 & echo $! >> {children}", frozen=0.5)
    await supervisor.start()
    try:
        await until(lambda: supervisor.restarts)
        await supervisor.stop(b"leave", 1)
    finally:
        for pid in children.read_text().split():
            os.kill(int(pid), signal.SIGKILL)


async def test_hundreds_of_deaths_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callout.serve.supervisor.BACKOFF_MOST", 0.0)
    supervisor = alone("true", frozen=5)
    await supervisor.start()

    def held() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())

    async def die(times: int) -> tuple[int, int]:
        most = (0, 0)
        before = supervisor.restarts
        while supervisor.restarts < before + times:
            most = max(most, held())
            await asyncio.sleep(0)
        return most

    first = await die(20)
    last = await die(200)
    # It is looked at in every moment of a worker's life, so two looks may differ by one life.
    assert last[0] <= first[0] + 4
    assert last[1] <= first[1] + 4
    await supervisor.stop(b"leave", 5)

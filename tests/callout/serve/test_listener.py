import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack, closing

import pytest

from callout.serve.listener import AT_ONCE, Listener, keep_alive


class Doorkeeper:
    """Lets everybody in, up to `most`."""

    def __init__(self, most: int = 1000) -> None:
        self.most = most
        self.entered = 0
        self.settled_ones = 0
        self.words: list[str] = []
        self.peers: list[str] = []

    def refuses(self, host: str, _now: float) -> str:
        assert host == "127.0.0.1"
        return "" if self.entered - self.settled_ones < self.most else "too_many"

    def refused(self, word: str, peer: str, _now: float) -> None:
        self.words.append(word)
        self.peers.append(peer)

    def enter(self, _host: str) -> asyncio.Protocol:
        self.entered += 1
        return asyncio.Protocol()

    def settled(self, _protocol: asyncio.Protocol) -> None:
        self.settled_ones += 1


def bound() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    return made


async def until(reached: Callable[[], bool]) -> None:
    for _ in range(1000):
        if reached():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not reached in ten seconds")


async def test_a_storm_of_connections_is_taken_a_few_a_round() -> None:
    door, listening = Doorkeeper(), bound()
    address = listening.getsockname()
    with closing(Listener(listening, door, None, 1.0)) as listener, ExitStack() as clients:
        for _ in range(3 * AT_ONCE):
            clients.enter_context(socket.create_connection(address))
        taken = []
        for _ in range(3):
            before = door.entered
            listener._ready()
            taken.append(door.entered - before)
        assert taken == [AT_ONCE] * 3
        await until(lambda: door.settled_ones == 3 * AT_ONCE)


async def test_handshakes_count_until_they_end_and_those_that_take_too_long_are_told_of() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    door, listening = Doorkeeper(most=2), bound()
    address = listening.getsockname()
    with closing(Listener(listening, door, context, 0.5)), ExitStack() as clients:
        silent = [clients.enter_context(socket.create_connection(address)) for _ in range(3)]
        await until(lambda: door.words == ["too_many"])
        assert door.peers[0] == f"127.0.0.1:{silent[2].getsockname()[1]}"
        await until(lambda: door.settled_ones == 2)
        assert sorted(door.words) == ["handshake_timeout"] * 2 + ["too_many"]


async def test_without_descriptors_it_rests_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    door, listening = Doorkeeper(), bound()
    address = listening.getsockname()
    failing = [True]

    class Poor(socket.socket):
        def accept(self) -> tuple[socket.socket, object]:
            if failing[0]:
                raise OSError(24, "too many open files")
            return super().accept()

    poor = Poor(fileno=listening.detach())
    with closing(Listener(poor, door, None, 1.0)), socket.create_connection(address):
        await until(lambda: "no_descriptors" in door.words)
        await asyncio.sleep(0.05)
        assert len(door.words) <= 2
        failing[0] = False
        await until(lambda: door.settled_ones == 1)


def test_a_connection_inherits_when_its_peer_counts_as_gone() -> None:
    with bound() as listening:
        keep_alive(listening, 60.0)
        listening.listen()
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as taken:
            tcp = socket.IPPROTO_TCP
            assert taken.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert taken.getsockopt(tcp, socket.TCP_USER_TIMEOUT) == 60_000
            idle = taken.getsockopt(tcp, socket.TCP_KEEPIDLE)
            every = taken.getsockopt(tcp, socket.TCP_KEEPINTVL)
            probes = taken.getsockopt(tcp, socket.TCP_KEEPCNT)
            assert (idle, every, probes) == (30, 7, 4)
            assert idle + every * probes == pytest.approx(60, abs=5)

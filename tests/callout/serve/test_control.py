"""The channel between the supervisor and a worker: a peer that reads nothing costs little."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from callout.serve.control import MOST_WAITING, Control


class Pair:
    def __init__(self, ours: Control, theirs: Control) -> None:
        self.ours = ours
        self.theirs = theirs
        self.seen: list[bytes] = []
        self.reading: asyncio.Task[None] | None = None

    def read(self) -> None:
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.theirs.messages():
            self.seen.append(message)

    async def until(self, last: bytes) -> list[bytes]:
        for _ in range(2000):
            if self.seen and self.seen[-1] == last:
                return self.seen
            await asyncio.sleep(0.005)
        raise AssertionError(f"{last!r} never came, but {len(self.seen)} messages")


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    one, other = socket.socketpair()
    made = Pair(await Control.over(one), await Control.over(other))
    yield made
    await made.ours.close()
    await made.theirs.close()


def run(name: bytes, size: int = 1 << 18) -> list[bytes]:
    return [name * size for _ in range(50)] + [name + b" ends"]


async def test_of_runs_that_wait_for_a_frozen_peer_only_the_newest_is_sent(pair: Pair) -> None:
    for name in (b"a", b"b", b"c"):
        pair.ours.send_run(run(name))
        await asyncio.sleep(0.01)
    pair.read()
    seen = await pair.until(b"c ends")
    assert seen[-51:] == run(b"c")
    # And what the socket took before it was full: of the first, or of the second where a busy
    # machine wrote nothing for as long.
    assert len(seen) < 51 + 20


async def test_single_messages_overtake_a_run(pair: Pair) -> None:
    pair.ours.send_run(run(b"a"))
    await asyncio.sleep(0.01)
    pair.ours.send(b"drain")
    pair.read()
    seen = await pair.until(b"a ends")
    assert seen.index(b"drain") < 25
    assert [each for each in seen if each != b"drain"] == run(b"a")


async def test_a_peer_that_reads_answers_and_one_that_does_not_is_counted(pair: Pair) -> None:
    reading = asyncio.create_task(anext(aiter(pair.ours.messages()), None))
    assert [pair.ours.ask() for _ in range(4)] == [0, 1, 2, 3]
    assert not pair.ours.answered
    pair.read()
    for _ in range(1000):
        if pair.ours.answered:
            break
        await asyncio.sleep(0.005)
    assert pair.ours.ask() == 0
    assert pair.seen == []
    reading.cancel()


async def test_a_channel_whose_peer_reads_nothing_for_long_is_given_up(pair: Pair) -> None:
    for _ in range(3 * MOST_WAITING):
        pair.ours.send(b"x" * 4096)
        await asyncio.sleep(0)
    pair.read()
    assert pair.reading is not None
    await asyncio.wait_for(pair.reading, 10)
    assert len(pair.seen) < 2 * MOST_WAITING

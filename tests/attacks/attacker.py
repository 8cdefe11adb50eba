"""One attacker, a process of its own: `python -m tests.attacks.attacker ADDRESS NUMBER`.

It attacks from each line of its input to the next, and pauses from that to the one after it.
Connections that are ended come back after a moment.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeAlias

from tests.attacks.attacks import ATTACKS, Attack

MOMENT = 0.2
NICE = 15
"""It shares a processor with the clients whose latencies are measured, and would be on another
machine: what it computes must not be taken for what its attack does."""


Way: TypeAlias = Callable[[], Awaitable[None]]
"""What a connection does, from its beginning to its end."""


def run(ways: Sequence[Way]) -> None:
    """Goes all these ways whenever it is told, each again and again."""
    os.nice(NICE)
    print(flush=True)
    asyncio.run(_attack(ways))


async def _attack(ways: Sequence[Way]) -> None:
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        tasks = [asyncio.create_task(_again_and_again(each)) for each in ways]
        await loop.run_in_executor(None, sys.stdin.readline)
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        print(flush=True)


async def _again_and_again(way: Way) -> None:
    while True:
        with contextlib.suppress(OSError):
            await way()
        await asyncio.sleep(MOMENT)


async def _once(host: str, port: int, chosen: Attack) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    reading = asyncio.create_task(_read(reader)) if chosen.reads else None
    try:
        for piece in chosen.pieces():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(chosen.pause)
            if writer.is_closing() or (reading is not None and reading.done()):
                return
    finally:
        if reading is not None:
            reading.cancel()
        writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 16):
        pass


def main(address: str, number: int) -> None:
    """One attacker."""
    host, _, port = address.rpartition(":")
    chosen = ATTACKS[number]
    run([partial(_once, host, int(port), chosen)] * chosen.connections)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

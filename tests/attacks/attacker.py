"""One attacker, a process of its own: `python -m tests.attacks.attacker ADDRESS NUMBER`.

It attacks from each line of its input to the next, and pauses from that to the one after it.
Connections that are ended come back after a moment.
"""

import asyncio
import contextlib
import os
import sys

from tests.attacks.attacks import ATTACKS, Attack

MOMENT = 0.2
NICE = 15
"""It shares a processor with the clients whose latencies are measured, and would be on another
machine: what it computes must not be taken for what its attack does."""


async def attack(host: str, port: int, chosen: Attack) -> None:
    """Attacks whenever it is told."""
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        tasks = [
            asyncio.create_task(_again_and_again(host, port, chosen))
            for _ in range(chosen.connections)
        ]
        await loop.run_in_executor(None, sys.stdin.readline)
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        print(flush=True)


async def _again_and_again(host: str, port: int, chosen: Attack) -> None:
    while True:
        with contextlib.suppress(OSError):
            await _once(host, port, chosen)
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
    os.nice(NICE)
    host, _, port = address.rpartition(":")
    print(flush=True)
    asyncio.run(attack(host, int(port), ATTACKS[number]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

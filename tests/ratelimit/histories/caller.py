"""One process among several that count in the same store: says what it was told.

`python -m tests.ratelimit.histories.caller redis URL` or `... shared DESCRIPTOR`.
"""

import asyncio
import json
import random
import sys
import time
from typing import Any

from callout.redis.client import Client, ClientOptions
from ratelimit.stores.contract import Hit, Store
from ratelimit.stores.redis_store import RedisStore
from ratelimit.stores.shared_memory.counters import SharedCounters
from ratelimit.stores.shared_memory.memory import SharedMemory
from tests.ratelimit.histories.counter import Call

KEYS = ("one", "two", "three")
AT_ONCE = 16
ROUNDS = 100
ENDS = int(time.time()) // 86_400 * 86_400 + 10 * 86_400
"""The same for all: a window of ten days."""


async def history(store: Store, at_once: int = AT_ONCE, rounds: int = ROUNDS) -> list[Call]:
    """What so many callers at once were told of a few counters."""
    told: list[Call] = []

    async def caller() -> None:
        for _ in range(rounds):
            hits = [
                Hit(key.encode(), random.choice((0, 1, 1, 3)), ENDS)
                for key in random.sample(KEYS, random.choice((1, 2)))
            ]
            invoked = time.monotonic()
            counts: Any = store.add(hits, time.time(), None, lambda counts: counts)
            if isinstance(counts, asyncio.Future):
                counts = await counts
            returned = time.monotonic()
            told.extend(
                [
                    Call(hit.key.decode(), invoked, returned, hit.addend, count)
                    for hit, count in zip(hits, counts, strict=True)
                ]
            )
            await asyncio.sleep(random.choice((0, 0, 0.001)))

    await asyncio.gather(*[caller() for _ in range(at_once)])
    return told


async def main(kind: str, where: str) -> None:
    """Says that it is ready and waits for a line, so that all begin together."""
    if kind == "shared":
        _wait()
        told = await history(SharedCounters(SharedMemory(int(where))), 1, AT_ONCE * ROUNDS)
    else:
        client = Client(where, ClientOptions(timeout=30.0, longest=30.0))
        await client.start()
        _wait()
        told = await history(RedisStore(client))
        await client.close()
    json.dump(told, sys.stdout)


def _wait() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

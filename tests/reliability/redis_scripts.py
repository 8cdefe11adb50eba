"""What a call of each rate limiting script costs Redis: `make redis-scripts`.

    python -m tests.reliability.redis_scripts --write docs/performance.md

Beside the plain INCRBY of a fixed window. Calls are pipelined by the hundred, as under load. Each
figure is the best of several rounds, since everything else on the machine only adds to it.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from callout.redis.client import Client, ClientOptions
from callout.redis.pipeline import pack
from callout.testing.redis import RedisServer
from ratelimit.algorithms.contract import LONGEST_WINDOW, Algorithm
from ratelimit.algorithms.decision import Use
from ratelimit.algorithms.exact_log import ExactLog
from ratelimit.algorithms.named_window import NamedWindow
from ratelimit.algorithms.sliding_window import SlidingWindow
from ratelimit.algorithms.sub_buckets import SubBuckets
from ratelimit.algorithms.token_bucket import TokenBucket
from ratelimit.stores.redis_scripts.states import RedisStates
from tests.load import report

BEGIN = "<!-- scripts: begin -->"
END = "<!-- scripts: end -->"
MUCH = 2**32 - 1
WEEK = 7 * 86_400_000
ROUNDS = 5
AT_ONCE = 100


class Row(NamedTuple):
    """One kind of request."""

    name: str
    limits: Sequence[Algorithm]
    """Empty: a plain INCRBY."""
    keys: int
    """How many different counters, taking turns."""
    fill: int = 0
    """Hits before the first round."""


def rows() -> list[Row]:
    """What is measured."""
    fixed, sliding = NamedWindow(MUCH, LONGEST_WINDOW), SlidingWindow(MUCH, LONGEST_WINDOW)
    log = ExactLog(1000, WEEK)
    return [
        Row("INCRBY", [], 100),
        Row("fixed", [fixed], 100),
        Row("sliding", [sliding], 100),
        Row("buckets, 10 parts", [SubBuckets(MUCH, LONGEST_WINDOW)], 100),
        Row("buckets, 60 parts", [SubBuckets(MUCH, LONGEST_WINDOW, 60)], 100),
        Row("bucket", [TokenBucket(1_000_000, WEEK, 1_000_000)], 100),
        Row("log, a limit of 1,000", [log], 1_000),
        Row("log, full: refused", [log], 1, 1000),
        Row("fixed, full: refused", [NamedWindow(1, LONGEST_WINDOW)], 1, 1),
        Row("two fixed, all or nothing", [fixed, fixed], 100),
        Row("fixed and sliding, all or nothing", [fixed, sliding], 100),
    ]


class Cost(NamedTuple):
    """Of one call."""

    script: float
    """Microseconds, as `INFO commandstats` has them."""
    process: float
    """Microseconds of processor time of the whole server: reading and writing too."""


async def measure(server: RedisServer, client: Client, row: Row, calls: int) -> Cost:
    """The best round of one row."""
    store = RedisStates(client)
    command = "incrby" if not row.limits else "evalsha"

    def ask(number: int) -> Awaitable[Any]:
        key = b"%d" % (number % row.keys)
        if not row.limits:
            sent: Any = client.send([pack(b"INCRBY", key, b"1")], None, lambda replies: replies)
            return sent  # type: ignore[no-any-return]
        uses = [Use(b"%d/%b" % (n, key), limit, 1) for n, limit in enumerate(row.limits)]
        return store.use(uses, True, 0.0, None, lambda verdicts: verdicts)

    async def ask_all(count: int) -> None:
        for start in range(0, count, AT_ONCE):
            await asyncio.gather(*[ask(start + n) for n in range(AT_ONCE)])

    with server.client() as plain:
        plain.flushall()
        await ask(0)
        await ask_all(row.fill)
        costs = []
        for _ in range(ROUNDS):
            plain.config_resetstat()
            before: Any = plain.info("cpu")
            await ask_all(calls)
            after: Any = plain.info("cpu")
            stats: Any = plain.info("commandstats")
            used = sum(after[f"used_cpu_{of}"] - before[f"used_cpu_{of}"] for of in ("user", "sys"))
            told = stats[f"cmdstat_{command}"]
            costs.append(Cost(told["usec"] / told["calls"], used / told["calls"] * 1e6))
    return Cost(min(cost.script for cost in costs), min(cost.process for cost in costs))


async def bytes_a_key(server: RedisServer, client: Client, limit: Algorithm, keys: int) -> float:
    """What Redis holds for a counter with a name of 40 bytes and one hit."""
    store = RedisStates(client)
    with server.client() as plain:
        plain.flushall()
        before: Any = plain.info("memory")["used_memory"]
        for start in range(0, keys, 1000):
            names = [b"%040d" % key for key in range(start, start + 1000)]
            await asyncio.gather(
                *[
                    store.use([Use(name, limit, 1)], True, 0.0, None, lambda verdicts: verdicts)
                    for name in names
                ]
            )
        after: Any = plain.info("memory")["used_memory"]
        return float(after - before) / plain.dbsize()


async def run(calls: int, keys: int, show: Callable[[str], None]) -> None:
    """Measures, and shows the two tables."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(RedisServer(Path(folder))) as server,
    ):
        client = Client(server.url, ClientOptions(timeout=60.0, longest=60.0, threshold=10_000))
        await client.start()
        show("| request | us in the command | us of Redis's processor |\n|---|---|---|")
        for row in rows():
            cost = await measure(server, client, row, calls)
            show(f"| {row.name} | {cost.script:.1f} | {cost.process:.1f} |")
        show(f"\n| {keys:,} counters with one hit | bytes each |\n|---|---|")
        for row in rows()[1:7]:
            size = await bytes_a_key(server, client, row.limits[0], keys)
            show(f"| {row.name} | {size:.0f} |")
        await client.close()


def main(argv: Sequence[str]) -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2_000, help="of each row, in a round")
    parser.add_argument("--keys", type=int, default=100_000, help="for what a key takes")
    parser.add_argument("--write", type=Path, help="a Markdown file with a place for the tables")
    given = parser.parse_args(argv)
    lines: list[str] = []

    def show(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    asyncio.run(run(given.calls, given.keys, show))
    if given.write:
        report.write(given.write, "\n".join([*lines, ""]), BEGIN, END)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

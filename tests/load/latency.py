"""`make bench-latency`: how long a rate limit takes, at rates that do not wait for answers.

    python -m tests.load.latency --write docs/performance.md

An open loop: requests leave at their time whether or not earlier ones were answered, and a latency
counts from when its request was due, so that what piles up is in it (no coordinated omission).
Rates go up until one is not carried. Exit status 1: something did not start, or answers wrongly.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from callout.testing import tools
from tests.load import guard, h2load, payloads, report, services, varied
from tests.load.processes import DidNotStart
from tests.load.services import World
from tests.reliability.overload.generator import BUCKET, Order, Outcome, quantile
from tests.reliability.overload.sending import send

BEGIN: Final = "<!-- latency: begin -->"
END: Final = "<!-- latency: end -->"
RATES: Final = (1_000, 5_000, 10_000, 20_000, 30_000, 40_000, 50_000)
"""Requests a second."""
SECONDS: Final = 3.0
DEADLINE: Final = 0.25
"""Seconds. Envoy waits 20 ms unless told otherwise; a longer one shows how long it would be."""
CONNECTIONS: Final = 8
CARRIED: Final = 0.999
"""Part of the requests that must be let pass, by the limit, until the deadline."""
OURSELVES: Final = 0.95
"""Part of its core from which on it is the generator that is measured."""
_KNOWN: Final = 1_000
"""Clients whose requests the service has seen before."""
_NEW: Final = 20_000
"""Clients that take turns: more than it remembers requests of."""
_PASSES: Final = bytes((0x08, 0x01)).hex()
"""How an answer that lets pass begins: `overall_code: OK`."""


class Lane(NamedTuple):
    """One service, and who asks it."""

    name: str
    clients: int
    address: str
    varies: int
    """Bytes behind the verdict of an answer."""


class Row(NamedTuple):
    """One rate."""

    lane: str
    rate: int
    carried: bool
    late: int
    """Requests that did not pass in time, of ..."""
    due: int
    p50: float
    p99: float
    p999: float
    """Milliseconds."""
    generator: float
    """Part of its core that the generator used: with all of it, its own waiting is in the rest."""


def measure(world: World, lane: Lane, rate: int, seconds: float) -> Row:
    """One rate. Raises LoadFailed."""
    message = payloads.unique(1).allowed
    number = [b"%012d" % each for each in range(lane.clients)]
    messages = tuple([message.replace(varied.MARK, each).hex() for each in number])
    order = Order(
        lane.address,
        payloads.LIMIT,
        messages,
        rate,
        seconds,
        DEADLINE,
        CONNECTIONS,
        varies=lane.varies,
    )
    return _row(lane, rate, send(order, world.cores.load))


def _row(lane: Lane, rate: int, outcome: Outcome) -> Row:
    latencies: Counter[int] = Counter()
    passed = 0
    for kind in outcome.kinds:
        latencies.update({int(bucket): many for bucket, many in kind.latencies.items()})
        if kind.body.startswith(_PASSES):
            passed += kind.on_time
    # What was not sent, or not answered, took longer than anything.
    lost = outcome.unsent + outcome.unanswered
    latencies[round(DEADLINE / BUCKET) * 10] += lost
    due = latencies.total()
    p50, p99, p999 = (quantile(latencies, part) * 1000 for part in (0.5, 0.99, 0.999))
    carried = passed >= CARRIED * due
    return Row(lane.name, rate, carried, due - passed, due, p50, p99, p999, outcome.busy)


@contextmanager
def lanes(world: World) -> Iterator[list[Lane]]:
    """Everything that is measured, started and looked at once. Raises WrongAnswer."""
    exchange = payloads.unique(1)
    with ExitStack() as stack:
        _, url = stack.enter_context(services.redis(world))
        found = []
        for name, redis in (("memory", None), ("Redis", url)):
            _, address = stack.enter_context(services.gatewright(world, "own", redis))
            size = guard.limit(address, exchange) - guard.PREFIX
            for clients, words in ((_KNOWN, "1,000 clients"), (_NEW, "20,000 clients")):
                found.append(Lane(f"{name}, {words}", clients, address, size - 2))
        yield found


def run(rates: Sequence[int], seconds: float) -> list[Row]:
    """Every lane, the rates going up until one is not carried."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="gatewright-latency-") as folder:
        world = World(Path(folder))
        with lanes(world) as found:
            for lane in found:
                measure(world, lane, rates[0], min(seconds, 1.0))  # warms up
                for rate in rates:
                    rows.append(measure(world, lane, rate, seconds))
                    print(_cells(rows[-1]), flush=True)
                    if not rows[-1].carried or rows[-1].generator > OURSELVES:
                        break
    return rows


def _cells(row: Row) -> str:
    late = f"{row.late / row.due:.3%}" if row.late else "0"
    cells = [row.lane, f"{row.rate:,}", f"{row.p50:.1f}", f"{row.p99:.1f}", f"{row.p999:.1f}"]
    if not row.carried:
        cells[2:] = ["-", "-", "-"]
    return "| " + " | ".join([*cells, late, f"{row.generator:.0%}"]) + " |"


def markdown(rows: Sequence[Row], seconds: float) -> str:
    """The table."""
    return "\n".join(
        [
            f"- {seconds:g} s at each rate, over {CONNECTIONS} connections, one descriptor; the"
            " service on one core, the generator and Redis on the other. Versions as above.",
            f"- *not in time*: not let pass within {DEADLINE * 1000:.0f} ms. A rate of which more"
            f" than {1 - CARRIED:.1%} are is not carried, and the last of its lane.",
            f"- *generator*: how much of its core it used; from {OURSELVES:.0%} on it is the"
            " generator that is measured, and no higher rate is tried.",
            "",
            "| counters | requests/s | p50 ms | p99 ms | p99.9 ms | not in time | generator |",
            "|---|--:|--:|--:|--:|--:|--:|",
            *[_cells(row) for row in rows],
            "",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench-latency", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=SECONDS, help="at each rate")
    parser.add_argument("--rate", type=int, action="append", help="instead of those of the page")
    parser.add_argument("--write", type=Path, help="a Markdown file with a place for the results")
    options = parser.parse_args(arguments)
    try:
        rows = run(options.rate or RATES, options.seconds)
    except (DidNotStart, guard.WrongAnswer, h2load.LoadFailed, tools.ToolMissing) as error:
        print(f"bench-latency: {error}", file=sys.stderr)
        return 1
    if options.write:
        report.write(options.write, markdown(rows, options.seconds), BEGIN, END)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What it costs that workers count together in memory: `make shared-counters`.

Memory that they share, beside memory of one process alone, and beside the other way that there is:
a process that owns the counters, and is asked over a Unix socket. Rounds of all take turns, and
each figure is the best of them, since everything else on the machine only adds to it.
"""

import argparse
import functools
import os
import selectors
import socket
import statistics
import struct
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ratelimit.algorithms.decision import Use
from ratelimit.algorithms.sliding_window import SlidingWindow
from ratelimit.stores.contract import Hit, Store
from ratelimit.stores.memory import MemoryStore
from ratelimit.stores.memory_states import MemoryStates
from ratelimit.stores.shared_memory.counters import SharedCounters
from ratelimit.stores.shared_memory.memory import SharedMemory, create
from ratelimit.stores.shared_memory.states import SharedStates
from ratelimit.stores.states import StateStore
from tests.ratelimit.stores import processes

SIZE = 128 << 20
ROUNDS = 7
KEYS = 100
BATCH = 16
"""Requests that a worker under load reads at once: it may ask for all of them in one message."""
NOW = 1_735_689_600.0
_HIT = struct.Struct("=qqB")
_COUNT = struct.Struct("=q")


class Cost(NamedTuple):
    """Of one count, in microseconds."""

    processor: float
    """Of all processes."""
    half: float
    """Half of them are answered within this time, on the clock."""
    most: float
    """99 of 100 of them."""


def own(calls: int) -> Cost:
    """One process, whose counters nobody else sees."""
    return _counting(MemoryStore(), calls, hits)


def shared(calls: int) -> Cost:
    """One process, in memory that others might share."""
    return _counting(SharedCounters(SharedMemory(create(SIZE))), calls, hits)


def shared_by_two(calls: int) -> Cost:
    """Two processes at once, on the same counters."""
    memory = SharedMemory(create(SIZE))

    def work() -> Cost:
        return _counting(SharedCounters(SharedMemory(memory.descriptor)), calls, hits)

    costs: Sequence[Cost] = processes.together(work, work)
    return Cost(*[max(each) for each in zip(*costs, strict=True)])


def shared_new(calls: int) -> Cost:
    """One process, each time another counter."""
    return _counting(SharedCounters(SharedMemory(create(SIZE))), calls, _new)


def own_pairs(calls: int) -> Cost:
    """Two counters in one step, alone."""
    return _counting(MemoryStore(), calls, _pairs)


def shared_pairs(calls: int) -> Cost:
    """Two counters in one step, in memory that others might share."""
    return _counting(SharedCounters(SharedMemory(create(SIZE))), calls, _pairs)


def own_states(calls: int) -> Cost:
    """A sliding window, alone."""
    return _deciding(MemoryStates(), calls)


def shared_states(calls: int) -> Cost:
    """A sliding window, in memory that others might share."""
    return _deciding(SharedStates(SharedMemory(create(SIZE))), calls)


def asked(calls: int) -> Cost:
    """An owner, asked by one process for one count after the other."""
    return _asking(calls, 1)


def asked_at_once(calls: int) -> Cost:
    """An owner, asked by one process for many counts in one message."""
    return _asking(calls, BATCH)


WAYS: dict[str, Callable[[int], Cost]] = {
    "own memory": own,
    "shared memory": shared,
    "shared memory, two processes at once": shared_by_two,
    "shared memory, always new counters": shared_new,
    "an owner, asked for each": asked,
    f"an owner, asked for {BATCH} at once": asked_at_once,
    "two counters: own memory": own_pairs,
    "two counters: shared memory": shared_pairs,
    "sliding window: own memory": own_states,
    "sliding window: shared memory": shared_states,
}


def hits(calls: int) -> list[list[Hit]]:
    """Requests for a few counters, taking turns."""
    made = [
        [Hit(b"rl:p:4:shop5:burst60s:12:192.0.2.%03d" % n, 1, int(NOW) + 60)] for n in range(KEYS)
    ]
    return [made[n % KEYS] for n in range(calls)]


def _new(calls: int) -> list[list[Hit]]:
    return [[Hit(b"rl:p:4:shop5:burst60s:%012d" % n, 1, int(NOW) + 60)] for n in range(calls)]


def _pairs(calls: int) -> list[list[Hit]]:
    return [each + other for each, other in zip(hits(calls), _new(KEYS) * calls, strict=False)]


def _counting(store: Store, calls: int, made: Callable[[int], list[list[Hit]]]) -> Cost:
    requests = made(calls)

    def one(number: int) -> Any:
        return store.add(requests[number], NOW, None, len)

    return _measured(one, calls)


def _deciding(store: StateStore, calls: int) -> Cost:
    limit = SlidingWindow(2**31, 60_000)
    uses = [[Use(b"rl:p:sliding/60000/192.0.2.%03d" % n, limit, 1)] for n in range(KEYS)]

    def one(number: int) -> Any:
        return store.use(uses[number % KEYS], True, NOW, None, len)

    return _measured(one, calls)


def _measured(one: Callable[[int], Any], calls: int) -> Cost:
    began = time.process_time()
    for number in range(calls):
        one(number)
    used = time.process_time() - began
    times = []
    for number in range(calls):
        before = time.perf_counter()
        one(number)
        times.append(time.perf_counter() - before)
    return _cost(used, calls, times)


def _cost(used: float, calls: int, times: Sequence[float]) -> Cost:
    cuts = statistics.quantiles(times, n=100)
    return Cost(used / calls * 1e6, statistics.median(times) * 1e6, cuts[98] * 1e6)


def _asking(calls: int, at_once: int) -> Cost:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    owner = processes.fork(lambda: _own(theirs, ours))
    theirs.close()
    requests = hits(calls)
    times = []
    began = time.process_time()
    for start in range(0, calls, at_once):
        before = time.perf_counter()
        ours.send(b"".join(map(_packed, requests[start : start + at_once])))
        counts = [count for (count,) in _COUNT.iter_unpack(ours.recv(65536))]
        times.append(time.perf_counter() - before)
        assert len(counts) == len(requests[start : start + at_once])
    used = time.process_time() - began
    ours.close()
    return _cost(used + processes.result(owner), calls, times)


def _packed(request: Sequence[Hit]) -> bytes:
    ((key, addend, ends),) = request
    return _HIT.pack(addend, ends, len(key)) + key


def _own(here: socket.socket, other: socket.socket) -> float:
    """The owner: as little as there could be. The processor time that it used."""
    other.close()
    store, began = MemoryStore(), time.process_time()
    with selectors.DefaultSelector() as selector:
        selector.register(here, selectors.EVENT_READ)  # of several workers
        while True:
            selector.select()
            data = here.recv(65536)
            if not data:
                return time.process_time() - began
            here.send(b"".join(_counted(store, data)))


def _counted(store: Store, data: bytes) -> Iterable[bytes]:
    at = 0
    while at < len(data):
        addend, ends, length = _HIT.unpack_from(data, at)
        at += _HIT.size
        counts: Any = store.add([Hit(data[at : at + length], addend, ends)], NOW, None, list)
        at += length
        yield _COUNT.pack(counts[0])


def main(argv: Sequence[str]) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50_000, help="of each way, in a round")
    given = parser.parse_args(argv)
    costs: dict[str, list[Cost]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, way in WAYS.items():
            # In a process of its own: what one left behind must not slow down the next.
            costs[name].append(
                Cost(*processes.result(processes.fork(functools.partial(way, given.calls))))
            )
    print(f"{os.cpu_count()} processors\n")
    print(
        "| counters in | us of processor | us, half within | us, 99 % within |\n|---|---|---|---|"
    )
    for name, each in costs.items():
        best = [min(of) for of in zip(*each, strict=True)]
        print(f"| {name} | {' | '.join(f'{figure:.1f}' for figure in best)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
